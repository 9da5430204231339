"""Pushed rows of one entity as the bytes of one hash field, and the scripts that change them on the server.

Rows stand one after the other, in no order. All numbers are big-endian and unsigned:

======  ====  =========================================
offset  size  what
======  ====  =========================================
0       8     event time, microseconds + 2**63
8       8     knowledge time, microseconds + 2**63
16      4     length v of the value
20      4     length s of the slot
24      s     slot
24 + s  v     value
======  ====  =========================================

So of two rows in one slot the greater rank is what compares greater as bytes: first the times, then the value.
"""

import struct
from collections.abc import Iterator, Sequence

from storekeeper.online.backends.base import PushedRow, Settled

_HEAD = struct.Struct(">QQII")
_TIMES = struct.Struct(">QQ")
_BIAS = 1 << 63


def pack(row: PushedRow) -> bytes:
    """One row."""
    head = _HEAD.pack(row.event_us + _BIAS, row.known_us + _BIAS, len(row.value), len(row.slot))
    return head + row.slot + row.value


def unpack(key: bytes, packed: bytes) -> list[PushedRow]:
    """All rows of an entity, by event time, knowledge time and slot."""
    rows = [PushedRow(key, slot, event - _BIAS, known - _BIAS, value) for event, known, slot, value in _parsed(packed)]
    return rows if len(rows) < 2 else sorted(rows, key=lambda row: (row.event_us, row.known_us, row.slot))


def values(packed: bytes) -> list[bytes]:
    """The rows' values alone, in the same order."""
    rows = list(_parsed(packed))
    return [row[3] for row in (rows if len(rows) < 2 else sorted(rows))]


def _parsed(packed: bytes) -> Iterator[tuple[int, int, bytes, bytes]]:
    at = 0
    while at < len(packed):
        event, known, value_length, slot_length = _HEAD.unpack_from(packed, at)
        slot_end = at + _HEAD.size + slot_length
        at_next = slot_end + value_length
        yield event, known, packed[slot_end - slot_length : slot_end], packed[slot_end:at_next]
        at = at_next


def push_arguments(rows: Sequence[PushedRow]) -> list[bytes]:
    """What `PUSH` takes: entity key, slot and packed row of each."""
    return [part for row in rows for part in (row.key, row.slot, pack(row))]


def settle_arguments(rows: Sequence[Settled]) -> list[bytes]:
    """What `SETTLE` takes: entity key, slot and times of each."""
    return [
        part for row in rows
        for part in (row.key, row.slot, _TIMES.pack(row.event_us + _BIAS, row.known_us + _BIAS))
    ]  # fmt: skip


# Lua's own `<` of strings goes by the server's locale, and its numbers hold 53 bits: so byte by byte.
_COMMON = """
local function above(a, b)
  if a == b then return false end
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x > y end
  end
  return #a > #b
end
local function parse(entity)
  local packed, at = entity.packed, 1
  while at <= #packed do
    local value, length = struct.unpack('>I4I4', packed, at + 16)
    local slot = string.sub(packed, at + 24, at + 23 + length)
    entity.slots[#entity.slots + 1] = slot
    entity.rows[slot] = string.sub(packed, at, at + 23 + length + value)
    at = at + 24 + length + value
  end
  entity.packed = ''
end
local entities, changed = {}, {}
local function load(key)
  local entity = entities[key]
  if entity == nil then
    entity = {key = key, packed = redis.call('HGET', KEYS[1], key) or '', slots = {}, rows = {}}
    entities[key] = entity
  end
  return entity
end
local function change(entity)
  if not entity.changed then
    entity.changed = true
    changed[#changed + 1] = entity
  end
end
local function save()
  for _, entity in ipairs(changed) do
    local parts = {entity.packed}
    for _, slot in ipairs(entity.slots) do
      parts[#parts + 1] = entity.rows[slot]
    end
    local packed = table.concat(parts)
    if packed == '' then
      redis.call('HDEL', KEYS[1], entity.key)
    else
      redis.call('HSET', KEYS[1], entity.key, packed)
    end
  end
end
"""

#: KEYS: the hash of pushed rows. Returns a byte a row: `1` if it was written, else `0`. An entity's rows are taken
#: apart only when the slot's bytes are among them; events, whose slots are new, are put behind them unseen.
PUSH = (
    _COMMON
    + """
local written = {}
for i = 1, #ARGV, 3 do
  local entity, slot, row = load(ARGV[i]), ARGV[i + 1], ARGV[i + 2]
  local there = entity.rows[slot]
  if there == nil and string.find(entity.packed, slot, 1, true) then
    parse(entity)
    there = entity.rows[slot]
  end
  local wins = true
  if there == nil then
    entity.slots[#entity.slots + 1] = slot
  else
    local mine, its = string.sub(row, 1, 16), string.sub(there, 1, 16)
    if mine == its then
      wins = above(string.sub(row, 25 + #slot), string.sub(there, 25 + #slot))
    else
      wins = above(mine, its)
    end
  end
  if wins then
    entity.rows[slot] = row
    change(entity)
  end
  written[#written + 1] = wins and '1' or '0'
end
save()
return table.concat(written)
"""
)

#: KEYS: the hash of pushed rows. Takes away rows that are settled, unless they are of later times.
SETTLE = (
    _COMMON
    + """
for i = 1, #ARGV, 3 do
  local entity, slot = load(ARGV[i]), ARGV[i + 1]
  parse(entity)
  local there = entity.rows[slot]
  if there and not above(string.sub(there, 1, 16), ARGV[i + 2]) then
    entity.rows[slot] = nil
    change(entity)
  end
end
for _, entity in ipairs(changed) do
  local kept = {}
  for _, slot in ipairs(entity.slots) do
    if entity.rows[slot] then kept[#kept + 1] = slot end
  end
  entity.slots = kept
end
save()
"""
)
