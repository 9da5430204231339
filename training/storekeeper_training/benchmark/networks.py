"""Which models a benchmark can compare here: networks are left out where TensorFlow isn't installed."""

from importlib.util import find_spec

from storekeeper_training.models.model import Model

LEFT_OUT = "Networks are left out: TensorFlow isn't installed (pip install 'storekeeper[tensorflow]')"


def networks() -> tuple[Model, ...]:
    """The reference network and ours; none without TensorFlow."""
    if find_spec("keras") is None or find_spec("tensorflow") is None:
        return ()
    from storekeeper_training.models.reference_network import ReferenceNetwork

    found: tuple[Model, ...] = (ReferenceNetwork(),)
    if find_spec("storekeeper_training.models.dnn") is not None:
        from storekeeper_training.models.dnn import DeepNetwork

        found = (DeepNetwork(), *found)
    return found
