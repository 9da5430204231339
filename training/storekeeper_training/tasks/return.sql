-- Order line, at the moment of the order: does it come back within the horizon?
WITH lines AS (
  SELECT
    customer_id,
    product_id,
    basket_id,
    event_time,
    sum(quantity) AS quantity,
    sum(amount_cents) AS amount_cents
  FROM events
  WHERE event_type = 'purchase' AND customer_id IS NOT NULL AND product_id IS NOT NULL
    -- What lies beyond the clock's now has not happened yet.
    AND event_time < $now AND known_time <= $now
    AND md5_number_lower(concat_ws('|', basket_id, product_id)) % 1000000 < $sample_rate * 1000000
  GROUP BY ALL
),

bounds AS (
  SELECT
    min(event_time) + $lookback AS first_line,
    max(event_time) AS observed_until
  FROM events
  WHERE event_type IN ('purchase', 'return') AND event_time < $now AND known_time <= $now
),

returned AS (
  SELECT customer_id, product_id, basket_id, event_time AS returned_at
  FROM events
  WHERE event_type = 'return' AND event_time < $now AND known_time <= $now
)

SELECT
  l.customer_id,
  l.product_id,
  l.event_time AS event_timestamp,
  l.event_time AS request_time,
  l.quantity::BIGINT AS quantity,
  (l.amount_cents / nullif(l.quantity, 0))::DOUBLE AS price,
  CASE
    WHEN l.event_time + $horizon <= observed_until THEN coalesce(r.returned_at < l.event_time + $horizon, false)::BIGINT
  END AS label
FROM lines AS l
CROSS JOIN bounds
ASOF LEFT JOIN returned AS r
  ON l.customer_id = r.customer_id AND l.product_id = r.product_id AND l.basket_id = r.basket_id
    AND l.event_time <= r.returned_at
WHERE l.event_time >= bounds.first_line
ORDER BY event_timestamp, customer_id, product_id, l.basket_id
