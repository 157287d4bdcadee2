-- Production: strict limits, auditing on, debugging off, retention.
--
-- It applies any number of times to one state. Over a database that the development seed was applied to it fails as a whole: the first
-- statement is refused there, and each of the others asks for the row that the first one makes, so that nothing is left whether the file
-- is one transaction or not.
-- The document's set-up names five columns that are not there, multiplies all prices each time it runs, and installs an administrator's
-- key that everybody can read in it. There is no key in this file: administrators come through Cloudflare Access.

INSERT INTO deployment (id, environment, created_at)
SELECT 1, 'production', 1767225600000 WHERE NOT EXISTS (SELECT 1 FROM deployment WHERE environment = 'production');

-- Half of what a user has where nothing is set.
WITH setup (name, value) AS (VALUES
  ('rate_limit.user.minute', '30'), ('rate_limit.user.hour', '500'), ('rate_limit.user.day', '5000')
)
INSERT INTO user_preferences (scope, subject, name, value, created_at, updated_at)
SELECT 'environment', 'production', setup.name, setup.value, 1767225600000, 1767225600000
FROM setup WHERE EXISTS (SELECT 1 FROM deployment WHERE environment = 'production')
ON CONFLICT (scope, subject, name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at;

WITH setup (name, enabled) AS (VALUES ('audit', 1), ('debug', 0))
INSERT INTO feature_flags (name, enabled, rollout_percent, created_at, updated_at)
SELECT setup.name, setup.enabled, NULL, 1767225600000, 1767225600000
FROM setup WHERE EXISTS (SELECT 1 FROM deployment WHERE environment = 'production')
ON CONFLICT (name) DO UPDATE SET enabled = excluded.enabled, rollout_percent = NULL, updated_at = excluded.updated_at;

-- A flag may say otherwise for an environment or a user: not in production, after this.
DELETE FROM feature_flag_overrides
WHERE flag IN ('audit', 'debug') AND EXISTS (SELECT 1 FROM deployment WHERE environment = 'production');

WITH setup (subject, days) AS (VALUES ('usage_logs', 90), ('user_sessions', 30), ('rate_limits', 7))
INSERT INTO retention_policies (subject, days, updated_at)
SELECT setup.subject, setup.days, 1767225600000
FROM setup WHERE EXISTS (SELECT 1 FROM deployment WHERE environment = 'production')
ON CONFLICT (subject) DO UPDATE SET days = excluded.days, updated_at = excluded.updated_at;
