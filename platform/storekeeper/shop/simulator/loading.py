"""`storekeeper load simulated`: simulate a shop into the project's database and behaviour log."""
# ruff: noqa: S608 (table and column names are constants of this package)

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, timedelta

import duckdb
import numpy as np

from storekeeper.database import upgrade
from storekeeper.settings import Settings
from storekeeper.shop.cleaning import Cleaned
from storekeeper.shop.columns import EVENT_TIME, EVENTS
from storekeeper.shop.report import LoadReport, Progress, no_progress
from storekeeper.shop.simulator.aftermath import follow
from storekeeper.shop.simulator.campaigns import FIRST_DAY, RUN_DAYS, campaign_tables
from storekeeper.shop.simulator.catalogue import product_table
from storekeeper.shop.simulator.deliveries import Events, Pool, deliver
from storekeeper.shop.simulator.options import SimulationOptions
from storekeeper.shop.simulator.profiles import customer_table
from storekeeper.shop.simulator.recording import events_of_sessions
from storekeeper.shop.simulator.seasons import DAY_US, WEEK_DAYS
from storekeeper.shop.simulator.sessions import mail_campaign, session_blocks
from storekeeper.shop.simulator.world import World, empty_memory, make_world
from storekeeper.shop.simulator.writing import REJECTED, REPEATED, SIMULATION, LogWriter
from storekeeper.shop.storing import StagedShop, find_loaded, store_shop

NAME = "simulated"
SOURCE = "deliveries"
_BLOCK_SESSIONS = 24_576
_BATCH_ROWS = 400_000
_MEMORY_LIMIT = "256MB"


def load_simulated(
    settings: Settings,
    options: SimulationOptions,
    progress: Progress = no_progress,
    *,
    force: bool = False,
    block_sessions: int = _BLOCK_SESSIONS,
) -> LoadReport:
    """Simulate a shop, replacing the one that is there; nothing is done if the same one is in place and whole.

    The behaviour log gets two more tables, which no feature reads: `truth` with the true probabilities, see
    `simulator.truth`, and `simulation` with the options.

    Parameters
    ----------
    settings
        Where to write.
    options
        Which shop.
    progress
        Told of each simulated week.
    force
        Simulate again even so.
    block_sessions
        How many sessions are simulated at once, at most 2^15; takes memory, and makes no difference to the result.

    Raises
    ------
    SourceError
        If the database can't be reached or a file can't be written.
    """
    upgrade(settings.database_url)
    if not force and (report := find_loaded(settings, NAME, options.fingerprint)) is not None:
        return report

    def stage(connection: duckdb.DuckDBPyConnection) -> StagedShop:
        return _simulate(connection, settings, make_world(options), progress, block_sessions)

    return store_shop(settings, NAME, options.fingerprint, stage, progress)


def simulate_events(
    world: World, progress: Progress = no_progress, block_sessions: int = _BLOCK_SESSIONS
) -> Iterator[Events]:
    """The deliveries of all events of a shop, in the order of event time; both of an event come in one piece."""
    memory, pool, seen = empty_memory(world.lives.count), Pool(), 0
    weeks = -(-world.options.days // WEEK_DAYS)
    for week in range(weeks):
        day = week * WEEK_DAYS
        progress(f"Simulating {world.options.start + timedelta(days=day)}", week, weeks)
        if day >= FIRST_DAY and (day - FIRST_DAY) % RUN_DAYS == 0:
            pool.add(deliver(mail_campaign(world, memory, day)))
        for sessions in session_blocks(world, memory, week, block_sessions):
            # Whatever comes in this block or later isn't earlier than its first session.
            yield pool.take(int(sessions["begins"][0]))
            sessions["id"] = np.arange(seen, seen + len(sessions)) + 1
            seen += len(sessions)
            others, purchases = events_of_sessions(world, memory, sessions)
            pool.add(deliver(np.concatenate([others, purchases, follow(world, purchases)])))
    yield pool.take(world.origin_us + world.options.days * DAY_US)


def _simulate(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    world: World,
    progress: Progress,
    block_sessions: int,
) -> StagedShop:
    """Write the events and truths of a shop straight into the log, and stage the rest."""
    connection.execute(f"SET memory_limit = '{_MEMORY_LIMIT}'")
    writer = LogWriter(connection, world, _BATCH_ROWS)
    writer.create()
    for ordered in simulate_events(world, progress, block_sessions):
        writer.append(ordered)
    writer.flush()
    tally, options = writer.tally, world.options
    _sign(connection, options)
    now = settings.clock.now().astimezone(UTC).replace(tzinfo=None)
    ahead = connection.execute(f"SELECT count(*) FROM {EVENTS} WHERE {EVENT_TIME} > ?", [now]).fetchall()[0][0]
    clock_hint = f"events after the platform's clock (STOREKEEPER_CLOCK={options.ends_at.isoformat()}Z shows them)"
    rejected = {REPEATED: tally.repeated} if tally.repeated else {}
    return StagedShop(
        events=None,
        tables={
            "customers": customer_table(options, world.lives),
            "products": product_table(options, world.catalogue),
            **campaign_tables(options, world.catalogue, world.fondness),
        },
        cleaned=(Cleaned(SOURCE, EVENTS, REJECTED, tally.deliveries, tally.events, rejected),),
        warnings={"events known later than they happened": tally.late, clock_hint: ahead},
    )


def _sign(connection: duckdb.DuckDBPyConnection, options: SimulationOptions) -> None:
    """Write down what was simulated."""
    connection.execute(f"CREATE TABLE {SIMULATION} (option VARCHAR, value VARCHAR)")
    rows = [[name, str(value)] for name, value in asdict(options).items()]
    connection.executemany(f"INSERT INTO {SIMULATION} VALUES (?, ?)", rows)
