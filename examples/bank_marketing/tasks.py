"""Whether a client who is called will subscribe to a term deposit."""

from dataclasses import replace
from datetime import timedelta

from storekeeper.artefact import Column
from storekeeper_training.tasks import RuleBaseline, Task

SUBSCRIBE = Task(
    name="subscribe",
    title="Will the client subscribe to a term deposit?",
    description="One row is a call, at the moment when the number is dialled. The label is 1 if the client subscribes.",
    feature_service="subscribe",
    spine_sql="""
        SELECT
            client_id, job, event_time AS event_timestamp, contact,
            CASE WHEN event_time + $horizon <= max(event_time) OVER () THEN subscribed END AS label
        FROM events WHERE event_time < $now AND known_time <= $now
        ORDER BY event_time, client_id
    """,
    entity_keys=(Column("client_id", "int64"), Column("job", "string")),
    request_columns=(Column("contact", "string"),),
    spine_inputs=("job", "contact"),
    horizon=timedelta(hours=2),  # the longest call takes 82 minutes
    rule=RuleBaseline("job_share_28d", "rising"),
    selection_metric="auc",
)

# What becomes of the call's duration: invisible where the source says when it was known, else a leak.
WITH_DURATION = replace(SUBSCRIBE, name="with_duration", feature_service="with_duration")
CARELESS = replace(SUBSCRIBE, name="careless", feature_service="careless")
