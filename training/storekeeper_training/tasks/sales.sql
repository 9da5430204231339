-- Category × week: how many units of the category are sold within the horizon?
--
-- A category has a row if a purchase of the look-back was known at the cut-off: it had happened before, and had been
-- reported by then.
WITH purchases AS (
  SELECT
    category,
    event_time,
    greatest(event_time, known_time - INTERVAL 1 MICROSECOND) AS seen_time,
    quantity
  FROM events
  WHERE event_type = 'purchase' AND category IS NOT NULL
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

cutoffs AS (
  SELECT category, unnest(generate_series(first_cutoff, observed_until, $every)) AS cutoff
  FROM (SELECT DISTINCT category FROM purchases) CROSS JOIN bounds
),

sold AS (
  SELECT c.category, c.cutoff
  FROM cutoffs AS c
  ASOF JOIN purchases AS p
    ON c.category = p.category AND c.cutoff > p.seen_time
  WHERE p.seen_time >= c.cutoff - $lookback
),

-- Running totals: the difference of two of them is exact, in whole units.
totals AS (
  SELECT
    category,
    event_time,
    sum(quantity) OVER (PARTITION BY category ORDER BY event_time RANGE UNBOUNDED PRECEDING) AS units
  FROM purchases
)

SELECT
  s.category,
  s.cutoff AS event_timestamp,
  s.cutoff AS request_time,
  CASE
    WHEN s.cutoff + $horizon <= observed_until
      THEN (coalesce(later.units, 0) - coalesce(earlier.units, 0))::DOUBLE
  END AS label
FROM sold AS s
CROSS JOIN bounds
ASOF LEFT JOIN totals AS later
  ON s.category = later.category AND s.cutoff + $horizon > later.event_time
ASOF LEFT JOIN totals AS earlier
  ON s.category = earlier.category AND s.cutoff > earlier.event_time
ORDER BY event_timestamp, category
