"""Empty Feast projects with an online store of Storekeeper's, or of Feast's own."""

from pathlib import Path

import feast

from storekeeper.store import FeatureStore

_CONFIG = """
project: {project}
provider: {provider}
registry: {registry}
offline_store:
  type: {offline}
online_store:
  type: {online}
entity_key_serialization_version: 3
"""
# Without it Feast turns all rows into messages before it writes the first.
_BATCHES = """
materialization:
  online_write_batch_size: 10000
"""


def our_repo(scratch: Path, online: str, project: str) -> FeatureStore:
    """A project with Storekeeper's stores; `online` is the online store's block."""
    provider, offline = "storekeeper.provider.StorekeeperProvider", "storekeeper.offline.store.HistoryOfflineStore"
    return FeatureStore(_repo(scratch, _CONFIG, project, provider, offline, online))


def feasts_repo(scratch: Path, online: str, project: str) -> feast.FeatureStore:
    """A project with Feast's own stores."""
    return feast.FeatureStore(repo_path=str(_repo(scratch, _CONFIG + _BATCHES, project, "local", "dask", online)))


def _repo(scratch: Path, config: str, project: str, provider: str, offline: str, online: str) -> Path:
    repo = scratch / "feature_repo"
    repo.mkdir(parents=True)
    text = config.format(
        project=project, provider=provider, registry=scratch / "registry.db", offline=offline, online=online
    )
    (repo / "feature_store.yaml").write_text(text, encoding="utf-8")
    return repo
