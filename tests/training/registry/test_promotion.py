"""What may be promoted, what comes back, and what is refused."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from storekeeper.artefact import (
    CONTENTS_FILE,
    best_artefact,
    default_artefact,
    list_artefacts,
    load_predictor,
    read_promotions,
    verify_contents,
)
from storekeeper.errors import CheckFailedError, DataError, NotFoundError, StorekeeperError, UsageError
from training.registry.registry_shop import RegistryShop, make_registry_shop


@pytest.fixture
def shop(tmp_path: Path) -> RegistryShop:
    """An empty project."""
    return make_registry_shop(tmp_path)


def default_of(shop: RegistryShop) -> tuple[str, int]:
    found = default_artefact(shop.settings.models_dir, "purchase")
    return found.model, found.version


def test_the_promoted_version_answers(shop: RegistryShop) -> None:
    """Before a promotion the best on validation answers; after it the promoted version, whatever else is trained."""
    worse = shop.write("rule", metrics={"validation": {"auc": 0.6}})
    shop.write("logistic")
    assert default_of(shop) == ("logistic", 1)
    assert shop.promote(worse) == ("rule", 1)
    shop.write("rule", metrics={"validation": {"auc": 0.99}})
    assert default_of(shop) == ("rule", 1)
    assert best_artefact(shop.settings.models_dir, "purchase").version == 2


def test_rollback_goes_back_step_by_step(shop: RegistryShop) -> None:
    """Each rollback brings back what stood before; a third, with nothing before it, is refused; all is on record."""
    for model in ("a", "b", "c"):
        shop.promote(shop.write(model))
    assert [shop.roll_back(), shop.roll_back()] == [("b", 1), ("a", 1)]
    with pytest.raises(NotFoundError, match="promoted before a 1, which serves"):
        shop.roll_back()
    history = read_promotions(shop.settings.models_dir, "purchase").history
    assert [(change.action, change.model) for change in history] == [
        ("promote", "a"), ("promote", "b"), ("promote", "c"), ("rollback", "b"), ("rollback", "a"),
    ]  # fmt: skip


def test_a_promotion_after_a_rollback(shop: RegistryShop) -> None:
    """What was rolled back never comes back by itself: before the new champion stands the one it replaced."""
    for model in ("a", "b"):
        shop.promote(shop.write(model))
    shop.roll_back()
    shop.promote(shop.write("c"))
    assert shop.roll_back() == ("a", 1)


def test_promoting_the_champion_changes_nothing(shop: RegistryShop) -> None:
    """The champion promoted again is no step that a rollback would take back."""
    shop.promote(shop.write("a"))
    again = shop.write("b")
    assert shop.promote(again) == shop.promote(again) == ("b", 1)
    assert shop.roll_back() == ("a", 1)


def test_nothing_to_roll_back(shop: RegistryShop) -> None:
    """Without a promotion, and without a model, a rollback says what to do and writes nothing."""
    with pytest.raises(NotFoundError, match="has no trained model"):
        shop.roll_back()
    shop.write("a")
    with pytest.raises(NotFoundError, match=r"promoted yet.*storekeeper models promote purchase"):
        shop.roll_back()
    assert not (shop.settings.models_dir / "purchase" / "champion.json").exists()


@pytest.mark.parametrize("name", ["model.json", "encoder.json", "manifest.json"])
def test_a_changed_file_is_refused(shop: RegistryShop, name: str) -> None:
    """A file that isn't as it was saved, valid or not, is named, and nothing is promoted."""
    artefact = shop.write("a")
    path = artefact.path / name
    path.write_text(path.read_text().replace("2.0", "3.0").replace("0.25", "0.75").replace("standard", "rank"))
    with pytest.raises(DataError, match=rf"Changed since: '{name}'; missing: nothing"):
        shop.promote(artefact)
    path.unlink()
    with pytest.raises(DataError, match=rf"missing: '{name}'"):
        shop.promote(artefact)
    assert read_promotions(shop.settings.models_dir, "purchase").champion is None


def test_a_damaged_record_of_hashes_is_refused(shop: RegistryShop) -> None:
    """Hashes that can't be read are damage, not their absence."""
    artefact = shop.write("a")
    (artefact.path / CONTENTS_FILE).write_text("{")
    with pytest.raises(DataError, match=CONTENTS_FILE):
        shop.promote(artefact)


def test_an_artefact_without_hashes(shop: RegistryShop) -> None:
    """One of an earlier release still loads and is best on validation, but can't be promoted: nobody can verify it."""
    artefact = shop.write("a")
    (artefact.path / CONTENTS_FILE).unlink()
    assert load_predictor(artefact.path).manifest.model == "a"
    assert verify_contents(artefact.path) is None
    assert default_of(shop) == ("a", 1)
    with pytest.raises(CheckFailedError, match=r"kept no hashes.*storekeeper train purchase --model a"):
        shop.promote(artefact)


