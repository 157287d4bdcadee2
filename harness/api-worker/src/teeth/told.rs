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
pub const TOLD: [Told; 6] = [
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
