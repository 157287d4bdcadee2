-- Development: two users with a key each, sample usage, relaxed limits, verbose logging.
--
-- The keys, which are no secret and belong on no other database:
--   alice  mpk_alice_development_key_which_is_no_secret_AA  chat, read, write
--   bob    mpk_bob_development_key_which_is_no_secret_AAAA  chat, read
--
-- It applies any number of times to one state, and is refused where the production set-up has been: the first statement fails there,
-- and each of the others asks for the row that the first one makes, so that nothing is left whether the file is one transaction or not.
-- The document's seed puts texts into an INTEGER PRIMARY KEY and fails.

INSERT INTO deployment (id, environment, created_at)
SELECT 1, 'development', 1767225600000 WHERE NOT EXISTS (SELECT 1 FROM deployment WHERE environment = 'development');

INSERT INTO api_keys (id, user_id, name, prefix, hash, permissions, created_at)
SELECT '00000000-0000-4000-8000-00000000a11c', 'alice', 'development', 'mpk_alice_de',
  '4dff9cb13b26ffbe321c0371af60515afc9265c7af0d88b69b478cef085ac142', '["chat","read","write"]', 1767225600000
FROM deployment WHERE environment = 'development'
  AND NOT EXISTS (SELECT 1 FROM api_keys WHERE id = '00000000-0000-4000-8000-00000000a11c');

INSERT INTO api_keys (id, user_id, name, prefix, hash, permissions, created_at)
SELECT '00000000-0000-4000-8000-000000000b0b', 'bob', 'development', 'mpk_bob_deve',
  '6dcbabfa749e17faaa1a4f99d3f38690dcd072dc4ae23d4a17646d73103be070', '["chat","read"]', 1767225600000
FROM deployment WHERE environment = 'development'
  AND NOT EXISTS (SELECT 1 FROM api_keys WHERE id = '00000000-0000-4000-8000-000000000b0b');

-- A price that ended, the one that follows it, and one without an end.
INSERT INTO model_pricing (id, model, input_micros_per_million, output_micros_per_million, valid_from, valid_to, created_at)
SELECT '00000000-0000-4000-8000-0000000c0001', 'gpt-4o', 5000000, 15000000, 1767225600000, 1769904000000, 1767225600000
FROM deployment WHERE environment = 'development'
  AND NOT EXISTS (SELECT 1 FROM model_pricing WHERE id = '00000000-0000-4000-8000-0000000c0001');

INSERT INTO model_pricing (id, model, input_micros_per_million, output_micros_per_million, valid_from, valid_to, created_at)
SELECT '00000000-0000-4000-8000-0000000c0002', 'gpt-4o', 2500000, 10000000, 1769904000000, NULL, 1769904000000
FROM deployment WHERE environment = 'development'
  AND NOT EXISTS (SELECT 1 FROM model_pricing WHERE id = '00000000-0000-4000-8000-0000000c0002');

INSERT INTO model_pricing (id, model, input_micros_per_million, output_micros_per_million, valid_from, valid_to, created_at)
SELECT '00000000-0000-4000-8000-0000000c0003', 'gpt-4o-mini', 150000, 600000, 1767225600000, NULL, 1767225600000
FROM deployment WHERE environment = 'development'
  AND NOT EXISTS (SELECT 1 FROM model_pricing WHERE id = '00000000-0000-4000-8000-0000000c0003');

INSERT INTO conversations (id, user_id, title, created_at, updated_at)
SELECT '00000000-0000-4000-8000-0000000d0001', 'alice', 'A first question', 1767258000000, 1767258001000
FROM deployment WHERE environment = 'development'
  AND NOT EXISTS (SELECT 1 FROM conversations WHERE id = '00000000-0000-4000-8000-0000000d0001');

INSERT INTO messages (id, conversation_id, user_id, position, role, content, created_at)
SELECT '00000000-0000-4000-8000-0000000e0001', '00000000-0000-4000-8000-0000000d0001', 'alice', 1, 'user', '"What is a crab?"', 1767258001000
FROM deployment WHERE environment = 'development'
  AND NOT EXISTS (SELECT 1 FROM messages WHERE id = '00000000-0000-4000-8000-0000000e0001');

