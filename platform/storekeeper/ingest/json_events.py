"""Events as JSON objects: one a line, or one a text."""

import codecs
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pydantic_core import from_json

from storekeeper.ingest.batch import Batch, Event, Place, Refused

#: A longer line is no event; it is read over, and never held as a whole.
MOST_LINE_BYTES = 1024 * 1024
_SHOWN_BYTES = 200


class UnreadableError(ValueError):
    """A text that is no event; says why."""


@dataclass(frozen=True)
class Line:
    """A line of text without its end.

    Attributes
    ----------
    number
        From 1.
    text
        The bytes; of one that is too long, the first.
    """

    number: int
    text: bytes


def read_event(text: bytes) -> Event:
    """The event that a text holds.

    Examples
    --------
    >>> read_event(b'{"customer_id": 7, "price": null}')
    {'customer_id': 7, 'price': None}

    Raises
    ------
    UnreadableError
        If it is no JSON object: NaN and infinities are no JSON.
    """
    if len(text) > MOST_LINE_BYTES:
        raise UnreadableError(f"The line is longer than {MOST_LINE_BYTES:,} bytes. An event is a JSON object.")
    try:
        event = from_json(text, allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        raise UnreadableError(f"The line is not valid JSON: {error}. Expected a JSON object.") from None
    if not isinstance(event, dict):
        raise UnreadableError(f"The line is JSON, but no object: it is of type {type(event).__name__}.")
    return event


def split_lines(chunks: Iterable[bytes | None]) -> Iterator[Line | None]:
    """Lines of a text that comes in chunks; None where a chunk is None, which says that nothing comes for now.

    A line that is too long is cut at `MOST_LINE_BYTES` + 1. What no newline ends isn't whole, and left out.
    """
    number, rest = 0, b""
    for chunk in chunks:
        if chunk is None:
            yield None
            continue
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            number += 1
            yield Line(number, line[: MOST_LINE_BYTES + 1])
        rest = rest[: MOST_LINE_BYTES + 1]


def json_batches(lines: Iterable[Line | None], size: int) -> Iterator[Batch]:
    """Batches of `size` lines, or fewer where nothing comes for now; blank lines are no events."""
    held: list[Line] = []
    for line in lines:
        if line is not None:
            text = line.text.removeprefix(codecs.BOM_UTF8) if line.number == 1 else line.text
            held += [Line(line.number, text)] if text.strip() else []
        if held and (line is None or len(held) >= size):
            yield read_batch([one.number for one in held], [one.text for one in held])
            held = []
    if held:
        yield read_batch([one.number for one in held], [one.text for one in held])


def read_batch(places: Sequence[Place], texts: Sequence[bytes]) -> Batch:
    """Texts as events; those that hold none are told."""
    events, read, unread = [], [], []
    for number, text in enumerate(texts):
        try:
            events.append(read_event(text))
            read.append(number)
        except UnreadableError as error:
            unread.append(Refused(places[number], str(error), as_text(text)))
    return Batch(events, [places[n] for n in read], lambda row: as_text(texts[read[row]]), tuple(unread))


def as_text(text: bytes) -> str:
    """A line to be shown: whole if it could be an event, else its beginning; bytes that are no UTF-8 are replaced."""
    shown = text if len(text) <= MOST_LINE_BYTES else text[:_SHOWN_BYTES] + b"..."
    return shown.rstrip(b"\r").decode("utf-8", "replace")
