"""What a shard of a view remembers of slots that were settled: a sorted set, by the instant that they belong to.

A member is the entity key, the slot and the slot's length (two bytes, big-endian): so that an entity's slots are
neighbours, and many are put in, in order, more than twice as fast as in any. Its score is the instant in
microseconds, a double: exact up to the year 2255, and to 32 microseconds in the year 9999.
"""

import struct

from storekeeper.online.backends.redis_layout import Names
from storekeeper.online.backends.redis_lines import Command

_LENGTH = struct.Struct(">H")


def unpack_remembered(member: bytes, score: bytes) -> tuple[bytes, bytes, int]:
    """Key, slot and instant of a member of the set."""
    slot_end = len(member) - _LENGTH.size
    slot_start = slot_end - _LENGTH.unpack_from(member, slot_end)[0]
    return member[:slot_start], member[slot_start:slot_end], int(float(score))


def forget_commands(its: Names, before_us: int | None) -> list[Command]:
    """What forgets those slots of a shard that were last remembered before an instant."""
    return [] if before_us is None else [(b"ZREMRANGEBYSCORE", its.remembered, b"-inf", b"(%d" % before_us)]
