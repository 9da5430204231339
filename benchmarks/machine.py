"""What the figures were measured on."""

import psutil

from storekeeper_training.benchmark import machine

PACKAGES = ("duckdb", "feast", "ibis-framework", "numpy", "pandas", "polars", "pyarrow")


def machine_facts() -> dict[str, object]:
    """Processor, memory, system, versions, and how busy the machine was before the run."""
    return machine.machine_facts(PACKAGES) | {"busy_percent": psutil.cpu_percent(interval=1.0)}
