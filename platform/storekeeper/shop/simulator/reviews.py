"""What customers write: short sentences put together from templates, by what they feel.

Every text is one of a few thousand, made once; a review is the place of its text.
"""

import numpy as np
import numpy.typing as npt

from storekeeper.shop.simulator.draws import Floats

_OPENINGS = (
    (
        "Disappointed.",
        "Not what I expected.",
        "I sent it back.",
        "Would not buy again.",
        "A poor choice.",
        "Sadly bad.",
    ),
    ("It is all right.", "Nothing special.", "Does what it should.", "Mixed feelings.", "Average.", "Fine, mostly."),
    (
        "Love it.",
        "Very happy.",
        "Exactly what I wanted.",
        "A great buy.",
        "Highly recommended.",
        "Even better than hoped.",
    ),
)
_ASPECTS = (
    (
        "The quality is cheap",
        "It broke after a week",
        "The colour is nothing like the picture",
        "It arrived damaged",
        "Much smaller than described",
        "The material feels flimsy",
        "It smells odd",
        "The fit is wrong",
    ),
    (
        "The quality is decent",
        "It works so far",
        "The colour is a little off",
        "Delivery took a while",
        "A bit smaller than described",
        "The material is ordinary",
        "The packaging was plain",
        "The fit is acceptable",
    ),
    (
        "The quality is excellent",
        "It works perfectly",
        "The colour is beautiful",
        "It arrived quickly",
        "Just the right size",
        "The material feels lovely",
        "It makes a fine present",
        "The fit is perfect",
    ),
)
_CLOSINGS = (
    ("and I want my money back.", "and the price is a joke.", "so I returned it.", "and nobody answered me.", "sadly."),
    ("and the price is fair.", "but there are better ones.", "so I will keep it.", "for what it costs.", "I suppose."),
    ("and worth every cent.", "and I will order again.", "so five stars from me.", "and my family agrees.", "truly."),
)
_EACH = len(_OPENINGS[0]) * len(_ASPECTS[0]) * len(_CLOSINGS[0])

TEXTS = tuple(
    f"{opening} {aspect} {closing}"
    for mood in range(3)
    for opening in _OPENINGS[mood]
    for aspect in _ASPECTS[mood]
    for closing in _CLOSINGS[mood]
)


def write_review(rating: npt.NDArray[np.int64], slip: Floats, chance: Floats) -> npt.NDArray[np.int64]:
    """A place in `TEXTS` for each rating of 1 to 5, from two uniform numbers.

    1 and 2 sound bad, 3 so-so, 4 and 5 good; one in twelve says less than the rating does and is so-so.
    """
    mood = np.where(slip < 1 / 12, 1, np.searchsorted([2.5, 3.5], rating))
    return np.asarray(mood * _EACH + (chance * _EACH).astype(np.int64))
