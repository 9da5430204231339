"""Windows in DuckDB's SQL: four plans, each giving what the kernel gives, tuned as their users would.

Views that all plans start from: `spine(row_id, user_id, t, from_1h, from_1d, from_7d, from_30d)` and
`events(user_id, t, amount, quantity)`, times in microseconds. A window is `from_<w> <= events.t < spine.t`.
"""

from collections.abc import Callable

from benchmarks.cases import FUNCTIONS, WINDOWS

LONGEST = "30d"


def inputs(files: str) -> str:
    """The two tables, columns narrowed; the spine with the old edge of each window."""
    edges = ", ".join(
        f"t - {length} - (t - {length}) % {hop} AS from_{window}" for window, (length, hop) in WINDOWS.items()
    )
    return f"""
    CREATE TABLE spine AS
    SELECT row_id, user_id, t, {edges}
    FROM (SELECT row_id, user_id, epoch_us(event_timestamp) AS t FROM '{files}/spine.parquet');
    CREATE VIEW events AS
    SELECT user_id, epoch_us(event_timestamp) AS t, amount, quantity FROM '{files}/events.parquet';
    """


def range_join() -> str:
    """Every pair of a spine row and an event of its longest window, once."""
    columns = ",\n".join(
        f"""count(events.t) FILTER (events.t >= from_{w}) AS count{w},
        coalesce(sum(amount) FILTER (events.t >= from_{w}), 0) AS amount{w},
        coalesce(sum(quantity) FILTER (events.t >= from_{w}), 0) AS quantity{w},
        max(amount) FILTER (events.t >= from_{w}) AS highest{w}"""
        for w in WINDOWS
    )
    return f"""
    SELECT row_id, {columns}
    FROM spine
    LEFT JOIN events ON events.user_id = spine.user_id AND events.t >= from_{LONGEST} AND events.t < spine.t
    GROUP BY row_id
    """


def range_frame() -> str:
    """Events and spine rows on one axis; frames end a microsecond before the row itself."""
    columns = ",\n".join(
        f"""count(amount) OVER w{w} AS count{w},
        coalesce(sum(amount) OVER w{w}, 0) AS amount{w},
        coalesce(sum(quantity) OVER w{w}, 0) AS quantity{w},
        max(amount) OVER w{w} AS highest{w}"""
        for w in WINDOWS
    )
    frames = ",\n".join(
        f"w{w} AS (PARTITION BY user_id ORDER BY t RANGE BETWEEN (t - from_{w}) PRECEDING AND 1 PRECEDING)"
        for w in WINDOWS
    )
    edges = ", ".join(f"from_{w}" for w in WINDOWS)
    same = ", ".join("t" for _ in WINDOWS)
    return f"""
    SELECT * EXCLUDE (user_id, t, {edges}) FROM (
        SELECT *, {columns}
        FROM (
            SELECT row_id, user_id, t, {edges}, NULL::DOUBLE AS amount, NULL::DOUBLE AS quantity FROM spine
            UNION ALL
            SELECT NULL, user_id, t, {same}, amount, quantity FROM events
        )
        WINDOW {frames}
    )
    WHERE row_id IS NOT NULL
    """


def prefix_asof() -> str:
    """Running sums per entity; a window is the difference of two of them. A maximum can't be had this way."""
    ends = {"now": "t"} | {w: f"from_{w}" for w in WINDOWS}
    joins = "\n".join(
        f"ASOF LEFT JOIN sums AS s{end} ON spine.user_id = s{end}.user_id AND spine.{column} > s{end}.t"
        for end, column in ends.items()
    )
    columns = ",\n".join(
        f"coalesce(snow.{name}, 0) - coalesce(s{w}.{name}, 0) AS {name}{w}"
        for w in WINDOWS
        for name in ("count", "amount", "quantity")
    )
    return f"""
    WITH sums AS MATERIALIZED (
        SELECT user_id, t, count(*) OVER w AS count, sum(amount) OVER w AS amount, sum(quantity) OVER w AS quantity
        FROM events
        WINDOW w AS (PARTITION BY user_id ORDER BY t)
    )
    SELECT row_id, {columns} FROM spine {joins}
    """


def hop_tiles() -> str:
    """Whole tiles between the old edge and the running tile, and the events of the running tile before `t`."""
    hops: dict[int, list[str]] = {}
    for window, (_, hop) in WINDOWS.items():
        hops.setdefault(hop, []).append(window)
    steps = ",\n".join(_tiles(hop, windows) for hop, windows in hops.items())
    columns = ", ".join(f"whole{hop}.{name}{w}" for hop, windows in hops.items() for w in windows for name in FUNCTIONS)
    first, *others = (f"whole{hop}" for hop in hops)
    joins = " ".join(f"JOIN {other} USING (row_id)" for other in others)
    return f"WITH {steps} SELECT row_id, {columns} FROM {first} {joins}"


def _tiles(hop: int, windows: list[str]) -> str:
    longest = windows[-1]
    measures = "count(*) AS count, sum(amount) AS amount, sum(quantity) AS quantity, max(amount) AS highest"
    sums = ", ".join(
        f"""coalesce(sum(tile.count) FILTER (tile.starts >= from_{w}), 0) AS count{w},
        coalesce(sum(tile.amount) FILTER (tile.starts >= from_{w}), 0) AS amount{w},
        coalesce(sum(tile.quantity) FILTER (tile.starts >= from_{w}), 0) AS quantity{w},
        max(tile.highest) FILTER (tile.starts >= from_{w}) AS highest{w}"""
        for w in windows
    )
    together = ", ".join(
        f"""(old.count{w} + coalesce(running.count, 0))::BIGINT AS count{w},
        old.amount{w} + coalesce(running.amount, 0) AS amount{w},
        old.quantity{w} + coalesce(running.quantity, 0) AS quantity{w},
        greatest(old.highest{w}, running.highest) AS highest{w}"""
        for w in windows
    )
    return f"""
    tiles{hop} AS MATERIALIZED (
        SELECT user_id, t - t % {hop} AS starts, {measures} FROM events GROUP BY ALL
    ),
    old{hop} AS (
        SELECT row_id, {sums}
        FROM spine
        LEFT JOIN tiles{hop} AS tile
            ON tile.user_id = spine.user_id AND tile.starts >= from_{longest} AND tile.starts < t - t % {hop}
        GROUP BY row_id
    ),
    running{hop} AS (
        SELECT row_id, {measures}
        FROM spine
        JOIN events
            ON events.user_id = spine.user_id
            AND events.t - events.t % {hop} = spine.t - spine.t % {hop} AND events.t < spine.t
        GROUP BY row_id
    ),
    whole{hop} AS (
        SELECT old.row_id, {together}
        FROM old{hop} AS old LEFT JOIN running{hop} AS running USING (row_id)
    )"""


PLANS: dict[str, Callable[[], str]] = {
    "range-join": range_join,
    "range-frame": range_frame,
    "prefix-asof": prefix_asof,
    "hop-tiles": hop_tiles,
    "floor": lambda: "SELECT user_id, t, amount, quantity FROM events ORDER BY user_id, t",
}
