-- Household × category × cut-off: does the household buy in the category within the horizon?
--
-- A row is drawn by what was known at its cut-off alone. A purchase counts as known once it has happened and been
-- reported: it is seen at a cut-off if and only if event_time < cut-off and known_time <= cut-off.
WITH purchases AS (
  SELECT
    customer_id,
    category,
    event_time,
    greatest(event_time, known_time - INTERVAL 1 MICROSECOND) AS seen_time,
    amount_cents,
    quantity
  FROM events
  WHERE event_type = 'purchase' AND customer_id IS NOT NULL AND category IS NOT NULL
    -- What lies beyond the clock's now has not happened yet.
    AND event_time < $now AND known_time <= $now
),

bounds AS (
  SELECT
    -- The first Monday by which a whole look-back is on record.
    coalesce($first_cutoff, date_trunc('week', min(event_time) + $lookback + INTERVAL 7 DAY)) AS first_cutoff,
    max(event_time) AS observed_until
  FROM purchases
),

pairs AS (
  SELECT DISTINCT customer_id, category FROM purchases
),

-- Each household has its own hour of the week, so that models learn every hour and weekday.
cutoffs AS (
  SELECT
    customer_id,
    unnest(generate_series(start, observed_until, $every)) AS cutoff,
    unnest(range(len(generate_series(start, observed_until, $every)))) AS step
  FROM (
    SELECT
      customer_id,
      observed_until,
      first_cutoff + to_hours((md5_number_lower(customer_id::VARCHAR) % 168)::BIGINT) AS start
    FROM (SELECT DISTINCT customer_id FROM pairs) CROSS JOIN bounds
  )
),

-- A pair starts anywhere on a ring of a million and goes on by the golden ratio: every step has the same chance, and
-- the steps drawn of one pair lie far apart.
sampled AS (
  SELECT customer_id, category, cutoff
  FROM (
    SELECT
      customer_id,
      category,
      md5_number_lower(concat_ws('|', customer_id, category)) % 1000000 AS start
    FROM pairs
  ) JOIN cutoffs USING (customer_id)
  WHERE (start + step * 618034) % 1000000 < $sample_rate * 1000000
),

candidates AS (
  SELECT s.customer_id, s.category, s.cutoff
  FROM sampled AS s
  ASOF JOIN purchases AS p
    ON s.customer_id = p.customer_id AND s.category = p.category AND s.cutoff > p.seen_time
  WHERE p.seen_time >= s.cutoff - $lookback
),

labelled AS (
  SELECT c.customer_id, c.category, c.cutoff, p.event_time AS next_time
  FROM candidates AS c
  ASOF LEFT JOIN purchases AS p
    ON c.customer_id = p.customer_id AND c.category = p.category AND c.cutoff <= p.event_time
),

-- Running totals: the difference of two of them is exact, in whole cents and units.
totals AS (
  SELECT
    category,
    seen_time,
    sum(amount_cents) OVER so_far AS amount,
    sum(quantity) OVER so_far AS units
  FROM purchases
  WINDOW so_far AS (PARTITION BY category ORDER BY seen_time RANGE UNBOUNDED PRECEDING)
)

SELECT
  l.customer_id,
  l.category,
  l.cutoff AS event_timestamp,
  l.cutoff AS request_time,
  -- What a unit of the category has cost of late: the price that a shop would quote.
  (
    (recent.amount - coalesce(before.amount, 0)) / nullif(recent.units - coalesce(before.units, 0), 0)
  )::DOUBLE AS price,
  CASE
    WHEN l.cutoff + $horizon <= observed_until THEN coalesce(l.next_time < l.cutoff + $horizon, false)::BIGINT
  END AS label
FROM labelled AS l
CROSS JOIN bounds
ASOF LEFT JOIN totals AS recent
  ON l.category = recent.category AND l.cutoff > recent.seen_time
ASOF LEFT JOIN totals AS before
  ON l.category = before.category AND l.cutoff - $price_window > before.seen_time
ORDER BY event_timestamp, customer_id, category
