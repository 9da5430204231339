"""What a perfect model could reach: true chances against what came of them.

The table `truth` of a simulated behaviour log gives, for events after which something is decided, the chance with
which the simulator decided it. A model that knows no more than the past can't do better than these chances.

| task | decision | at each | comes true if |
|---|---|---|---|
| click | `click` | impression | the product is clicked in this session |
| click, on mailings | `redeem` | offer_received | the coupon is redeemed while the campaign runs (14 days) |
| purchase | `purchase` | view | the product is bought in this session |
| purchase, in a week | `again` | purchase line | the category is bought again within 7 days |
| purchase, in two steps | `cart`, `checkout` | view, cart_add | it lands in the cart; it is bought from there |
| return | `return` | purchase line | it comes back (within 28 days) |
| churn | `churn` | first line of a basket | nothing is bought within 28 days |
| next_item | `next_item` | purchase line without coupon | not 0 or 1: the chance of this very product among all |
| sales | `purchase`, summed | view | the sum over a day's views is the expected number of lines, given the traffic |

`next_item` gives the least cross-entropy: minus the mean of its logarithm. The chances of `click`, `cart`,
`checkout`, `purchase` and `return` are exact. Those of `redeem`, `churn` and `again` follow from Poisson sessions,
daily hazards and promotions; they look at a customer's kind once a week, which is as good as exact.
"""
# ruff: noqa: S608 (table and column names are constants of this package)

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storekeeper.errors import NotFoundError, SourceError, listing
from storekeeper.shop.behaviour import behaviour_errors, open_behaviour
from storekeeper.shop.simulator.aftermath import RETURN_DAYS
from storekeeper.shop.simulator.campaigns import RUN_DAYS
from storekeeper.shop.simulator.silence import AGAIN_DAYS, CHURN_DAYS
from storekeeper.shop.simulator.writing import SIMULATION, TRUTH


@dataclass(frozen=True)
class Decision:
    """How a decision's outcome is seen in the log.

    Attributes
    ----------
    came_true
        SQL predicate over later events `later` that came of the event `decided`.
    negated
        Whether the outcome is that there is no such event.
    matures_days
        How many days must have passed before the outcome is known.
    """

    came_true: str
    negated: bool = False
    matures_days: int = 0


_EVER = datetime(1, 1, 1)  # noqa: DTZ001 (naive UTC, as in the log)
_SAME_LOOK = "later.session_id = decided.session_id AND later.product_id = decided.product_id"
_SAME_LINE = "later.basket_id = decided.basket_id AND later.product_id = decided.product_id"
_LATER = (
    "later.event_type = 'purchase' AND later.customer_id = decided.customer_id "
    "AND later.event_time > decided.event_time"
)

DECISIONS: dict[str, Decision] = {
    "click": Decision(f"later.event_type = 'click' AND {_SAME_LOOK}"),
    "cart": Decision(f"later.event_type = 'cart_add' AND {_SAME_LOOK}"),
    "purchase": Decision(f"later.event_type = 'purchase' AND {_SAME_LOOK}"),
    "checkout": Decision(f"later.event_type = 'purchase' AND {_SAME_LOOK}"),
    "return": Decision(f"later.event_type = 'return' AND {_SAME_LINE}", matures_days=RETURN_DAYS),
    "redeem": Decision(
        "later.event_type = 'offer_redeemed' AND later.customer_id = decided.customer_id "
        "AND later.campaign_id = decided.campaign_id",
        matures_days=RUN_DAYS,
    ),
    "churn": Decision(
        f"{_LATER} AND later.event_time <= decided.event_time + INTERVAL {CHURN_DAYS} DAY",
        negated=True,
        matures_days=CHURN_DAYS,
    ),
    "again": Decision(
        f"{_LATER} AND later.event_time <= decided.event_time + INTERVAL {AGAIN_DAYS} DAY "
        "AND later.category = decided.category",
        matures_days=AGAIN_DAYS,
    ),
}
"""The decisions that come true or not, by name."""


def outcomes(path: Path, decision: str, since: datetime | None = None, until: datetime | None = None) -> pa.Table:
    """The true chances of a decision and what came of it, by event.

    Parameters
    ----------
    path
        A simulated behaviour log.
    decision
        A name in `DECISIONS`.
    since, until
        Naive UTC; only events from the one and before the other.

    Returns
    -------
    Table with `event_id` int64, `event_time` timestamp[us], `customer_id` int64, `product_id` int64 (null for
    mailings), `probability` float, `outcome` bool; ordered by event. Events whose outcome can't be known at the end
    of the log are left out.

    Raises
    ------
    NotFoundError
        If there is no such decision.
    SourceError
        If the file can't be read or isn't the log of a simulated shop.
    """
    if decision not in DECISIONS:
        raise NotFoundError(f"There is no decision '{decision}'. There are {listing(DECISIONS)}.")
    rule = DECISIONS[decision]
    with open_behaviour(path) as connection, behaviour_errors(path):
        ends_at = _ends_at(connection, path)
        query = f"""
            SELECT decided.event_id, decided.event_time, decided.customer_id, decided.product_id, truth.probability,
                {"NOT " if rule.negated else ""}EXISTS (FROM events AS later WHERE {rule.came_true}) AS outcome
            FROM {TRUTH} AS truth JOIN events AS decided USING (event_id)
            WHERE truth.decision = ? AND decided.event_time >= ? AND decided.event_time < ?
                AND decided.event_time + INTERVAL {rule.matures_days} DAY <= ?
            ORDER BY ALL"""
        given = [decision, since or _EVER, until or ends_at, ends_at]
        return connection.sql(query, params=given).to_arrow_table()


def best_auc(path: Path, decision: str, since: datetime | None = None, until: datetime | None = None) -> float:
    """The AUC of a model that knows the true chance of a decision, as expected over all that could have come of it.

    Takes what `outcomes` takes. On the outcomes that did come, the AUC of the true chances differs by chance alone;
    compute it from `outcomes` to compare models on a test period.

    Raises
    ------
    NotFoundError, SourceError
        As `outcomes`.
    """
    return expected_auc(outcomes(path, decision, since, until)["probability"].to_numpy())


def expected_auc(chance: npt.NDArray[np.floating]) -> float:
    """Expected AUC of ranking by chances that are true; NaN without any.

    It is the chance that of one who does it and one who doesn't, the first has the higher chance; ties count half.

    >>> expected_auc(np.array([0.0, 1.0]))
    1.0
    >>> expected_auc(np.array([0.5, 0.5]))
    0.5
    """
    level, count = np.unique(chance.astype(np.float64), return_counts=True)
    does, does_not = level * count, (1 - level) * count
    pairs = does.sum() * does_not.sum()
    below = np.cumsum(does_not) - does_not
    return float((does * (below + does_not / 2)).sum() / pairs) if pairs > 0 else float("nan")


def _ends_at(connection: duckdb.DuckDBPyConnection, path: Path) -> datetime:
    """The first instant after the log."""
    try:
        rows = connection.execute(f"SELECT option, value FROM {SIMULATION}").fetchall()
    except duckdb.CatalogException:
        raise SourceError(
            f"{path} is not the log of a simulated shop, so no true chances are known. "
            "Load one: `storekeeper load simulated --force`."
        ) from None
    options = {option: str(value) for option, value in rows}
    found = connection.execute(
        "SELECT CAST(? AS TIMESTAMP) + to_days(CAST(? AS INTEGER))", [options["start"], options["days"]]
    ).fetchall()
    ends_at: datetime = found[0][0]
    return ends_at
