"""Which order a cancellation undoes: the file doesn't say, so it is worked out from what the customer had bought."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class OrderLine:
    """What a customer bought of one product in one order.

    Attributes
    ----------
    customer_id, product_id, basket_id
        Who, what, in which order.
    time_us
        When, microseconds since 1970.
    quantity
        Pieces.
    amount_cents
        For all of them.
    """

    customer_id: int
    product_id: int
    basket_id: int
    time_us: int
    quantity: int
    amount_cents: int


@dataclass(frozen=True)
class Cancellation:
    """A cancelled line: at `position` in the source, of `quantity` pieces at `unit_cents`. Unknown customer: None."""

    position: int
    customer_id: int | None
    product_id: int
    time_us: int
    quantity: int
    unit_cents: int


@dataclass(frozen=True)
class Returned:
    """Pieces of a cancellation that came from one order; `basket_id` is None for those of no known order.

    `piece` numbers the parts of one cancellation from 0.
    """

    position: int
    piece: int
    basket_id: int | None
    quantity: int


def match_returns(lines: Iterable[OrderLine], cancellations: Iterable[Cancellation]) -> list[Returned]:
    """Attribute each cancellation to strictly earlier orders of the same customer and product, never twice.

    Cancellations take their turn by time, then position. One goes to the latest order that has enough pieces not yet
    returned, at the same unit price if there is such an order. Where none has enough, it is spread over the orders,
    latest first, and what is left over came from no order of the data.

    Returns
    -------
    list of Returned
        By turn and piece; the pieces of a cancellation add up to its quantity.
    """
    bought: dict[tuple[int | None, int], list[OrderLine]] = defaultdict(list)
    for line in sorted(lines, key=lambda line: (line.time_us, line.basket_id), reverse=True):
        bought[line.customer_id, line.product_id].append(line)
    kept = {(line.basket_id, line.product_id): line.quantity for own in bought.values() for line in own}
    returned = []
    for cancellation in sorted(cancellations, key=lambda one: (one.time_us, one.position)):
        own = bought.get((cancellation.customer_id, cancellation.product_id), [])
        earlier = [line for line in own if line.time_us < cancellation.time_us]
        for piece, (basket, quantity) in enumerate(_spread(cancellation, earlier, kept)):
            returned.append(Returned(cancellation.position, piece, basket, quantity))
    return returned


def _spread(
    cancellation: Cancellation, earlier: list[OrderLine], kept: dict[tuple[int, int], int]
) -> list[tuple[int | None, int]]:
    """Orders and how many pieces of each, latest first; takes them out of `kept`."""
    left, product = cancellation.quantity, cancellation.product_id
    enough = [line for line in earlier if kept[line.basket_id, product] >= left]
    same_price = [line for line in enough if line.amount_cents == cancellation.unit_cents * line.quantity]
    parts: list[tuple[int | None, int]] = []
    for line in (same_price or enough)[:1] or earlier:
        taken = min(left, kept[line.basket_id, product])
        if taken:
            kept[line.basket_id, product] -= taken
            left -= taken
            parts.append((line.basket_id, taken))
    return [*parts, (None, left)] if left else parts
