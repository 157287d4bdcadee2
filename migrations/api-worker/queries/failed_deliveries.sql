-- Which webhook deliveries of the last thirty days were given up, newest first, a hundred at most.
-- Index: webhook_deliveries_failed, then one look-up per row in the keys of events and webhooks.
SELECT webhook_deliveries.id, webhook_deliveries.webhook_id, webhooks.url, webhook_events.event, webhook_deliveries.attempts,
  webhook_deliveries.last_status, webhook_deliveries.created_at
FROM webhook_deliveries
CROSS JOIN webhook_events ON webhook_events.id = webhook_deliveries.event_id
CROSS JOIN webhooks ON webhooks.id = webhook_deliveries.webhook_id
WHERE webhook_deliveries.state = 'failed'
  AND webhook_deliveries.created_at >= CAST(round(unixepoch('subsec') * 1000) AS INTEGER) - 2592000000
ORDER BY webhook_deliveries.created_at DESC, webhook_deliveries.id DESC
LIMIT 100;
