"""What Online Retail's invoice lines must look like, and the rules that they must keep."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from storekeeper.shop.cleaning import (
    RowRule,
    Rule,
    cents,
    no_repeats,
    optional_whole,
    required_whole,
    timestamp_within,
    whole,
)

SOURCE = "invoice_lines"
COLUMNS = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")

# Naive, as everything inside SQL is: UTC.
EARLIEST = datetime(2009, 1, 1)  # noqa: DTZ001
LATEST = datetime(2013, 1, 1)  # noqa: DTZ001
# Two orders, of 74,215 and 80,995 pieces, were slips that were cancelled within minutes; the largest other is 4,800.
MOST_QUANTITY = 10_000
# The dearest line that stood costs 7,144.72; one above, of 60 picnic baskets, was a slip.
MOST_LINE_CENTS = 1_000_000

INVOICE = 'upper(trim(CAST("InvoiceNo" AS VARCHAR)))'
STOCK_CODE = 'upper(trim(CAST("StockCode" AS VARCHAR)))'
CANCELLED = f"starts_with({INVOICE}, 'C')"
QUANTITY = whole("Quantity")
UNIT_CENTS = cents("UnitPrice")
# Five digits and perhaps two letters, or DCGS and a name; all else is postage, fees, vouchers, samples, corrections.
_ARTICLE = "[0-9]{5}[A-Z]{0,2}|DCGS[0-9A-Z]{1,7}"
# A voucher of £100, next day carriage, a packing charge, and pictures for the press hide among the articles.
_NO_ARTICLES = ("22016", "23444", "23574", "23702")

RULES: Sequence[Rule] = [
    RowRule(
        "InvoiceNo is neither an order nor a cancellation",
        f"NOT coalesce(regexp_full_match({INVOICE}, 'C?[0-9]{{6}}'), FALSE)",
    ),
    RowRule(
        "StockCode is no article: postage, fees, vouchers, samples, corrections",
        f"NOT coalesce(regexp_full_match({STOCK_CODE}, '{_ARTICLE}') AND {STOCK_CODE} NOT IN {_NO_ARTICLES}, FALSE)",
    ),
    *timestamp_within("InvoiceDate", EARLIEST, LATEST),
    *optional_whole("CustomerID"),
    *required_whole("Quantity"),
    RowRule("Quantity of an order is not positive: stock written off", f"({QUANTITY}) <= 0 AND NOT {CANCELLED}"),
    RowRule("Quantity of a cancellation is not negative", f"({QUANTITY}) >= 0 AND {CANCELLED}"),
    RowRule("Quantity is absurd", f"abs({QUANTITY}) > {MOST_QUANTITY}"),
    RowRule("UnitPrice is missing or not a number", f"({UNIT_CENTS}) IS NULL"),
    RowRule("UnitPrice is not positive", f"({UNIT_CENTS}) <= 0"),
    RowRule(
        "the line's amount is absurd",
        f"CAST({UNIT_CENTS} AS DOUBLE) * abs({QUANTITY}) > {MOST_LINE_CENTS}",
    ),
    *no_repeats(),
]

# ISO 3166-1 numeric codes under the file's own names. "European Community" and "Unspecified" have none.
COUNTRY_CODES: Mapping[str, int] = {
    "Australia": 36,
    "Austria": 40,
    "Bahrain": 48,
    "Belgium": 56,
    "Brazil": 76,
    "Canada": 124,
    "Channel Islands": 830,
    "Cyprus": 196,
    "Czech Republic": 203,
    "Denmark": 208,
    "EIRE": 372,
    "Finland": 246,
    "France": 250,
    "Germany": 276,
    "Greece": 300,
    "Hong Kong": 344,
    "Iceland": 352,
    "Israel": 376,
    "Italy": 380,
    "Japan": 392,
    "Lebanon": 422,
    "Lithuania": 440,
    "Malta": 470,
    "Netherlands": 528,
    "Norway": 578,
    "Poland": 616,
    "Portugal": 620,
    "RSA": 710,
    "Saudi Arabia": 682,
    "Singapore": 702,
    "Spain": 724,
    "Sweden": 752,
    "Switzerland": 756,
    "USA": 840,
    "United Arab Emirates": 784,
    "United Kingdom": 826,
}
