"""Writes data/examinations.parquet and the diagnoses in data/behaviour.duckdb from the public file."""

from pathlib import Path

import duckdb

from storekeeper_training.benchmark import find_public_data

# The file has neither times nor patients' numbers: its order is taken for time, one patient a day, each diagnosed a
# day after the examination. Codes are categories, so they become text.
SQL = """
CREATE OR REPLACE TEMP TABLE patients AS
SELECT *, file_row_number + 1 AS patient_id, TIMESTAMP '2000-01-03 09:00' + to_days(file_row_number::INTEGER) AS day
FROM read_parquet($file, file_row_number = true);

COPY (
    SELECT
        patient_id, day AS examined_at, day + INTERVAL 1 HOUR AS recorded_at, age, sex = 1 AS is_male,
        'type ' || cp AS chest_pain, trestbps AS pressure_mmhg, chol AS cholesterol_mg_dl,
        fbs = 1 AS has_high_sugar, 'finding ' || restecg AS resting_ecg, thalach AS max_heart_rate,
        exang = 1 AS has_exercise_angina, oldpeak AS st_depression_mm, 'slope ' || slope AS st_slope,
        ca::BIGINT AS coloured_vessels, 'scan ' || thal::BIGINT AS thallium_scan
    FROM patients ORDER BY patient_id
) TO 'data/examinations.parquet';

CREATE OR REPLACE TABLE events AS
SELECT patient_id, day + INTERVAL 2 HOUR AS event_time, day + INTERVAL 26 HOUR AS known_time, num AS diagnosis
FROM patients ORDER BY patient_id;
"""

if __name__ == "__main__":
    file = find_public_data("heart_disease", ("heart.parquet",)) / "heart.parquet"
    Path("data").mkdir(exist_ok=True)
    with duckdb.connect("data/behaviour.duckdb") as connection:
        for statement in filter(str.strip, SQL.split(";")):
            connection.execute(statement, {"file": str(file)} if "$file" in statement else None)