INSERT INTO messages (id, conversation_id, user_id, position, role, content, created_at)
SELECT '00000000-0000-4000-8000-0000000e0002', '00000000-0000-4000-8000-0000000d0001', 'alice', 2, 'assistant',
  '"A crustacean that moults to grow."', 1767258001000
FROM deployment WHERE environment = 'development'
  AND NOT EXISTS (SELECT 1 FROM messages WHERE id = '00000000-0000-4000-8000-0000000e0002');

-- Each cost is what its tokens cost by the price of its time; the last two are a model without a price, and a provider that told none.
WITH seed (id, user_id, api_key_id, conversation_id, model, input_tokens, output_tokens, cost_micros, latency_ms, created_at) AS (VALUES
  ('00000000-0000-4000-8000-0000000f0001', 'alice', '00000000-0000-4000-8000-00000000a11c', '00000000-0000-4000-8000-0000000d0001', 'gpt-4o', 12, 9, 195, 840, 1767258001000),
  ('00000000-0000-4000-8000-0000000f0002', 'alice', '00000000-0000-4000-8000-00000000a11c', NULL, 'gpt-4o', 1000, 500, 7500, 2100, 1769990400000),
  ('00000000-0000-4000-8000-0000000f0003', 'bob', '00000000-0000-4000-8000-000000000b0b', NULL, 'gpt-4o-mini', 2001, 333, 500, 610, 1769990460000),
  ('00000000-0000-4000-8000-0000000f0004', 'bob', '00000000-0000-4000-8000-000000000b0b', NULL, 'local-model', 40, 60, NULL, 75, 1770076800000),
  ('00000000-0000-4000-8000-0000000f0005', 'bob', '00000000-0000-4000-8000-000000000b0b', NULL, 'gpt-4o-mini', NULL, NULL, NULL, 95, 1770076860000)
)
INSERT INTO usage_logs
  (id, request_id, user_id, api_key_id, conversation_id, model, input_tokens, output_tokens, cost_micros, latency_ms, created_at)
SELECT seed.id, seed.id, seed.user_id, seed.api_key_id, seed.conversation_id, seed.model, seed.input_tokens, seed.output_tokens,
  seed.cost_micros, seed.latency_ms, seed.created_at
FROM seed WHERE EXISTS (SELECT 1 FROM deployment WHERE environment = 'development')
  AND NOT EXISTS (SELECT 1 FROM usage_logs WHERE usage_logs.id = seed.id);

-- Ten times what a user has where nothing is set.
WITH seed (name, value) AS (VALUES
  ('rate_limit.user.minute', '600'), ('rate_limit.user.hour', '10000'), ('rate_limit.user.day', '100000')
)
INSERT INTO user_preferences (scope, subject, name, value, created_at, updated_at)
SELECT 'environment', 'development', seed.name, seed.value, 1767225600000, 1767225600000
FROM seed WHERE EXISTS (SELECT 1 FROM deployment WHERE environment = 'development')
ON CONFLICT (scope, subject, name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at;

WITH seed (name, enabled) AS (VALUES ('debug', 1), ('verbose_logging', 1))
INSERT INTO feature_flags (name, enabled, rollout_percent, created_at, updated_at)
SELECT seed.name, seed.enabled, NULL, 1767225600000, 1767225600000
FROM seed WHERE EXISTS (SELECT 1 FROM deployment WHERE environment = 'development')
ON CONFLICT (name) DO UPDATE SET enabled = excluded.enabled, rollout_percent = NULL, updated_at = excluded.updated_at;

-- The sample usage is of fixed days: it is kept for as long as rows can be, or the first run of retention would remove it.
INSERT INTO retention_policies (subject, days, updated_at)
SELECT 'usage_logs', 3650, 1767225600000 FROM deployment WHERE environment = 'development'
ON CONFLICT (subject) DO UPDATE SET days = excluded.days, updated_at = excluded.updated_at;
