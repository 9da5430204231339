"""Promote a model, or bring the former one back: each checked first, and on record for good."""

from collections.abc import Callable
from datetime import datetime

from storekeeper.artefact import (
    Artefact,
    Promotion,
    Promotions,
    change_promotions,
    find_artefact,
    list_artefacts,
    load_predictor,
    read_manifest,
    verify_contents,
)
from storekeeper.errors import CheckFailedError, NotFoundError
from storekeeper.settings import Settings

#: A feature service's name to the hash of its definitions now; NotFoundError where there is no such service.
Definitions = Callable[[str], str]


def promote(
    settings: Settings, definitions: Definitions, artefact: Artefact, now: datetime, *, allow_lints: bool = False
) -> Promotions:
    """Make an artefact the one that answers for its task; the champion itself is left as it is.

    Raises
    ------
    NotFoundError, DataError, UsageError, CheckFailedError
        As `check_servable` does; nothing is changed then.
    """
    digest = check_servable(artefact, definitions, allow_lints=allow_lints)

    def change(before: Promotions) -> Promotions:
        champion = before.champion
        if champion is not None and (*champion.place, champion.digest) == (artefact.model, artefact.version, digest):
            return before
        return before.add(Promotion("promote", artefact.model, artefact.version, digest, now))

    return change_promotions(settings.models_dir, artefact.task, change)


def roll_back(
    settings: Settings, definitions: Definitions, task: str, now: datetime, *, allow_lints: bool = False
) -> Promotions:
    """Bring back what was promoted before the champion; done twice, what was before that.

    Raises
    ------
    NotFoundError
        If nothing was promoted before, or the former artefact is gone.
    DataError, UsageError, CheckFailedError
        As `check_servable` does, and if another artefact lies in the former one's place; nothing is changed then.
    """
    if not list_artefacts(settings.models_dir, task):
        find_artefact(settings.models_dir, task, "any")  # says which tasks have models

    def change(before: Promotions) -> Promotions:
        former = before.former
        if former is None:
            raise NotFoundError(_nothing_before(task, before))
        artefact = find_artefact(settings.models_dir, task, former.model, former.version)
        digest = check_servable(artefact, definitions, allow_lints=allow_lints)
        if digest != former.digest:
            raise CheckFailedError(
                f"'{artefact.path}' is another model than the one that was promoted at {former.at.isoformat()}. "
                f"Promote it if it shall serve: storekeeper models promote {task} {former.model} {former.version}."
            )
        return before.add(Promotion("rollback", former.model, former.version, digest, now))

    return change_promotions(settings.models_dir, task, change)


def check_servable(artefact: Artefact, definitions: Definitions, *, allow_lints: bool = False) -> str:
    """The digest of an artefact that may serve: whole, unchanged, verified, and trained on the definitions in force.

    Raises
    ------
    NotFoundError
        If a file or its feature service is missing.
    DataError
        If it is damaged, or a file has changed since it was saved.
    UsageError
        If serving can't run such a model.
    CheckFailedError
        If it was never verified, leaks may have been let pass, or its definitions are no longer those in force.
    """
    name = f"Version {artefact.version} of model '{artefact.model}' of task '{artefact.task}'"
    contents = verify_contents(artefact.path)
    manifest = read_manifest(artefact.path)
    again = f"Train it again: storekeeper train {artefact.task} --model {artefact.model} --force."
    if contents is None:
        raise CheckFailedError(f"{name} was saved by a release that kept no hashes of its files. {again}")
    if not contents.checked:
        raise CheckFailedError(f"{name} was never read back and compared with the trained model. {again}")
    if manifest.allowed_lints and not allow_lints:
        raise CheckFailedError(
            f"{name} was trained on data that may leak: {', '.join(manifest.allowed_lints)} let pass. "
            f"Mend the data and train it again, or promote it with --allow-lints."
        )
    now = definitions(manifest.feature_service)
    if manifest.definition_hash != now:
        raise CheckFailedError(
            f"{name} was trained on other definitions of feature service '{manifest.feature_service}': "
            f"{manifest.definition_hash[:16]}; in force are {now[:16]}. Build its training set and train it again, or "
            f"apply the definitions it was trained on."
        )
    load_predictor(artefact.path)
    return contents.digest


def _nothing_before(task: str, promotions: Promotions) -> str:
    champion = promotions.champion
    before = "yet" if champion is None else f"before {champion.model} {champion.version}, which serves"
    return (
        f"Nothing of task '{task}' was promoted {before}. "
        f"Name what shall serve: storekeeper models promote {task} MODEL VERSION."
    )
