"""What MLflow is told of an artefact: parameters, figures and tags, as plain values."""

from pathlib import Path

from storekeeper.artefact import Artefact, Manifest, read_contents

#: The tags by which a run or a registered version finds its artefact again.
MODEL_TAG, VERSION_TAG = "model", "artefact_version"


def run_parameters(manifest: Manifest) -> dict[str, str]:
    """The model's settings, and those of its run."""
    own = {
        "runtime": manifest.runtime,
        "kind": manifest.kind,
        "seed": manifest.seed,
        "threshold": manifest.threshold,
        "selection_metric": manifest.selection_metric,
    }
    return {name: str(value) for name, value in {**own, **manifest.parameters}.items()}


def run_metrics(manifest: Manifest) -> dict[str, float]:
    """Figures as `period.name`, undefined ones left out, and what the fit cost."""
    figures = {
        f"{period}.{name}": float(value)
        for period, values in manifest.metrics.items()
        for name, value in values.items()
        if value is not None
    }
    return {**figures, "fit_seconds": manifest.fit_seconds, "peak_memory_mb": manifest.peak_memory_mb}


def run_tags(home: Path, artefact: Artefact, manifest: Manifest) -> dict[str, str]:
    """What it was made from and where it lies, relative to the project root where it is inside."""
    contents = read_contents(artefact.path)
    path = artefact.path.relative_to(home) if artefact.path.is_relative_to(home) else artefact.path
    return {
        MODEL_TAG: artefact.model,
        VERSION_TAG: str(artefact.version),
        "artefact": path.as_posix(),
        "contents_hash": "" if contents is None else contents.digest,
        "dataset_hash": manifest.dataset_hash,
        "definition_hash": manifest.definition_hash,
        "feature_service": manifest.feature_service,
        "code_hash": manifest.code_hash,
        "trained_at": manifest.created_at.isoformat(),
        "allowed_lints": ", ".join(manifest.allowed_lints),
        **{f"package.{name}": found for name, found in manifest.packages.items()},
    }
