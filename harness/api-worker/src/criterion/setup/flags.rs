//! What the seed and the set-up make of flags. Never takes a flag for off that a rollout, an environment or a user turns on.

use super::{PRODUCTION, looked, production, text};
use crate::outcome::{Judged, Stop};
use crate::sample::Table;
use crate::scripts::trial::{Trial, told_row};
use crate::subject::Subject;
use moltproof_data::catalog::Name;
use rusqlite::types::Value;

/// That these flags are on or off for everybody: as such, and by nothing else that is said of them.
pub(super) fn flags(trial: &Trial, wanted: &[(&str, bool)]) -> Judged {
    for (name, is_on) in wanted {
        let sql =
            format!("SELECT enabled, rollout_percent FROM feature_flags WHERE name = '{name}'");
        let rows = looked(trial, &sql)?;
        let expected = format!("flag {name} {}", if *is_on { "on" } else { "off" });
        let Some(row) = rows.first() else {
            return Err(Stop::breach(expected, "no such flag"));
        };
        let enabled = row.first() == Some(&Value::Integer(1));
        let rollout = row.get(1).cloned().unwrap_or(Value::Null);
        // Below a percentage the rollout turns it on; where none is reached, `enabled` decides.
        let is_rolled_out = !matches!(rollout, Value::Null | Value::Integer(0)) && !*is_on;
        if enabled != *is_on || is_rolled_out {
            let seen = format!(
                "enabled {enabled}, rollout_percent {}",
                crate::scripts::trial::told(&rollout)
            );
            return Err(Stop::breach(expected, seen));
        }
    }
    let told: Vec<String> = wanted
        .iter()
        .map(|(name, is_on)| format!("{name} is {}", if *is_on { "on" } else { "off" }))
        .collect();
    Ok(told.join(", "))
}

/// What production's flags are for everybody.
const FLAGS: [(&str, bool); 2] = [("audit", true), ("debug", false)];

pub(super) async fn audited(subject: &Subject) -> Judged {
    subject
        .judge_files(|scripts| {
            flags(&production(scripts)?, &FLAGS)?;
            let trial = scripts.migrated_for(PRODUCTION)?;
            let exceptions = said_otherwise(&trial)?;
            let setup = scripts.production()?;
            let outcome = trial.apply(setup, PRODUCTION, scripts.next());
            outcome.map_err(|why| {
                let seen = format!("{} fails where flags were set: {why}", setup.name);
                Stop::unmet("API-012", seen)
            })?;
            let told = flags(&trial, &FLAGS)?;
            for Exceptions { table, flag } in &exceptions {
                none_is_left(&trial, table, flag)?;
            }
            Ok(format!(
                "{told}, also where debugging had been rolled out to everybody"
            ))
        })
        .await
}

/// A table of what flags say for some, and its column that names the flag.
struct Exceptions {
    table: String,
    flag: String,
}

/// Turns debugging on and auditing off: by the flag, by a rollout, and wherever a table refers to flags and says `enabled` of one.
fn said_otherwise(trial: &Trial) -> Result<Vec<Exceptions>, Stop> {
    let on = |is_on: bool| Value::Integer(i64::from(!is_on));
    let flags = FLAGS.map(|(name, is_on)| {
        let percent = if is_on { 0 } else { 100 };
        vec![
            ("name", Value::Text(name.to_owned())),
            ("enabled", on(is_on)),
            ("rollout_percent", Value::Integer(percent)),
        ]
    });
    Table::of(trial, "feature_flags")?.fill(trial, flags)?;
    let sql = "SELECT s.name, f.\"from\" FROM sqlite_schema AS s, pragma_foreign_key_list(s.name) AS f \
         WHERE s.type = 'table' AND f.\"table\" = 'feature_flags' \
           AND EXISTS (SELECT 1 FROM pragma_table_info(s.name) WHERE name = 'enabled')";
    let mut found = Vec::new();
    for row in trial.read(sql)? {
        let (table, flag) = (text(row.first()).to_owned(), text(row.get(1)).to_owned());
        for (name, is_on) in FLAGS {
            for (scope, subject) in [("user", "ada"), ("environment", PRODUCTION)] {
                // A table of another form takes no such row, and then it has none to judge by.
                drop(trial.run(&format!(
                    "INSERT INTO {} ({}, scope, subject, enabled) VALUES ('{name}', '{scope}', '{subject}', {})",
                    Name::new(&table).quoted(),
                    Name::new(&flag).quoted(),
                    i64::from(!is_on),
                )));
            }
        }
        found.push(Exceptions { table, flag });
    }
    Ok(found)
}

/// That no row turns debugging on, or auditing off, for anybody.
fn none_is_left(trial: &Trial, table: &str, flag: &str) -> Result<(), Stop> {
    for (name, is_on) in FLAGS {
        let rows = looked(
            trial,
            &format!(
                "SELECT * FROM {} WHERE {} = '{name}' AND enabled = {}",
                Name::new(table).quoted(),
                Name::new(flag).quoted(),
                i64::from(!is_on)
            ),
        )?;
        if let Some(row) = rows.first() {
            let expected = format!(
                "flag {name} {} for everybody",
                if is_on { "on" } else { "off" }
            );
            return Err(Stop::breach(
                expected,
                format!("{table} says {}", told_row(row)),
            ));
        }
    }
    Ok(())
}
