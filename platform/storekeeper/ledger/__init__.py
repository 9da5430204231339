"""The ledger: the database's record of what the platform loaded, built, materialised and trained."""

from storekeeper.ledger.ledger import Ledger
from storekeeper.ledger.records import DatasetRecord, LoadRecord, MaterialisationRecord, ModelRunRecord

__all__ = ["DatasetRecord", "Ledger", "LoadRecord", "MaterialisationRecord", "ModelRunRecord"]
