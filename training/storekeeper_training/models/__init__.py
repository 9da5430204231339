"""Models: each file one way to fit, all behind one protocol."""

from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import TypeVar

from storekeeper.errors import NotFoundError, UsageError, listing
from storekeeper_training.models.blend import BlendedModels
from storekeeper_training.models.boosted_quantities import BoostedQuantities
from storekeeper_training.models.boosted_trees import BoostedTrees
from storekeeper_training.models.dnn import DeepNetwork
from storekeeper_training.models.forecast import FeatureForecast
from storekeeper_training.models.logistic import Logistic
from storekeeper_training.models.model import FitProgress, Fitted, Model, Packaged, Sample
from storekeeper_training.models.poisson import PoissonRegression
from storekeeper_training.models.reference_network import ReferenceNetwork
from storekeeper_training.models.rule import Rule
from storekeeper_training.tasks import Task

_M = TypeVar("_M", bound=Packaged)

#: What is trained by default where the label is a chance.
MODEL_NAMES = ("rule", "logistic", "xgboost", "dnn-reference")

# The same package under another name: the build without GPU code.
_EQUIVALENTS = {"tensorflow": ("tensorflow", "tensorflow-cpu")}


def default_models(task: Task) -> tuple[str, ...]:
    """Names of the models that are trained for a task when none is named."""
    if task.kind == "quantity":
        return tuple(model.name for model in _quantity_models(task))
    if task.kind == "ranking":
        from storekeeper_training.next_item.available import DEFAULT_RANKERS

        return DEFAULT_RANKERS
    return MODEL_NAMES


def find_models(task: Task, names: Iterable[str] | None = None) -> tuple[Model, ...]:
    """The models of these names, in the order given, ready to fit this task; by default its `default_models`.

    Raises
    ------
    NotFoundError
        If a name is unknown; the message lists those that exist.
    UsageError
        If a model's package is not installed; the message names the extra that brings it.
    """
    fitting = _quantity_models(task) if task.kind == "quantity" else _chance_models(task)
    return choose_models({model.name: model for model in fitting}, names or default_models(task))


def choose_models(available: Mapping[str, _M], names: Iterable[str]) -> tuple[_M, ...]:
    """Those of these names, each once, in the order given; errors as of `find_models`."""
    chosen = tuple(dict.fromkeys(names))
    if unknown := [name for name in chosen if name not in available]:
        raise NotFoundError(f"There is no model {listing(unknown)}. Models: {listing(available)}.")
    models = tuple(available[name] for name in chosen)
    for model in models:
        package_versions(model)
    return models


def _chance_models(task: Task) -> tuple[Model, ...]:
    rules: tuple[Model, ...] = (Rule(task.rule),) if task.rule else ()
    logistic = Logistic(task.selection_metric)
    trees = BoostedTrees(left_out=task.calendar_features)
    network = DeepNetwork(left_out=task.calendar_features)
    return (
        *rules,
        logistic,
        trees,
        ReferenceNetwork(),
        network,
        BlendedModels((logistic, trees, network)),
    )


def _quantity_models(task: Task) -> tuple[Model, ...]:
    return (
        *(FeatureForecast(forecast) for forecast in task.forecasts),
        PoissonRegression(),
        BoostedQuantities(task.level, left_out=task.calendar_features),
    )


def package_versions(model: Packaged) -> dict[str, str]:
    """Versions of the packages that a model needs, by name.

    Raises
    ------
    UsageError
        If one is not installed.
    """
    return {package: _installed(package, model) for package in model.packages}


def _installed(package: str, model: Packaged) -> str:
    for name in _EQUIVALENTS.get(package, (package,)):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    raise UsageError(
        f"Model '{model.name}' needs the package '{package}', which is not installed. "
        f"Install it: pip install 'storekeeper[{model.extra}]'."
    )


__all__ = [
    "MODEL_NAMES",
    "BlendedModels",
    "BoostedQuantities",
    "BoostedTrees",
    "DeepNetwork",
    "FeatureForecast",
    "FitProgress",
    "Fitted",
    "Logistic",
    "Model",
    "Packaged",
    "PoissonRegression",
    "ReferenceNetwork",
    "Rule",
    "Sample",
    "choose_models",
    "default_models",
    "find_models",
    "package_versions",
]
