"""What a cardiologist knows after the examination and before the angiography, which is the diagnosis."""

from datetime import timedelta

from feast import Entity, FeatureService, FeatureView, Field, FileSource, ValueType
from feast.types import Bool, Float64, Int64, String

patient = Entity(name="patient", join_keys=["patient_id"], value_type=ValueType.INT64)

examinations = FileSource(
    name="examinations",
    path="data/examinations.parquet",
    timestamp_field="examined_at",
    created_timestamp_column="recorded_at",
)

TYPES = {
    Int64: ("age", "pressure_mmhg", "cholesterol_mg_dl", "max_heart_rate", "coloured_vessels"),
    Float64: ("st_depression_mm",),
    Bool: ("is_male", "has_high_sugar", "has_exercise_angina"),
    String: ("chest_pain", "resting_ecg", "st_slope", "thallium_scan"),
}

examination = FeatureView(
    name="examination",
    entities=[patient],
    ttl=timedelta(0),
    schema=[Field(name=name, dtype=dtype) for dtype, names in TYPES.items() for name in names],
    source=examinations,
)

disease = FeatureService(name="disease", features=[examination])
