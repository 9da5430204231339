-- Active customer × cut-off: does the customer stay away for the horizon?
--
-- A customer is active if a purchase of the look-back was known at the cut-off: it had happened before, and had been
-- reported by then.
WITH purchases AS (
  SELECT
    customer_id,
    event_time,
    greatest(event_time, known_time - INTERVAL 1 MICROSECOND) AS seen_time
  FROM events
  WHERE event_type = 'purchase' AND customer_id IS NOT NULL
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

-- Each customer has an hour of the fortnight of their own, so that models learn every hour and weekday.
cutoffs AS (
  SELECT
    customer_id,
    unnest(
      generate_series(
        first_cutoff + to_hours((md5_number_lower(customer_id::VARCHAR) % 336)::BIGINT), observed_until, $every
      )
    ) AS cutoff
  FROM (SELECT DISTINCT customer_id FROM purchases) CROSS JOIN bounds
),

active AS (
  SELECT c.customer_id, c.cutoff
  FROM cutoffs AS c
  ASOF JOIN purchases AS p
    ON c.customer_id = p.customer_id AND c.cutoff > p.seen_time
  WHERE p.seen_time >= c.cutoff - $lookback
)

SELECT
  a.customer_id,
  a.cutoff AS event_timestamp,
  CASE
    WHEN a.cutoff + $horizon <= observed_until
      THEN coalesce(p.event_time >= a.cutoff + $horizon, true)::BIGINT
  END AS label
FROM active AS a
CROSS JOIN bounds
ASOF LEFT JOIN purchases AS p
  ON a.customer_id = p.customer_id AND a.cutoff <= p.event_time
ORDER BY event_timestamp, customer_id
