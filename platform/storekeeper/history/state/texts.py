"""The texts of a string column: each entity's blob has its own dictionary, and values are ranks in it."""

import bisect
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from storekeeper.history.state.unpacked import Unpacked


@dataclass(frozen=True)
class Texts:
    """Texts of one column, all entities' laid end to end: a place among them takes the place of a rank.

    Attributes
    ----------
    joined
        Bytes that hold the texts.
    begin, end
        (n_texts,) int64: where in `joined` each text lies.
    first
        (n_entities + 1,) int64: entity e's ranks begin at place first[e].
    moved
        Where each text that blobs have stands since others came among them, int64; None where all stand as they lay.
    """

    joined: bytes
    begin: np.ndarray
    end: np.ndarray
    first: np.ndarray
    moved: np.ndarray | None = None

    def places(self, ranks: np.ndarray, first: np.ndarray) -> np.ndarray:
        """Places of ranks, (n_rows + 1,) int64, whose rows belong to entities as `first` says.

        Of two texts of one entity the lesser has the lesser place. Ranks of nulls come to some place, too.
        """
        if len(first) == 2 and self.moved is None:
            return ranks
        places = ranks.copy()
        places[:-1] += np.repeat(self.first[:-1], np.diff(first))
        if self.moved is None or not len(self.moved):
            return places
        return np.asarray(self.moved[np.minimum(places, len(self.moved) - 1)])

    def take(self, places: np.ndarray) -> list[str]:
        """The texts at some places."""
        begins, ends = self.begin[places].tolist(), self.end[places].tolist()
        return [self.joined[low:high].decode() for low, high in zip(begins, ends, strict=True)]

    def with_recent(self, owner: np.ndarray, texts: Sequence[str]) -> "tuple[Texts, np.ndarray]":
        """Put texts of entities among those that the entities have.

        Parameters
        ----------
        owner
            (k,) int64: the entity of each text.

        Returns
        -------
        texts : Texts
            With the new ones.
        places : numpy.ndarray
            (k,) int64: where each of them is.
        """
        # UTF-8 bytes are how the texts of blobs are ordered.
        pairs = [(entity, text.encode()) for entity, text in zip(owner.tolist(), texts, strict=True)]
        distinct = sorted(set(pairs))
        found = [self._find(*pair) for pair in distinct]
        added = [pair for pair, (_, is_there) in zip(distinct, found, strict=True) if not is_there]
        before = np.array([place for place, is_there in found if not is_there], np.int64)
        moved = np.arange(len(self.begin))
        moved += np.searchsorted(before, moved, side="right")
        place_of = dict(zip(added, (before + np.arange(len(added))).tolist(), strict=True))
        place_of |= {
            pair: moved.item(place) for pair, (place, is_there) in zip(distinct, found, strict=True) if is_there
        }
        places = np.fromiter((place_of[pair] for pair in pairs), np.int64, len(pairs))
        return self._with([text for _, text in added], before, moved), places

    def _with(self, added: list[bytes], before: np.ndarray, moved: np.ndarray) -> "Texts":
        """Texts added before those at some places."""
        ends = len(self.joined) + np.cumsum(np.fromiter(map(len, added), np.int64, len(added)))
        begins = np.concatenate([[len(self.joined)], ends])[:-1]
        return Texts(
            b"".join([self.joined, *added]),
            np.insert(self.begin, before, begins),
            np.insert(self.end, before, ends),
            self.first,
            moved,
        )

    def _find(self, entity: int, text: bytes) -> tuple[int, bool]:
        """Where the first of an entity's texts that isn't less stands, and whether it is the same."""
        low, high = self.first.item(entity), self.first.item(entity + 1)
        begin, end, joined = self.begin, self.end, self.joined

        def at(place: int) -> bytes:
            return joined[begin.item(place) : end.item(place)]

        place = low + bisect.bisect_left(range(low, high), text, key=at)
        return place, place < high and at(place) == text


def texts_of(unpacked: Unpacked, sections: Sequence[int], number: int) -> Texts:
    """The texts of a blob's string column.

    Parameters
    ----------
    sections
        Sections of the byte lengths of each string column.
    number
        Which of them.
    """
    used = unpacked.tails_begin
    for place, position in enumerate(sections[: number + 1]):
        first = unpacked.first(position)
        ends = np.zeros(first[-1] + 1, np.int64)
        np.cumsum(unpacked.column(0, unpacked.places(first, position))[:-1], out=ends[1:])
        if place < number:
            used = used + ends[first[1:]] - ends[first[:-1]]
    shift = np.repeat(used - ends[first[:-1]], np.diff(first))
    return Texts(unpacked.joined, ends[:-1] + shift, ends[1:] + shift, first)
