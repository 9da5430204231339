"""Writes data/behaviour.duckdb from the public file: `clients`, what a call list says, and `events`, the calls."""

from pathlib import Path

import duckdb

from storekeeper_training.benchmark import find_public_data

# The file tells month and day, and is ordered by date from May 2008 on: a month before that of the row above begins a
# year. The client's number and the hour are made up: calls of a day are spread over 9:00 to 17:00, in the file's order.
SQL = """
CREATE OR REPLACE TEMP TABLE calls AS
WITH numbered AS (
    SELECT *, file_row_number AS place, month(strptime(month, '%b')) AS month_number
    FROM read_parquet($file, file_row_number = true)
),
wrapped AS (SELECT *, month_number < lag(month_number) OVER (ORDER BY place) AS is_new_year FROM numbered),
dated AS (
    SELECT *, make_timestamp(
        2008 + count(*) FILTER (is_new_year) OVER (ORDER BY place), month_number, day_of_week, 0, 0, 0) AS day
    FROM wrapped
)
SELECT
    * REPLACE (coalesce(job, 'unknown') AS job, coalesce(contact, 'unknown') AS contact),
    place + 1 AS client_id,
    day + to_seconds(32400 + 28800 * (row_number() OVER (PARTITION BY day ORDER BY place) - 1)
        // count(*) OVER (PARTITION BY day)) AS event_time
FROM dated ORDER BY place;

CREATE OR REPLACE TABLE clients AS
SELECT
    client_id, day AS listed_at, age, marital, education, "default" AS in_default, balance, housing, loan,
    campaign AS calls_of_campaign, nullif(pdays, -1) AS days_since_campaign, previous AS calls_before,
    poutcome AS outcome_before
FROM calls;

CREATE OR REPLACE TABLE events AS
SELECT
    client_id, job, contact, event_time, event_time + to_seconds(duration + 1) AS known_time,
    duration AS duration_seconds, (target = 'yes')::BIGINT AS subscribed
FROM calls ORDER BY event_time;
"""

if __name__ == "__main__":
    file = find_public_data("bank_marketing", ("bank_full.parquet",)) / "bank_full.parquet"
    Path("data").mkdir(exist_ok=True)
    with duckdb.connect("data/behaviour.duckdb") as connection:
        for statement in filter(str.strip, SQL.split(";")):
            connection.execute(statement, {"file": str(file)} if "$file" in statement else None)
