"""Packages that only some commands need, and the extra of Storekeeper that brings each."""

from importlib.util import find_spec

EXTRAS = {
    "fastapi": "serve",
    "fastapi_offline": "serve",
    "keras": "tensorflow",
    "matplotlib": "train",
    "onnxruntime": "serve",
    "prometheus_client": "serve",
    "scipy": "serve",
    "sklearn": "train",
    "starlette": "serve",
    "tensorflow": "tensorflow",
    "uvicorn": "serve",
    "xgboost": "train",
}


def advise(error: ModuleNotFoundError) -> str | None:
    """What to install for an import that failed; None if it is no package of an extra."""
    package = (error.name or "").partition(".")[0]
    if package not in EXTRAS:
        return None
    extra = EXTRAS[package]
    missing = sorted({name for name, brings in EXTRAS.items() if brings == extra and not _is_there(name)} | {package})
    return (
        f"This command needs packages that are not installed: {', '.join(missing)}. "
        f"Install them: pip install 'storekeeper[{extra}]'."
    )


def _is_there(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ValueError:
        return False
