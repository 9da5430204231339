-- Customer × basket, at its first moment: which products does it hold?
--
-- A basket is a row if a line of an earlier one was known by then, so that there is a history to go by.
WITH lines AS (
  SELECT
    customer_id,
    basket_id,
    product_id,
    event_time,
    greatest(event_time, known_time - INTERVAL 1 MICROSECOND) AS seen_time
  FROM events
  WHERE event_type = 'purchase' AND customer_id IS NOT NULL AND basket_id IS NOT NULL AND product_id IS NOT NULL
    -- What lies beyond the clock's now has not happened yet.
    AND event_time < $now AND known_time <= $now
),

bounds AS (
  SELECT min(event_time) AS first_time, max(event_time) AS observed_until FROM lines
),

started AS (
  SELECT customer_id, basket_id, min(event_time) AS start FROM lines GROUP BY ALL
),

-- A basket is drawn by its customer and moment, which serve as well as its number, where a shop has one of its own.
drawn AS (
  SELECT s.customer_id, s.basket_id, s.start
  FROM started AS s
  ASOF JOIN lines AS before
    ON s.customer_id = before.customer_id AND s.start > before.seen_time
  WHERE md5_number_lower(concat_ws('|', s.customer_id, epoch_us(s.start))) % 1000000 < $sample_rate * 1000000
)

SELECT
  d.customer_id,
  d.start AS event_timestamp,
  CASE
    WHEN d.start + $horizon <= any_value(bounds.observed_until)
      THEN list_sort(list_distinct(list(l.product_id) FILTER (l.event_time < d.start + $horizon)))
  END AS label
FROM drawn AS d
CROSS JOIN bounds
JOIN lines AS l
  ON d.customer_id = l.customer_id AND d.basket_id = l.basket_id
WHERE d.start >= bounds.first_time + $lookback
GROUP BY d.customer_id, d.basket_id, d.start
ORDER BY event_timestamp, d.customer_id, d.basket_id
