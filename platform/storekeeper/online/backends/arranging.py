"""From the rows that one query gives of several views to what was found of each."""

from collections.abc import Iterable, Sequence

from storekeeper.online.backends.base import Asked, Found

#: Position among what was asked, entity key, value; then of a pushed row its number among those that arrived, its event
#: time and knowledge time, which are null in state.
Row = tuple[int, bytes, bytes, int | None, int | None, int | None]


def arrange(asked: Sequence[Asked], rows: Iterable[Row]) -> list[Found]:
    """Rows as answers to what was asked."""
    states: list[dict[bytes, bytes]] = [{} for _ in asked]
    pushed: list[Row] = []
    for row in rows:
        if row[3] is None:
            states[row[0]][row[1]] = row[2]
        else:
            pushed.append(row)
    found = [Found([*map(state.get, one.keys)], [], []) for one, state in zip(asked, states, strict=True)]
    if pushed:
        _add_pushed(asked, found, pushed)
    return found


def _add_pushed(asked: Sequence[Asked], found: Sequence[Found], rows: list[Row]) -> None:
    rows.sort(key=lambda row: row[4:] + row[3:4])
    values: dict[tuple[int, bytes], list[bytes]] = {}
    for place, key, value, _, _, _ in rows:
        values.setdefault((place, key), []).append(value)
    for place, one in enumerate(asked):
        for owner, key in enumerate(one.keys):
            if mine := values.get((place, key)):
                found[place].owners.extend([owner] * len(mine))
                found[place].pushed.extend(mine)
