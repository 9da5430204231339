"""What each class of difference means, and what to do about it."""

from dataclasses import dataclass

from storekeeper.audit.assumption import CODE, DEFINITION, LATE, TTL, TYPE, UNEXPLAINED


@dataclass(frozen=True)
class Advice:
    """Words on a class.

    Attributes
    ----------
    meaning
        What happened.
    action
        What to do.
    """

    meaning: str
    action: str


ADVICE = {
    LATE: Advice(
        "Rows that happened before the vector's time were not in the online state yet: they came after the last "
        "materialisation, or were appended to the source only later.",
        "Materialise more often (storekeeper materialize), push events as they happen, or give the source a knowledge "
        "time (created_timestamp_column), so that training doesn't see rows before serving can.",
    ),
    TTL: Advice(
        "The age of a row was judged otherwise online than offline: by another clock, at another edge, or not at all.",
        "Serve and audit with one clock (clock in feature_store.yaml, STOREKEEPER_CLOCK), and read features through "
        "a FeatureReader, which keeps the ttl.",
    ),
    TYPE: Advice(
        "The value is right up to its type: a cast or a rounding on the way to the model changed it.",
        "Hand the features to the model as the reader returns them, or declare the type that the model shall get and "
        "train it again.",
    ),
    DEFINITION: Advice(
        "The feature service or its views meant something else when the vector was served.",
        "Expected after a change of definitions. Train the models again on the new ones if that hasn't been done.",
    ),
    CODE: Advice(
        "Another version of Storekeeper's code served the vector; nothing else explains the value.",
        "Restart servers that still run old code (/health tells since when), and look up in the changelog what "
        "changed. If old state is to blame, build it anew: storekeeper materialize --force.",
    ),
    UNEXPLAINED: Advice(
        "Served and trained differ, and nothing that was recorded says why.",
        "Look at the examples. If the source's rows were changed in place, append corrections instead (with their "
        "knowledge time). If not, this is a fault: report it with an example.",
    ),
}


def action_for(causes: tuple[str, ...]) -> str:
    """What to do about differences with these causes."""
    return " ".join(ADVICE[cause].action for cause in causes)
