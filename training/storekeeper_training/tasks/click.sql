-- Product impression, or campaign mailing where the log has no impressions: is it clicked, or a coupon of it redeemed?
--
-- An impression counts as clicked if the product is clicked afterwards in the same session; a mailing, if the customer
-- redeems a coupon of the campaign within the horizon.
WITH known AS (
  SELECT event_type, event_time, customer_id, product_id, campaign_id, session_id
  FROM events
  WHERE event_type IN ('impression', 'click', 'offer_received', 'offer_redeemed') AND customer_id IS NOT NULL
    -- What lies beyond the clock's now has not happened yet.
    AND event_time < $now AND known_time <= $now
),

bounds AS (
  SELECT max(event_time) AS observed_until FROM events WHERE event_time < $now AND known_time <= $now
),

impressions AS (
  SELECT DISTINCT customer_id, product_id, NULL::BIGINT AS campaign_id, event_time, session_id
  FROM known
  WHERE event_type = 'impression' AND md5_number_lower(session_id::VARCHAR) % 1000000 < $sample_rate * 1000000
),

clicks AS (
  SELECT customer_id, product_id, session_id, max(event_time) AS answered_at
  FROM known
  WHERE event_type = 'click'
  GROUP BY ALL
),

mailings AS (
  SELECT DISTINCT customer_id, NULL::BIGINT AS product_id, campaign_id, event_time, NULL::BIGINT AS session_id
  FROM known
  WHERE event_type = 'offer_received' AND NOT EXISTS (FROM known WHERE event_type = 'impression')
),

redemptions AS (
  SELECT customer_id, campaign_id, event_time AS answered_at FROM known WHERE event_type = 'offer_redeemed'
),

shown AS (
  SELECT i.*, c.answered_at
  FROM impressions AS i
  LEFT JOIN clicks AS c
    ON i.customer_id = c.customer_id AND i.product_id = c.product_id AND i.session_id = c.session_id
      AND c.answered_at >= i.event_time
  UNION ALL
  SELECT m.*, r.answered_at
  FROM mailings AS m
  ASOF LEFT JOIN redemptions AS r
    ON m.customer_id = r.customer_id AND m.campaign_id = r.campaign_id AND m.event_time <= r.answered_at
)

SELECT
  customer_id,
  product_id,
  campaign_id,
  event_time AS event_timestamp,
  CASE
    WHEN event_time + $horizon <= observed_until THEN coalesce(answered_at < event_time + $horizon, false)::BIGINT
  END AS label
FROM shown
CROSS JOIN bounds
ORDER BY event_timestamp, customer_id, product_id, campaign_id
