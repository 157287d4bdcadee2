-- What one model was used for in all, and its average latency in milliseconds, rounded down.
-- ?1: the model.
-- Index: usage_logs_model.
SELECT model, requests, input_tokens, output_tokens, cost_micros, average_latency_ms
FROM model_usage_stats
WHERE model = ?1;
