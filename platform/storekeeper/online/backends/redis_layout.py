"""How a view lies in Redis: names of keys, and the bytes of its meta.

A view lies in one or more shards, an entity in the one that its key's CRC-32 names. What a name has in braces decides
its slot in a cluster, so that all keys of a shard lie on one server, and one transaction may touch them.

===============================  ======  =============================================================
key                              type    what it holds
===============================  ======  =============================================================
``sk:views``                     set     views' names; also of some that there is no room for any more
``sk:{<view>:0}:meta``           string  `ViewMeta` and the number of shards, as JSON
``sk:{<view>:<n>}:state``        hash    entity key -> blob
``sk:{<view>:<n>}:pushed``       hash    entity key -> its pushed rows, see `redis_pushed`
``sk:{<view>:<n>}:remembered``   zset    slots that were settled, see `redis_remembered`
``sk:{<view>:0}:writer``         string  who replaces or updates state now: a token
``sk:{<view>:<n>}:next:<token>`` hash    what that writer has brought so far, as in ``state``
===============================  ======  =============================================================
"""

import json
import zlib
from dataclasses import dataclass
from functools import lru_cache

from storekeeper.online.backends.base import ViewMeta

VIEWS = b"sk:views"


@dataclass(frozen=True, slots=True)
class Names:
    """Keys of one shard of a view; of `meta` and `writer`, those of shard 0 are used alone."""

    state: bytes
    pushed: bytes
    remembered: bytes
    meta: bytes
    writer: bytes
    next_prefix: bytes

    def next(self, token: bytes) -> bytes:
        """What a writer has brought so far."""
        return self.next_prefix + token


@lru_cache(maxsize=4096)
def names(view: str, shard: int = 0) -> Names:
    """Keys of one shard of a view; braces in its name are written `%7B` and `%7D`, so that ours decide the slot.

    >>> names("shop/activity", 3).state
    b'sk:{shop/activity:3}:state'
    """
    plain = view.replace("%", "%25").replace("{", "%7B").replace("}", "%7D")
    tag = f"sk:{{{plain}:{shard}}}:".encode()
    return Names(tag + b"state", tag + b"pushed", tag + b"remembered", tag + b"meta", tag + b"writer", tag + b"next:")


def shard_of(key: bytes, shards: int) -> int:
    """The shard that an entity lies in."""
    return zlib.crc32(key) % shards if shards > 1 else 0


def written_meta(meta: ViewMeta, shards: int) -> bytes:
    """Meta of a view in so many shards."""
    told = {"until_us": meta.until_us, "kinds": meta.kinds, "made_from": meta.made_from, "shards": shards}
    return json.dumps(told).encode()


def read_meta(written: bytes) -> tuple[ViewMeta, int]:
    """Meta, and the number of shards that the view lies in."""
    told = json.loads(written)
    return ViewMeta(told["until_us"], told["kinds"], told["made_from"]), told["shards"]
