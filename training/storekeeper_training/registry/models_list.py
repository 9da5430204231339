"""Every model on disk with its figures, and whether it may serve."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, Literal

from storekeeper.artefact import (
    Artefact,
    Manifest,
    Promotions,
    default_artefact,
    find_artefact,
    list_artefacts,
    read_manifest,
    read_promotions,
    verify_contents,
)
from storekeeper.errors import StorekeeperError
from storekeeper.settings import Settings
from storekeeper_training.registry.promotion import Definitions

Alias = Literal["champion", "former", ""]


@dataclass(frozen=True)
class ListedModel:
    """One version of a model.

    Attributes
    ----------
    task, model, version
        Which one.
    alias
        `champion` is the promoted one; `former` is what a rollback brings back.
    serves
        Whether it answers when no model is named, now or as soon as `problem` is mended.
    metric, validation, test
        The figure by which models of the task are compared, on both periods; None where undefined.
    dataset_hash
        What it was trained on.
    definitions_match
        Whether its feature service is defined as when it was trained; None where that can't be told.
    files_match
        Whether its files are those that were saved; None of releases that kept no hashes.
    allowed_lints
        Lints that were let pass when it was trained.
    trained_at
        When, ISO 8601.
    problem
        What can't be read of it.
    """

    task: str
    model: str
    version: int
    alias: Alias = ""
    serves: bool = False
    metric: str = ""
    validation: float | None = None
    test: float | None = None
    dataset_hash: str = ""
    definitions_match: bool | None = None
    files_match: bool | None = None
    allowed_lints: tuple[str, ...] = ()
    trained_at: str = ""
    problem: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The attributes by name, for machines."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def list_models(settings: Settings, definitions: Definitions, task: str | None = None) -> tuple[ListedModel, ...]:
    """All versions of all models, of one task if named, by task and model, oldest first.

    Raises
    ------
    NotFoundError
        If the named task has no model; the message lists those that have.
    DataError
        If a task's `champion.json` is damaged.
    """
    artefacts = list_artefacts(settings.models_dir, task)
    if task is not None and not artefacts:
        find_artefact(settings.models_dir, task, "any")  # says which tasks have models
    standing = {name: _Standing.of(settings, name) for name in {artefact.task for artefact in artefacts}}
    return tuple(_listed(artefact, standing[artefact.task], definitions) for artefact in artefacts)


@dataclass(frozen=True)
class _Standing:
    """What a task's promotions say, and what answers for it."""

    promotions: Promotions
    answers: Artefact | None

    @classmethod
    def of(cls, settings: Settings, task: str) -> "_Standing":
        promotions = read_promotions(settings.models_dir, task)
        try:
            return cls(promotions, default_artefact(settings.models_dir, task))
        except StorekeeperError:
            return cls(promotions, None)

    def alias(self, artefact: Artefact) -> Alias:
        place = artefact.model, artefact.version
        if self.promotions.champion is not None and self.promotions.champion.place == place:
            return "champion"
        return "former" if self.promotions.former is not None and self.promotions.former.place == place else ""


def _listed(artefact: Artefact, standing: _Standing, definitions: Definitions) -> ListedModel:
    known: dict[str, Any] = {"alias": standing.alias(artefact), "serves": artefact == standing.answers}
    name = artefact.task, artefact.model, artefact.version
    try:
        manifest = read_manifest(artefact.path)
    except StorekeeperError as error:
        return ListedModel(*name, **known, files_match=False, problem=str(error))
    files_match, damage = _files(artefact)
    matches, unread = _definitions(manifest, definitions)
    return ListedModel(
        *name,
        **known,
        metric=manifest.selection_metric,
        validation=manifest.selection_figure,
        test=manifest.metrics.get("test", {}).get(manifest.selection_metric),
        dataset_hash=manifest.dataset_hash,
        definitions_match=matches,
        files_match=files_match,
        allowed_lints=manifest.allowed_lints,
        trained_at=manifest.created_at.isoformat(),
        problem=_sentences((damage, unread)),
    )


def _files(artefact: Artefact) -> tuple[bool | None, str]:
    try:
        return (None if verify_contents(artefact.path) is None else True), ""
    except StorekeeperError as error:
        return False, str(error)


def _definitions(manifest: Manifest, definitions: Definitions) -> tuple[bool | None, str]:
    try:
        return definitions(manifest.feature_service) == manifest.definition_hash, ""
    except StorekeeperError as error:
        return None, str(error)


def _sentences(parts: Iterable[str]) -> str:
    return " ".join(part for part in parts if part)
