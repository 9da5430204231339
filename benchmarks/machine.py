"""What the figures were measured on."""

import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import psutil

PACKAGES = ("duckdb", "feast", "ibis-framework", "numpy", "pandas", "polars", "pyarrow")


def machine_facts() -> dict[str, object]:
    """Processor, memory, system, versions, and how busy the machine was before the run."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "busy_percent": psutil.cpu_percent(interval=1.0),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
    }


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    if sys.platform == "linux" and facts.exists():
        for line in facts.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"
