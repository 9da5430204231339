"""The served log: every vector that a model was given, in Parquet, written in the background.

`<folder>/<service>/<definition hash, 16 digits>/<first served_at>-<run>-<number>.parquet`. A file appears whole or
not at all. Beside the files of a definition lies `<hash>.definition.json`: what it meant when it was served.

Each process that serves is a run, and numbers its vectors. `<folder>/<run>.tally.json` tells how many it was given,
whatever becomes of it; `<folder>/<run>.losses.json` how many of them it could not keep. So nothing is lost in silence.
"""

from storekeeper.audit.log.columns import (
    EVIDENCE,
    MODEL,
    PROBABILITY,
    RECORDED_AT,
    REQUEST_ID,
    RUN,
    SEQUENCE,
    SERVED_AT,
    TASK,
    TIMESTAMP,
    VERSION,
)
from storekeeper.audit.log.evidence import Evidence, ViewSeen
from storekeeper.audit.log.losses import RunLoss, count_dropped, read_losses
from storekeeper.audit.log.reading import ServedFiles, ServedGroup, read_definition, read_served, served_files, stream
from storekeeper.audit.log.writer import ServedLog

__all__ = [
    "EVIDENCE",
    "MODEL",
    "PROBABILITY",
    "RECORDED_AT",
    "REQUEST_ID",
    "RUN",
    "SEQUENCE",
    "SERVED_AT",
    "TASK",
    "TIMESTAMP",
    "VERSION",
    "Evidence",
    "RunLoss",
    "ServedFiles",
    "ServedGroup",
    "ServedLog",
    "ViewSeen",
    "count_dropped",
    "read_definition",
    "read_losses",
    "read_served",
    "served_files",
    "stream",
]
