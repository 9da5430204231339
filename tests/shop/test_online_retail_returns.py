"""Cancellations are attributed to earlier orders: the latest that fits, and never the same pieces twice."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from storekeeper.shop.online_retail_returns import Cancellation, OrderLine, Returned, match_returns


def bought(basket: int, time: int, quantity: int = 6, unit_cents: int = 100, customer: int = 1) -> OrderLine:
    return OrderLine(customer, 7, basket, time, quantity, unit_cents * quantity)


def undone(
    time: int, quantity: int, unit_cents: int = 100, customer: int | None = 1, position: int = 0
) -> Cancellation:
    return Cancellation(position, customer, 7, time, quantity, unit_cents)


def test_the_latest_order_with_enough_pieces_is_meant() -> None:
    """An order with too few pieces is passed over for an earlier one that has them."""
    orders = [bought(1, 10), bought(2, 20), bought(3, 30, quantity=2)]
    assert match_returns(orders, [undone(40, 3)]) == [Returned(0, 0, 2, 3)]


def test_the_same_unit_price_goes_first() -> None:
    """An earlier order at the cancelled price is meant rather than a later one at another."""
    orders = [bought(1, 10, unit_cents=85), bought(2, 20)]
    assert match_returns(orders, [undone(40, 3, unit_cents=85)]) == [Returned(0, 0, 1, 3)]


def test_what_is_bought_at_the_same_moment_or_later_is_not_meant() -> None:
    """A return must come after its purchase, strictly."""
    assert match_returns([bought(1, 40), bought(2, 50)], [undone(40, 3)]) == [Returned(0, 0, None, 3)]


def test_pieces_come_back_once() -> None:
    """A second cancellation finds only what the first, by time, has left."""
    first, second = undone(40, 4, position=8), undone(50, 4, position=3)
    assert match_returns([bought(1, 10)], [second, first]) == [
        Returned(8, 0, 1, 4),
        Returned(3, 0, 1, 2),
        Returned(3, 1, None, 2),
    ]


def test_nobody_bought_nothing() -> None:
    """Without a customer there is no order to be meant."""
    assert match_returns([bought(1, 10)], [undone(40, 1, customer=None)]) == [Returned(0, 0, None, 1)]


_AMOUNTS = st.integers(1, 9)
_ORDERS = st.lists(st.tuples(st.integers(0, 20), _AMOUNTS, st.sampled_from([85, 100]), st.integers(1, 2)), max_size=8)
_CANCELLED = st.lists(
    st.tuples(st.integers(0, 20), _AMOUNTS, st.sampled_from([85, 100]), st.integers(1, 2)), max_size=8
)


@given(_ORDERS, _CANCELLED)
def test_whatever_comes_pieces_add_up(
    orders: list[tuple[int, int, int, int]], cancelled: list[tuple[int, int, int, int]]
) -> None:
    """Each cancellation's pieces sum to it, no order gives more than it had or to another, none before its time."""
    lines = {basket: bought(basket, *order) for basket, order in enumerate(orders)}
    wanted = {place: undone(*one, position=place) for place, one in enumerate(cancelled)}
    returned = match_returns(lines.values(), wanted.values())
    given_back, explained = Counter[int | None](), Counter[int]()
    for one in returned:
        given_back[one.basket_id] += one.quantity
        explained[one.position] += one.quantity
        if one.basket_id is not None:
            assert lines[one.basket_id].time_us < wanted[one.position].time_us
            assert lines[one.basket_id].customer_id == wanted[one.position].customer_id
    assert explained == {place: one.quantity for place, one in wanted.items()}
    assert all(given_back[basket] <= line.quantity for basket, line in lines.items())
    assert len({(one.position, one.piece) for one in returned}) == len(returned)
    assert returned == match_returns(reversed(lines.values()), reversed(wanted.values()))
