"""Reading Online Retail's invoice lines from Parquet, or from the public CSV or Excel file."""

from collections.abc import Callable, Mapping
from pathlib import Path
from zipfile import BadZipFile

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from storekeeper.errors import SourceError, listing
from storekeeper.shop.intake import POSITION, to_arrow
from storekeeper.shop.online_retail_rules import COLUMNS

_PUBLIC_DATE = "%m/%d/%Y %H:%M"


def read_invoice_lines(file: Path) -> pa.Table:
    """The file's rows in its order, with whatever types it has.

    Raises
    ------
    SourceError
        If the file can't be read, or its kind isn't known.
    """
    suffix = file.suffix.lower()
    if suffix not in _READERS:
        raise SourceError(f"'{file}' is none of the files that can be read: they end in {listing(SUFFIXES)}.")
    try:
        return _READERS[suffix](file)
    except ImportError as error:
        raise SourceError(
            f"'{file}' is an Excel file, which can't be read without the Python package 'openpyxl'. Install it with "
            "pip install openpyxl, or save the sheet as CSV."
        ) from error
    except (OSError, ValueError, KeyError, BadZipFile, pa.ArrowException) as error:
        raise SourceError(f"'{file}' can't be read as {suffix}: {str(error).splitlines()[0]}") from error


def _read_csv(file: Path) -> pa.Table:
    """All columns as text; dates of the public file's form in ISO form, others as they are."""
    try:
        table = _parse_csv(file, "utf8")
    except pa.ArrowInvalid:
        # Copies of the file are in either encoding; the pound sign tells.
        table = _parse_csv(file, "latin1")
    if "InvoiceDate" not in table.column_names:
        return table
    dates = table.column("InvoiceDate")
    iso = pc.strftime(pc.strptime(dates, _PUBLIC_DATE, "s", error_is_null=True), "%Y-%m-%d %H:%M:%S")
    return table.set_column(table.column_names.index("InvoiceDate"), "InvoiceDate", pc.coalesce(iso, dates))


def _parse_csv(file: Path, encoding: str) -> pa.Table:
    return pyarrow.csv.read_csv(
        file,
        read_options=pyarrow.csv.ReadOptions(encoding=encoding),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(COLUMNS, pa.string()), strings_can_be_null=True, null_values=[""]
        ),
    )


def _read_excel(file: Path) -> pa.Table:
    return to_arrow(pd.read_excel(file, engine="openpyxl")).drop_columns([POSITION])


_READERS: Mapping[str, Callable[[Path], pa.Table]] = {
    ".parquet": pq.read_table,
    ".csv": _read_csv,
    ".xlsx": _read_excel,
}
SUFFIXES = tuple(_READERS)
