"""What contributions are measured from, where the weights themselves don't say: means over training rows."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import ConfigDict

from storekeeper.artefact.document import read_document, write_document

BACKGROUND_FILE = "background.json"


@dataclass(frozen=True)
class Background:
    """Means over training rows.

    Attributes
    ----------
    rows
        How many rows they are of; 0 where nothing was measured, and contributions count from a row of zeros.
    means
        Of each encoded column, null as 0: what formulas count from. Empty for other models.
    margin
        Of the part of a margin that is no weighted sum: a rule's logit, the logarithm of the level that trees scale.
    parts
        One for each member of a blend.
    steps
        Of a network's integrated gradients.
    unexplained
        Why there is no gradient of a network; empty where there is one, and for other models.
    """

    rows: int = 0
    means: tuple[float, ...] = ()
    margin: float = 0.0
    parts: tuple["Background", ...] = ()
    steps: int = 0
    unexplained: str = ""

    __pydantic_config__ = ConfigDict(extra="forbid")

    def write(self, folder: Path) -> None:
        """Write `background.json` into an artefact's folder."""
        write_document(folder / BACKGROUND_FILE, self)

    def part(self, at: int) -> "Background":
        """That of a blend's member."""
        return self.parts[at] if self.parts else Background()


def read_background(folder: Path) -> Background:
    """Read an artefact's background; that of zeros where it was trained before backgrounds were kept.

    Raises
    ------
    DataError
        If a field is missing, unknown or of another type.
    """
    return read_document(folder / BACKGROUND_FILE, Background) if (folder / BACKGROUND_FILE).is_file() else Background()
