"""What a trained model is on disk: training writes it, serving reads it, and they meet only here."""

from storekeeper.artefact.categorical_column import CategoricalColumn
from storekeeper.artefact.champion import (
    Promotion,
    Promotions,
    champion_artefact,
    change_promotions,
    default_artefact,
    promotions_stamp,
    read_promotions,
)
from storekeeper.artefact.columns import Columns, Values
from storekeeper.artefact.contents import CONTENTS_FILE, Contents, read_contents, verify_contents
from storekeeper.artefact.encoder import Encoder, LeftOut, read_encoder
from storekeeper.artefact.folder import Artefact, best_artefact, find_artefact, list_artefacts, write_artefact
from storekeeper.artefact.interval import Interval
from storekeeper.artefact.manifest import FORMAT_VERSION, Column, InputColumn, Kind, Manifest, read_manifest
from storekeeper.artefact.numeric_column import NumericColumn
from storekeeper.artefact.runtime import Predictor, load_predictor

__all__ = [
    "CONTENTS_FILE",
    "FORMAT_VERSION",
    "Artefact",
    "CategoricalColumn",
    "Column",
    "Columns",
    "Contents",
    "Encoder",
    "InputColumn",
    "Interval",
    "Kind",
    "LeftOut",
    "Manifest",
    "NumericColumn",
    "Predictor",
    "Promotion",
    "Promotions",
    "Values",
    "best_artefact",
    "champion_artefact",
    "change_promotions",
    "default_artefact",
    "find_artefact",
    "list_artefacts",
    "load_predictor",
    "promotions_stamp",
    "read_contents",
    "read_encoder",
    "read_manifest",
    "read_promotions",
    "verify_contents",
    "write_artefact",
]
