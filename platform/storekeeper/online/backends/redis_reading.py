"""One round trip that reads several views; pushed rows are looked for only where a view has any."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from storekeeper.online.backends.base import Asked, Found
from storekeeper.online.backends.redis_layout import Names, names, shard_of
from storekeeper.online.backends.redis_lines import MOST_ARGUMENTS, Command, Lines
from storekeeper.online.backends.redis_pushed import values


@dataclass(frozen=True, slots=True)
class Part:
    """What is asked of one shard of a view.

    Attributes
    ----------
    asked
        Position of the view in what was asked.
    names
        The shard's keys.
    places
        Positions of the entities among those asked of the view, ascending.
    keys
        Their keys, at least one.
    """

    asked: int
    names: Names
    places: Sequence[int]
    keys: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class _Piece:
    """What a shard answered: blobs and packed pushed rows in the order of its part's keys, None where there is none.

    `pushed` is empty if nobody asked; then `has_pushed` says whether one should have.
    """

    part: Part
    state: list[bytes | None]
    has_pushed: bool
    pushed: list[bytes | None]


def split(number: int, one: Asked, shards: int) -> list[Part]:
    """What is asked of a view, by shard; nothing if no key is."""
    if shards == 1:
        return [Part(number, names(one.view), range(len(one.keys)), one.keys)] if one.keys else []
    places: dict[int, list[int]] = {}
    for place, key in enumerate(one.keys):
        places.setdefault(shard_of(key, shards), []).append(place)
    return [
        Part(number, names(one.view, shard), found, [one.keys[place] for place in found])
        for shard, found in sorted(places.items())
    ]


def read(lines: Lines, asked: Sequence[Asked], moments: Sequence[Sequence[Part]], with_pushed: set[str]) -> list[Found]:
    """Read several views.

    Parameters
    ----------
    lines
        Connections.
    asked
        What is wanted.
    moments
        Its parts; each group, all of one view, is read at one moment.
    with_pushed
        Views that had pushed rows when last read, kept up to date. Only of those are they asked for at once; another
        view is read a second time if it has some now.
    """
    views = [asked[moment[0].asked].view for moment in moments]
    looked = [view in with_pushed for view in views]
    heard = _heard(lines, moments, looked)
    missed = [i for i, pieces in enumerate(heard) if not looked[i] and _has_pushed(pieces)]
    if missed:
        for i, pieces in zip(missed, _heard(lines, [moments[i] for i in missed], [True] * len(missed)), strict=True):
            heard[i] = pieces
    for view, pieces in zip(views, heard, strict=True):
        (with_pushed.add if _has_pushed(pieces) else with_pushed.discard)(view)
    by_asked: list[list[_Piece]] = [[] for _ in asked]
    for pieces in heard:
        by_asked[pieces[0].part.asked] += pieces
    return [_found(one, pieces) for one, pieces in zip(asked, by_asked, strict=True)]


def _has_pushed(pieces: Iterable[_Piece]) -> bool:
    return any(piece.has_pushed for piece in pieces)


def _heard(lines: Lines, moments: Sequence[Sequence[Part]], looked: Sequence[bool]) -> list[list[_Piece]]:
    """What each moment's shards answered, with their pushed rows if these are looked for."""
    wanted = [
        [command for part in moment for command in _commands(part, look)]
        for moment, look in zip(moments, looked, strict=True)
    ]
    answers = lines.transact(wanted, reading=True)
    return [_pieces(moment, told, look) for moment, told, look in zip(moments, answers, looked, strict=True)]


def _commands(part: Part, look: bool) -> list[Command]:
    commands = [*_lookups(part.names.state, part.keys), (b"HLEN", part.names.pushed)]
    return [*commands, *_lookups(part.names.pushed, part.keys)] if look else commands


def _lookups(name: bytes, keys: Sequence[bytes]) -> list[Command]:
    starts = range(0, len(keys), MOST_ARGUMENTS)
    return [(b"HMGET", name, *keys[start : start + MOST_ARGUMENTS]) for start in starts]


def _pieces(moment: Sequence[Part], answers: Sequence[Any], look: bool) -> list[_Piece]:
    told = iter(answers)
    return [
        _Piece(part, _blobs(told, part), next(told) > 0, _blobs(told, part) if look else []) for part in moment
    ]  # fmt: skip


def _blobs(told: Any, part: Part) -> list[bytes | None]:
    """The next answers to a part's lookups, as one list."""
    first: list[bytes | None] = next(told)
    while len(first) < len(part.keys):
        first += next(told)
    return first


def _found(one: Asked, pieces: Sequence[_Piece]) -> Found:
    owners: list[int] = []
    pushed: list[bytes] = []
    for owner, rows in sorted(chain.from_iterable(map(_with_pushed, pieces))):
        its = values(rows)
        owners += [owner] * len(its)
        pushed += its
    return Found(_state(one, pieces), owners, pushed)


def _with_pushed(piece: _Piece) -> list[tuple[int, bytes]]:
    return [(place, rows) for place, rows in zip(piece.part.places, piece.pushed, strict=False) if rows is not None]


def _state(one: Asked, pieces: Sequence[_Piece]) -> list[bytes | None]:
    if len(pieces) == 1 and len(pieces[0].state) == len(one.keys):
        return pieces[0].state
    state: list[bytes | None] = [None] * len(one.keys)
    for piece in pieces:
        for place, blob in zip(piece.part.places, piece.state, strict=True):
            state[place] = blob
    return state
