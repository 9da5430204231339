"""What the server does to pushed rows by itself, so that writers needn't wait for each other: two scripts.

Both are given a shard's hash of pushed rows (see `redis_pushed`) and what is remembered (see `redis_remembered`).
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from storekeeper.online.backends.base import PushedRow, Settled
from storekeeper.online.backends.redis_layout import Names
from storekeeper.online.backends.redis_lines import Command
from storekeeper.online.backends.redis_pushed import pack, packed_time

#: So many rows a script is given: Lua's stack holds what it asks of each.
ROWS_PER_CALL = 500
_Row = tuple[bytes, bytes, bytes]

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
local function member(key, slot)
  return key .. slot .. struct.pack('>I2', #slot)
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
local function parse(entity)
  local packed, at, slots = entity.packed, 1, {}
  if packed == '' then return end
  while at <= #packed do
    local value, length = struct.unpack('>I4I4', packed, at + 16)
    local slot = string.sub(packed, at + 24, at + 23 + length)
    slots[#slots + 1] = slot
    entity.rows[slot] = string.sub(packed, at, at + 23 + length + value)
    at = at + 24 + length + value
  end
  for _, slot in ipairs(entity.slots) do slots[#slots + 1] = slot end
  entity.packed, entity.slots = '', slots
end
local function put(entity, slot, row)
  entity.rows[slot] = row
  entity.newest = nil
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

# ARGV: the instant for which newest rows alone stay, or nothing; key, slot and packed row of each. Returns a byte a
# row: `1` if it is new, else `0`. Unless newest rows alone stay, an entity's rows are taken apart only when the slot's
# bytes are among them; events, whose slots are new, are put behind them unseen.
_PUSH = (
    _COMMON
    + """
local now, answers, remembered = ARGV[1], {}, {}
if redis.call('EXISTS', KEYS[2]) == 1 then
  local members = {}
  for i = 2, #ARGV, 3 do members[#members + 1] = member(ARGV[i], ARGV[i + 1]) end
  remembered = redis.call('ZMSCORE', KEYS[2], unpack(members))
end
local function event(row) return string.sub(row, 1, 8) end
local function known(row) return string.sub(row, 9, 16) end
local function rank(slot, row) return known(row) .. event(row) .. string.sub(row, 25 + #slot) end
local function add(entity, slot, row)
  if entity.rows[slot] == nil and (now ~= '' or string.find(entity.packed, slot, 1, true)) then parse(entity) end
  local there, newest = entity.rows[slot], entity.newest
  if there == nil then
    entity.slots[#entity.slots + 1] = slot
    put(entity, slot, row)
    if event(row) == newest then entity.newest = newest end
  elseif above(rank(slot, there), rank(slot, row)) then
    put(entity, slot, row)
  end
  return there == nil
end
local function prune(entity)
  local newest, kept = '', {}
  for _, row in pairs(entity.rows) do
    if above(event(row), newest) and not above(event(row), now) and not above(known(row), now) then
      newest = event(row)
    end
  end
  for _, slot in ipairs(entity.slots) do
    if above(newest, event(entity.rows[slot])) then
      put(entity, slot, nil)
    else
      kept[#kept + 1] = slot
    end
  end
  entity.slots, entity.newest = kept, newest
end
for i = 2, #ARGV, 3 do
  local is_new, entity, slot = false, load(ARGV[i]), ARGV[i + 1]
  if not remembered[(i + 1) / 3] then
    is_new = add(entity, slot, ARGV[i + 2])
    if now ~= '' and entity.newest == nil then prune(entity) end
  end
  answers[#answers + 1] = is_new and entity.rows[slot] ~= nil and '1' or '0'
end
save()
return table.concat(answers)
"""
)

# ARGV: the instant as of which slots are remembered; key, slot and whether it is remembered (`1`) of each.
_SETTLE = (
    _COMMON
    + """
local members = {}
for i = 2, #ARGV, 3 do
  local entity, slot = load(ARGV[i]), ARGV[i + 1]
  parse(entity)
  if entity.rows[slot] then put(entity, slot, nil) end
  if ARGV[i + 2] == '1' then
    members[#members + 1] = ARGV[1]
    members[#members + 1] = member(ARGV[i], slot)
  end
end
save()
if #members > 0 then redis.call('ZADD', KEYS[2], 'GT', unpack(members)) end
"""
)


def push_commands(its: Names, rows: Sequence[PushedRow], newest_at_us: int | None) -> list[Command]:
    """What pushes rows into a shard; each command answers a byte a row, `1` if it is new."""
    now = b"" if newest_at_us is None else packed_time(newest_at_us)
    offered = [(row.key, row.slot, pack(row)) for row in rows]
    return [_call(_PUSH, its, now, some) for some in _portions(offered)]


def settle_commands(its: Names, rows: Sequence[Settled], until_us: int | None) -> list[Command]:
    """What takes settled rows away from a shard, and remembers their slots if there is an instant for it."""
    until = b"" if until_us is None else b"%d" % until_us
    gone = [(row.key, row.slot, b"1" if row.is_remembered and until else b"0") for row in rows]
    return [_call(_SETTLE, its, until, some) for some in _portions(gone)]


def _portions(rows: Sequence[_Row]) -> Iterator[Sequence[_Row]]:
    return (rows[start : start + ROWS_PER_CALL] for start in range(0, len(rows), ROWS_PER_CALL))


def _call(script: str, its: Names, first: bytes, rows: Iterable[_Row]) -> Command:
    return (b"EVAL", script, 2, its.pushed, its.remembered, first, *chain.from_iterable(rows))
