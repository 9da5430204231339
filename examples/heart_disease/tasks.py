"""Whether an examined patient has a heart disease."""

from datetime import timedelta

from storekeeper.artefact import Column
from storekeeper_training.tasks import RuleBaseline, Shares, Task

DISEASE = Task(
    name="disease",
    title="Does the patient have a heart disease?",
    description="One row is a patient, two hours after the examination. The label is 1 if the angiography, whose "
    "result comes a day later, finds a vessel narrowed by more than half.",
    feature_service="disease",
    spine_sql="""
        SELECT
            patient_id, event_time AS event_timestamp,
            CASE WHEN known_time <= $now AND event_time + $horizon <= max(event_time) OVER ()
                THEN (diagnosis > 0)::BIGINT END AS label
        FROM events WHERE event_time < $now
        ORDER BY event_time, patient_id
    """,
    entity_keys=(Column("patient_id", "int64"),),
    horizon=timedelta(days=1),
    rule=RuleBaseline("st_depression_mm", "rising"),
    selection_metric="auc",
    shares=Shares(0.5, 0.2),
)