def test_a_model_that_was_never_verified(shop: RegistryShop) -> None:
    """What was saved without being read back and compared is refused."""
    with pytest.raises(CheckFailedError, match="never read back"):
        shop.promote(shop.write("a", check=None))


def test_a_model_that_serving_cannot_run(shop: RegistryShop) -> None:
    """A kind of model that the serving runtime lacks is refused."""
    with pytest.raises(UsageError, match="not served"):
        shop.promote(shop.write("a", runtime="ranker"))


def test_allowed_lints_need_a_word(shop: RegistryShop) -> None:
    """A model whose data may leak is refused by the lint's name, for promotion and for rollback, unless allowed."""
    leaky = shop.write("a", allowed_lints=("single-feature-auc",))
    with pytest.raises(CheckFailedError, match="may leak: single-feature-auc"):
        shop.promote(leaky)
    assert shop.promote(leaky, allow_lints=True) == ("a", 1)
    shop.promote(shop.write("b"))
    with pytest.raises(CheckFailedError, match="may leak"):
        shop.roll_back()
    assert shop.roll_back(allow_lints=True) == ("a", 1)


def test_redefined_features_are_refused(shop: RegistryShop) -> None:
    """Other definitions, or no such service any more, stop promotion and rollback; the champion stays."""
    first, second = shop.write("a"), shop.write("b", definition_hash="e" * 64, feature_service="other")
    shop.promote(first)
    with pytest.raises(NotFoundError, match="no feature service 'other'"):
        shop.promote(second)
    shop.services["other"] = "e" * 64
    shop.promote(second)
    shop.services["purchase"] = "f" * 64
    with pytest.raises(CheckFailedError, match=r"dddd; in force are ffff"):
        shop.roll_back()
    assert default_of(shop) == ("b", 1)


def test_the_former_one_is_gone_or_another(shop: RegistryShop) -> None:
    """A rollback to a deleted artefact, or to another one of its name, is refused; the champion stays."""
    former = shop.write("a")
    shop.promote(former)
    shop.promote(shop.write("b"))
    shutil.rmtree(former.path)
    with pytest.raises(NotFoundError, match="version 1 of 'a'"):
        shop.roll_back()
    assert shop.write("a", seed=9).version == 1
    with pytest.raises(CheckFailedError, match="another model than the one that was promoted"):
        shop.roll_back()
    assert default_of(shop) == ("b", 1)


def test_a_champion_that_is_gone_or_another(shop: RegistryShop) -> None:
    """No other model takes over from a champion that was deleted, replaced or can't be read: that is an error."""
    champion = shop.write("a")
    shop.write("b")
    shop.promote(champion)
    shutil.rmtree(champion.path)
    with pytest.raises(NotFoundError, match="no model version 1 of 'a'"):
        default_of(shop)
    shop.write("a", seed=9)
    with pytest.raises(DataError, match="another model than the one that was promoted"):
        default_of(shop)
    (shop.settings.models_dir / "purchase" / "champion.json").write_text("{}]")
    with pytest.raises(DataError, match=r"champion\.json"):
        default_of(shop)


def test_promotions_at_once_are_all_on_record(shop: RegistryShop) -> None:
    """Of many promotions at once each is kept, in one order, and the last of them answers."""
    artefacts = [shop.write(f"m{i}") for i in range(12)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(shop.promote, artefacts))
    promotions = read_promotions(shop.settings.models_dir, "purchase")
    assert sorted(change.model for change in promotions.history) == sorted(a.model for a in artefacts)
    assert default_of(shop) == promotions.history[-1].place
    assert len(list_artefacts(shop.settings.models_dir)) == 12


def test_rollbacks_at_once_each_take_a_step(shop: RegistryShop) -> None:
    """Of more rollbacks at once than there are steps, each step is taken once and the rest are refused."""
    for i in range(4):
        shop.promote(shop.write(f"m{i}"))

    def attempt(_: int) -> bool:
        try:
            return bool(shop.roll_back())
        except StorekeeperError:
            return False

    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(attempt, range(6)))
    assert done.count(True) == 3
    assert default_of(shop) == ("m0", 1)


def test_a_history_that_cannot_be(shop: RegistryShop) -> None:
    """A file that takes back more than was promoted is damage."""
    shop.promote(shop.write("a"))
    path = shop.settings.models_dir / "purchase" / "champion.json"
    record = json.loads(path.read_text())
    record["history"][0]["action"] = "rollback"
    path.write_text(json.dumps(record))
    with pytest.raises(DataError, match="Nothing stood before"):
        default_of(shop)
