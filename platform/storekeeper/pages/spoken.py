"""Instants, spans and figures as people read them; what isn't known is a dash."""

from datetime import datetime, timedelta

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def span(length: timedelta | None) -> str:
    """A span in its two largest units.

    >>> span(timedelta(days=2, hours=3, minutes=59))
    '2 d 3 h'
    >>> span(timedelta(seconds=90)), span(timedelta(0)), span(None)
    ('1 min 30 s', '0 s', '-')
    """
    if length is None:
        return "-"
    seconds = int(length.total_seconds())
    if seconds < 0:
        return f"in {span(-length)}"
    number = next((i for i, (unit, _) in enumerate(_UNITS) if seconds >= unit), len(_UNITS) - 1)
    parts: list[str] = []
    for unit, name in _UNITS[number : number + 2]:
        count, seconds = divmod(seconds, unit)
        if count or not parts:
            parts.append(f"{count} {name}")
    return " ".join(parts)


def moment(instant: datetime | None) -> str:
    """An instant to the minute, UTC.

    >>> moment(None)
    '-'
    """
    return "-" if instant is None else f"{instant:%Y-%m-%d %H:%M}"


def second(instant: datetime | None) -> str:
    """An instant to the second, UTC.

    >>> second(datetime(2017, 12, 31, 9, 5)), second(None)
    ('2017-12-31 09:05:00', '-')
    """
    return "-" if instant is None else f"{instant:%Y-%m-%d %H:%M:%S}"


def number(value: float | None) -> str:
    """A whole number in groups of three digits.

    >>> number(1234567), number(1999.6), number(None)
    ('1,234,567', '2,000', '-')
    """
    return "-" if value is None else f"{round(value):,}"


def share(part: float | None) -> str:
    """A share in per cent.

    >>> share(0.125), share(None)
    ('12.5%', '-')
    """
    return "-" if part is None else f"{part:.1%}"


def figure(value: float | None, digits: int = 3) -> str:
    """A figure with so many decimals.

    >>> figure(0.12345), figure(1e-9), figure(None)
    ('0.123', '0.000', '-')
    """
    return "-" if value is None else f"{value:.{digits}f}"


def chance(p: float | None) -> str:
    """A p-value; very small ones are only said to be small.

    >>> chance(0.25), chance(1e-12), chance(None)
    ('0.250', '<0.001', '-')
    """
    return "<0.001" if p is not None and p < 0.001 else figure(p)
