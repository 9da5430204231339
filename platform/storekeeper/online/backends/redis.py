"""Online state in Redis: two hashes and a sorted set a view and shard, changed in transactions and by scripts."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TypeVar

from storekeeper.errors import SettingError, SourceError
from storekeeper.online.backends.base import Asked, Found, PushedRow, Settled, StateRow, ViewMeta
from storekeeper.online.backends.redis_layout import VIEWS, names, read_meta, shard_of, written_meta
from storekeeper.online.backends.redis_lines import Command, Lines, Transaction
from storekeeper.online.backends.redis_pushed import unpack
from storekeeper.online.backends.redis_reading import read, split
from storekeeper.online.backends.redis_remembered import forget_commands, unpack_remembered
from storekeeper.online.backends.redis_scripts import push_commands
from storekeeper.online.backends.redis_staging import settle, staging

_Item = TypeVar("_Item")
_KEYS_PER_SCAN = 1000


class RedisBackend:
    """A Redis server, 6.2 or later, alone or as the node of a cluster that holds all slots; see `redis_layout`.

    What is found of one view is of one moment, with one exception: in a cluster, if a view lies in several shards,
    their state is replaced one shard after the other, within milliseconds. A reader then finds what belongs to each
    *entity* as of one moment, state and pushed rows, but may find some entities before the replacement and others
    after it. Likewise, a push or replacement that breaks off there may have reached some shards.

    Parameters
    ----------
    url
        Where the server is; see `redis_lines.Lines`.
    shards
        How many hashes a view's state is spread over: one, unless views outgrow a cluster's node. All processes must
        say the same.

    Raises
    ------
    SettingError
        If the URL can't be read, or the number of shards isn't positive.
    """

    def __init__(self, url: str, *, shards: int = 1) -> None:
        if shards < 1:
            raise SettingError(f"A view lies in at least one shard, not in {shards}. Set `shards` to 1 or more.")
        self._lines, self._shards = Lines(url), shards
        self._agreed: set[str] = set()
        self._with_pushed: set[str] = set()
        self._is_cluster: bool | None = None

    def create(self, view: str) -> None:
        """Make room for a view."""
        self._agree([view])
        self._lines.transact([[_listed(view)], [self._room(view)], [_listed(view)]])

    def drop(self, view: str) -> None:
        """Forget a view, its state and its pushed rows, in however many shards."""
        ((written, writer),) = self._lines.transact(
            [[(b"GET", names(view).meta), (b"GET", names(view).writer)]], reading=True
        )
        shards = self._shards if written is None else read_meta(written)[1]
        its_keys = self._moments([_all_keys(view, shard, writer or b"") for shard in range(shards)])
        gone: list[Transaction] = [[(b"UNLINK", *keys)] for keys in its_keys]
        unlisted: list[Transaction] = [[(b"SREM", VIEWS, view)], [(b"EXISTS", names(view).meta)]]
        self._agreed.discard(view)
        *_, (is_there,) = self._lines.transact([*gone, *unlisted])
        if is_there:
            # Made again meanwhile, and perhaps listed before it was taken off the list.
            self._lines.transact([[_listed(view)]])

    def views(self) -> list[str]:
        """Names of all views that there is room for, ascending."""
        ((listed,),) = self._lines.transact([[(b"SMEMBERS", VIEWS)]], reading=True)
        told = sorted(name.decode() for name in listed)
        there = self._lines.transact([[(b"EXISTS", names(view).meta)] for view in told], reading=True)
        return [view for view, (is_there,) in zip(told, there, strict=True) if is_there]

    def meta(self, view: str) -> ViewMeta | None:
        """What is known of the view."""
        ((written,),) = self._lines.transact([[(b"GET", names(view).meta)]], reading=True)
        return None if written is None else read_meta(written)[0]

    def count(self, view: str) -> int:
        """How many entities of a view have state."""
        self._agree([view])
        lengths: list[Transaction] = [[(b"HLEN", names(view, shard).state)] for shard in range(self._shards)]
        return sum(chain.from_iterable(self._lines.transact(self._moments(lengths), reading=True)))

    def keys(self, view: str) -> list[bytes]:
        """All entity keys of a view that have state or pushed rows, ascending."""
        self._agree([view])
        both: list[Transaction] = [
            [(b"HKEYS", names(view, shard).state), (b"HKEYS", names(view, shard).pushed)]
            for shard in range(self._shards)
        ]
        answers = self._lines.transact(self._moments(both), reading=True)
        return sorted(set(chain.from_iterable(chain.from_iterable(answers))))

    def read(self, asked: Sequence[Asked]) -> list[Found]:
        """State and pushed rows in one round trip; in two when the first pushed row of a view has come."""
        self._agree([one.view for one in asked])
        moments = [
            moment
            for number, one in enumerate(asked)
            for moment in self._moments([[part] for part in split(number, one, self._shards)])
        ]
        return read(self._lines, asked, moments, self._with_pushed)

    def replace(
        self,
        view: str,
        rows: Iterable[StateRow],
        meta: ViewMeta,
        settled: Iterable[Settled] = (),
        forget_before_us: int | None = None,
    ) -> int:
        """All of a view's state, brought beside the old and then put in its place. Returns the row count.

        Raises
        ------
        SourceError
            Also if somebody else began to replace or update this view meanwhile, or dropped it.
        """
        return self._write(view, rows, meta, settled, forget_before_us, keep=False)

    def update(
        self,
        view: str,
        rows: Iterable[StateRow],
        meta: ViewMeta,
        settled: Iterable[Settled] = (),
        forget_before_us: int | None = None,
    ) -> int:
        """As `replace`, but entities that aren't among the rows keep their state.

        The server does nothing else while the rows are put into the state: some two seconds a million rows,
        and four a million settled slots.
        """
        return self._write(view, rows, meta, settled, forget_before_us, keep=True)

    def push(self, view: str, rows: Iterable[PushedRow], newest_at_us: int | None = None) -> list[bool]:
        """Write pushed rows by a script that compares ranks on the server. Which are new."""
        self._agree([view])
        offered: list[list[tuple[int, PushedRow]]] = [[] for _ in range(self._shards)]
        for place, row in enumerate(rows):
            offered[shard_of(row.key, self._shards)].append((place, row))
        by_shard = [
            push_commands(names(view, shard), [row for _, row in its], newest_at_us)
            for shard, its in enumerate(offered)
        ]
        by_shard[0].insert(0, self._room(view))
        transactions = [[_listed(view)], *self._moments(by_shard), [_listed(view)]]
        answers = chain.from_iterable(self._lines.transact(transactions)[1:-1])
        written = b"".join(answer for answer in answers if isinstance(answer, bytes) and answer != b"OK")
        places = [place for its in offered for place, _ in its]
        return [digit == ord("1") for _, digit in sorted(zip(places, written, strict=True))]

    def pushed(self, view: str) -> Iterator[PushedRow]:
        """All pushed rows of a view, by key, event time, knowledge time and arrival; those that stay all the while."""
        self._agree([view])
        found = self._scanned(b"HSCAN", [names(view, shard).pushed for shard in range(self._shards)])
        return chain.from_iterable(unpack(key, found[key]) for key in sorted(found))

    def remembered(self, view: str) -> Iterator[tuple[bytes, bytes, int]]:
        """Key, slot and instant of all that is remembered of a view; of what stays so all the while."""
        self._agree([view])
        found = self._scanned(b"ZSCAN", [names(view, shard).remembered for shard in range(self._shards)])
        return iter(sorted(unpack_remembered(member, score) for member, score in found.items()))

    def close(self) -> None:
        """Close connections; a later call opens them again."""
        self._lines.close()

    def _write(
        self,
        view: str,
        rows: Iterable[StateRow],
        meta: ViewMeta,
        settled: Iterable[Settled],
        forget_before_us: int | None,
        *,
        keep: bool,
    ) -> int:
        self._agree([view])
        self._lines.transact([[_listed(view)]])
        with staging(self._lines, view, self._shards) as new:
            counts = new.bring(rows)
            by_shard = settle(view, settled, meta.until_us, self._shards)
            for shard, count in enumerate(counts):
                forgotten = forget_commands(names(view, shard), forget_before_us)
                by_shard[shard] = new.take_over(shard, count, keep=keep) + by_shard[shard] + forgotten
            by_shard[0] += [(b"SET", names(view).meta, written_meta(meta, self._shards)), new.ended()]
            # Shard 0 comes last, with the meta: what it says is true of all shards.
            new.switch(counts, [*self._moments(by_shard[::-1]), [_listed(view)]])
        return sum(counts)

    def _scanned(self, command: bytes, its_keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """What hashes or sorted sets hold, in many steps; what comes twice meanwhile counts once."""
        found: dict[bytes, bytes] = {}
        for name in its_keys:
            cursor = None
            while cursor != b"0":
                scan = (command, name, cursor or b"0", b"COUNT", _KEYS_PER_SCAN)
                (((cursor, parts),),) = self._lines.transact([[scan]], reading=True)
                found.update(zip(parts[::2], parts[1::2], strict=True))
        return found

    def _moments(self, by_shard: Sequence[Sequence[_Item]]) -> list[Sequence[_Item]]:
        """What is done to a view's shards as transactions: a cluster takes none across slots."""
        if len(by_shard) < 2 or self._in_cluster():
            return list(by_shard)
        return [list(chain.from_iterable(by_shard))]

    def _in_cluster(self) -> bool:
        if self._is_cluster is None:
            ((told,),) = self._lines.transact([[(b"INFO", b"cluster")]], reading=True)
            self._is_cluster = b"cluster_enabled:1" in told
        return self._is_cluster

    def _room(self, view: str) -> Command:
        return (b"SET", names(view).meta, written_meta(ViewMeta(None, {}), self._shards), b"NX")

    def _agree(self, views: Iterable[str]) -> None:
        """See that views lie in as many shards as we think; asked once of each that is there."""
        new = [view for view in dict.fromkeys(views) if view not in self._agreed]
        if not new:
            return
        metas = self._lines.transact([[(b"GET", names(view).meta)] for view in new], reading=True)
        for view, (written,) in zip(new, metas, strict=True):
            if written is not None:
                self._refuse_other_shards(view, read_meta(written)[1])
                self._agreed.add(view)

    def _refuse_other_shards(self, view: str, shards: int) -> None:
        if shards != self._shards:
            raise SourceError(
                f"{self._lines.place}: the view '{view}' lies in {shards} shard(s), and this store is set to "
                f"{self._shards}. Set `shards: {shards}`, or drop the view and materialise it again."
            )


def _listed(view: str) -> Command:
    return (b"SADD", VIEWS, view)


def _all_keys(view: str, shard: int, writer: bytes) -> list[bytes]:
    its = names(view, shard)
    return [its.meta, its.state, its.pushed, its.remembered, its.writer, its.next(writer)]
