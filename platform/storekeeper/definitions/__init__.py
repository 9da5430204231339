"""What a feature repo declares, in the kernel's terms: plans of views, their validation, their fingerprint."""

from storekeeper.definitions.fingerprint import definition_hash, view_hash
from storekeeper.definitions.rows import read_rows
from storekeeper.definitions.typed import as_declared, known_columns, known_type
from storekeeper.definitions.validate import check_plan, validate_views
from storekeeper.definitions.views import ViewPlan, plan_view

__all__ = [
    "ViewPlan",
    "as_declared",
    "check_plan",
    "definition_hash",
    "known_columns",
    "known_type",
    "plan_view",
    "read_rows",
    "validate_views",
    "view_hash",
]
