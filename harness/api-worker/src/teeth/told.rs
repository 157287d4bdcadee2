//! Workers whose database does something by itself whenever they write into it, in the place of a guard: deviants that no request and no answer shows.
//! Never takes an object away that the files make: that would be another mistake.

/// Such a worker.
#[derive(Debug, Clone, Copy)]
pub struct Told {
    /// Its name, as a sentence.
    pub name: &'static str,
    /// The criteria that it breaks.
    pub breaks: &'static [&'static str],
    /// What its database is told when it is made.
    pub sql: &'static str,
}

/// All of them.
pub const TOLD: [Told; 9] = [
    Told {
        name: "a new price fills in what was used before it",
        breaks: &["API-004", "API-013"],
        sql: "DROP TRIGGER usage_logs_are_not_changed;
              CREATE TRIGGER usage_logs_are_not_changed AFTER INSERT ON model_pricing
              BEGIN
                UPDATE usage_logs SET cost_micros = input_tokens * new.input_micros_per_million / 1000000
                WHERE model = new.model AND cost_micros IS NULL AND input_tokens IS NOT NULL;
              END",
    },
    Told {
        name: "a chat costs what its model cost two seconds before",
        breaks: &["API-004"],
        sql: "DROP TRIGGER usage_logs_are_not_changed;
              CREATE TRIGGER usage_logs_are_not_changed AFTER INSERT ON usage_logs
              WHEN abs(new.created_at - unixepoch('subsec') * 1000) < 10000
              BEGIN
                UPDATE usage_logs SET cost_micros = (
                  SELECT (new.input_tokens * input_micros_per_million + new.output_tokens * output_micros_per_million + 500000) / 1000000
                  FROM model_pricing
                  WHERE model = new.model AND valid_from <= new.created_at - 2000
                    AND (valid_to IS NULL OR valid_to > new.created_at - 2000)
                )
                WHERE id = new.id;
              END",
    },
    Told {
        name: "no day before the newest summed one is summed",
        breaks: &["API-008"],
        sql: "CREATE TRIGGER told BEFORE INSERT ON daily_usage_stats
              WHEN EXISTS (SELECT 1 FROM daily_usage_stats WHERE user_id = new.user_id AND model = new.model AND date > new.date)
              BEGIN
                SELECT RAISE(IGNORE);
              END",
    },
    Told {
        name: "the second retention within a month leaves no entry",
        breaks: &["API-009"],
        sql: "CREATE TRIGGER told BEFORE INSERT ON audit_logs
              WHEN new.action = 'job.retention' AND EXISTS (
                SELECT 1 FROM audit_logs WHERE action = 'job.retention' AND new.created_at - created_at BETWEEN 1 AND 30 * 86400000
              )
              BEGIN
                SELECT RAISE(IGNORE);
              END",
    },
    Told {
        name: "a flag that is set again began then",
        breaks: &["API-013"],
        sql: "DROP TRIGGER feature_flags_keep_their_history;
              CREATE TRIGGER feature_flags_keep_their_history AFTER UPDATE OF updated_at ON feature_flags
              BEGIN
                UPDATE feature_flags SET created_at = new.updated_at WHERE name = new.name;
              END",
    },
    Told {
        name: "failures are timed in seconds",
        breaks: &["API-014"],
        sql: "DROP TRIGGER system_metrics_are_not_changed;
              CREATE TRIGGER system_metrics_are_not_changed AFTER INSERT ON system_metrics WHEN new.name >= 'error.' AND new.name < 'error/'
              BEGIN
                UPDATE system_metrics SET created_at = new.created_at / 1000 WHERE id = new.id;
              END",
    },
    Told {
        name: "deliveries end in seconds",
        breaks: &["API-014"],
        sql: "DROP TRIGGER webhook_deliveries_keep_their_history;
              CREATE TRIGGER webhook_deliveries_keep_their_history AFTER UPDATE OF state ON webhook_deliveries WHEN new.state = 'delivered'
              BEGIN
                UPDATE webhook_deliveries SET delivered_at = new.delivered_at / 1000 WHERE id = new.id;
              END",
    },
    Told {
        name: "keys are revoked in seconds",
        breaks: &["API-014"],
        sql: "DROP TRIGGER api_keys_stay_what_they_are;
              CREATE TRIGGER api_keys_stay_what_they_are AFTER UPDATE OF revoked_at ON api_keys WHEN new.revoked_at IS NOT NULL
              BEGIN
                UPDATE api_keys SET revoked_at = new.revoked_at / 1000 WHERE id = new.id;
              END",
    },
    Told {
        name: "preferences are set again in seconds",
        breaks: &["API-014"],
        sql: "CREATE TRIGGER told AFTER UPDATE OF updated_at ON user_preferences WHEN new.scope = 'user'
              BEGIN
                UPDATE user_preferences SET updated_at = new.updated_at / 1000
                WHERE scope = new.scope AND subject = new.subject AND name = new.name;
              END",
    },
];
