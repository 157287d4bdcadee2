//! Where a target keeps tenants and usage in D1. Steps ask for `tenants` and `usage` of the contract; this alone knows the target's own
//! tables and columns. Never guesses one: what is declared to be missing is told, and nothing is written in its place.

mod rewrite;

use crate::observe::{CannotObserve, D1, Row, WritesHeld};
use async_trait::async_trait;
use rewrite::Words;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The tables of the contract as the target has them. An empty name says that there is no such column.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Layout {
    /// What the contract calls `tenants`.
    pub tenants: Tenants,
    /// What the contract calls `usage`.
    pub usage: Usage,
}

/// The table of tenants.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tenants {
    /// The table's name.
    pub table: String,
    /// The column by which a tenant is known: that of which the sandbox id is derived.
    pub id: String,
    /// The platform.
    pub platform: String,
    /// The tier.
    pub tier: String,
    /// The sandbox id; empty where it is derived and not stored.
    pub sandbox_id: String,
    /// When the tenant was made.
    pub created_at: String,
    /// When it was last changed.
    pub updated_at: String,
}

/// The table of usage.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Usage {
    /// The table's name.
    pub table: String,
    /// The row's own key.
    pub id: String,
    /// Whose row it is.
    pub tenant_id: String,
    /// The column of the table of tenants that `tenant_id` refers to, where that is another than `tenants.id`.
    pub refers_to: String,
    /// The model.
    pub model: String,
    /// Tokens of the prompt.
    pub tokens_in: String,
    /// Tokens of the answer.
    pub tokens_out: String,
    /// How long the model took.
    pub latency_ms: String,
    /// When it was used.
    pub created_at: String,
}

impl Default for Tenants {
    fn default() -> Self {
        Self {
            table: "tenants".to_owned(),
            id: "id".to_owned(),
            platform: "platform".to_owned(),
            tier: "tier".to_owned(),
            sandbox_id: "sandbox_id".to_owned(),
            created_at: "created_at".to_owned(),
            updated_at: "updated_at".to_owned(),
        }
    }
}

impl Default for Usage {
    fn default() -> Self {
        Self {
            table: "usage".to_owned(),
            id: "id".to_owned(),
            tenant_id: "tenant_id".to_owned(),
            refers_to: String::new(),
            model: "model".to_owned(),
            tokens_in: "tokens_in".to_owned(),
            tokens_out: "tokens_out".to_owned(),
            latency_ms: "latency_ms".to_owned(),
            created_at: "created_at".to_owned(),
        }
    }
}

/// One of the contract's two tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// `tenants`
    Tenants,
    /// `usage`
    Usage,
}

impl Table {
    /// The table of this name in the contract.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Tenants, Self::Usage]
            .into_iter()
            .find(|table| table.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Tenants => "tenants",
            Self::Usage => "usage",
        }
    }
}

/// What a refusal begins with whose reason is a row of the contract that the target's own table does not take.
const NO_ROW: &str = "the target's D1 takes no row of the contract's columns alone";
/// What a refusal begins with whose reason is the layout.
const NO_COLUMN: &str = "the target's D1 has no column for";

impl Layout {
    /// Whether it is the contract's own.
    #[must_use]
    pub fn is_the_contracts(&self) -> bool {
        *self == Self::default()
    }

    /// The target's name of a table.
    #[must_use]
    pub fn table(&self, table: Table) -> &str {
        match table {
            Table::Tenants => &self.tenants.table,
            Table::Usage => &self.usage.table,
        }
    }

    /// The columns of a table: the contract's name, and the target's.
    fn columns(&self, table: Table) -> Vec<(&'static str, &str)> {
        match table {
            Table::Tenants => vec![
                ("id", &self.tenants.id),
                ("platform", &self.tenants.platform),
                ("tier", &self.tenants.tier),
                ("sandbox_id", &self.tenants.sandbox_id),
                ("created_at", &self.tenants.created_at),
                ("updated_at", &self.tenants.updated_at),
            ],
            Table::Usage => vec![
                ("id", &self.usage.id),
                ("tenant_id", &self.usage.tenant_id),
                ("model", &self.usage.model),
                ("tokens_in", &self.usage.tokens_in),
                ("tokens_out", &self.usage.tokens_out),
                ("latency_ms", &self.usage.latency_ms),
                ("created_at", &self.usage.created_at),
            ],
        }
    }

    /// The target's name of a column of the contract; a name that the contract does not know stays.
    ///
    /// # Errors
    /// The key of the manifest that says that there is none.
    pub fn column<'a>(&'a self, table: Table, name: &'a str) -> Result<&'a str, String> {
        let columns = self.columns(table);
        let own = columns
            .into_iter()
            .find(|(contracts, _)| *contracts == name)
            .map_or(name, |(_, own)| own);
        if own.is_empty() {
            return Err(missing(table, name));
        }
        Ok(own)
    }

    /// The first column of the contract that the target does not have, as [`Self::column`] says it.
    #[must_use]
    pub fn lacks(&self) -> Option<String> {
        [Table::Tenants, Table::Usage]
            .into_iter()
            .find_map(|table| {
                let columns = self.columns(table);
                let (name, _) = columns.into_iter().find(|(_, own)| own.is_empty())?;
                Some(missing(table, name))
            })
    }

    /// What types cannot say; `None` if it can be used.
    #[must_use]
    pub fn flaw(&self) -> Option<String> {
        let is_name = |name: &str| {
            let first = name.bytes().next();
            first.is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        for table in [Table::Tenants, Table::Usage] {
            let (part, name) = (table.name(), self.table(table));
            if !is_name(name) {
                return Some(format!(
                    "[layout.{part}] table: `{name}` is no name of a table"
                ));
            }
            let malformed = self
                .columns(table)
                .into_iter()
                .find(|(_, own)| !own.is_empty() && !is_name(own));
            if let Some((key, own)) = malformed {
                return Some(format!(
                    "[layout.{part}] {key}: `{own}` is no name of a column"
                ));
            }
        }
        if self.tenants.id.is_empty() {
            return Some("[layout.tenants] id: without a key no tenant is known".to_owned());
        }
        if self.usage.tenant_id.is_empty() {
            return Some(
                "[layout.usage] tenant_id: without it nobody knows whose a row is".to_owned(),
            );
        }
        (!self.usage.refers_to.is_empty() && !is_name(&self.usage.refers_to))
            .then(|| "[layout.usage] refers_to is no name of a column".to_owned())
    }

    /// A statement about one table, in the target's names: for what is planned and written.
    ///
    /// # Errors
    /// As [`Self::column`].
    pub fn renamed(&self, sql: &str) -> Result<String, String> {
        let mut words = Words::of(sql);
        let table = match (words.name("tenants"), words.name("usage")) {
            (true, false) => Table::Tenants,
            (false, true) => Table::Usage,
            (true, true) | (false, false) => return Ok(sql.to_owned()),
        };
        for (name, _) in self.columns(table) {
            if words.name(name) {
                words.rename(name, self.column(table, name)?);
            }
        }
        words.rename(table.name(), self.table(table));
        Ok(words.text())
    }

    /// A reading statement over the contract's tables, which stand before it as they can be read from the target's.
    fn viewed(&self, sql: &str, tiers: &BTreeMap<String, String>) -> String {
        let words = Words::of(sql);
        let used = [Table::Tenants, Table::Usage]
            .into_iter()
            .filter(|table| words.name(table.name()));
        let views: Vec<String> = used.map(|table| self.view(table, tiers)).collect();
        if views.is_empty() {
            return sql.to_owned();
        }
        format!("WITH {} {sql}", views.join(", "))
    }

    /// A statement that writes one table, in the target's names; whose a row of usage is, is looked up where it names its tenant otherwise.
    fn written(&self, sql: &str) -> Result<String, String> {
        let renamed = self.renamed(sql)?;
        if !self.joins() {
            return Ok(renamed);
        }
        let own = format!("\"{}\" = ?1", self.usage.tenant_id);
        let looked_up = format!(
            "\"{}\" IN (SELECT \"{}\" FROM \"{}\" WHERE \"{}\" = ?1)",
            self.usage.tenant_id, self.usage.refers_to, self.tenants.table, self.tenants.id
        );
        let is_of_usage = Words::of(sql).name("usage");
        Ok(if is_of_usage {
            renamed.replace(&own, &looked_up)
        } else {
            renamed
        })
    }

    fn view(&self, table: Table, tiers: &BTreeMap<String, String>) -> String {
        // In full, for a view of the same name as its table would else be made of itself.
        let from = |table: Table, short: &str| format!("main.\"{}\" AS {short}", self.table(table));
        let joins = table == Table::Usage && self.joins();
        let columns = self.columns(table).into_iter().map(|(name, own)| {
            if own.is_empty() {
                format!("NULL AS {name}")
            } else if joins && name == "tenant_id" {
                let key = &self.tenants.id;
                format!(
                    "CAST(COALESCE(o.\"{key}\", 'nobody: ' || r.\"{own}\") AS TEXT) AS tenant_id"
                )
            } else if name == "tier" && !tiers.is_empty() {
                let quoted = |text: &str| text.replace('\'', "''");
                let cases = tiers.iter().map(|(contracts, own)| {
                    format!(" WHEN '{}' THEN '{}'", quoted(own), quoted(contracts))
                });
                let cases: String = cases.collect();
                format!("CASE r.\"{own}\"{cases} ELSE r.\"{own}\" END AS tier")
            } else {
                format!("r.\"{own}\" AS {name}")
            }
        });
        let columns: Vec<String> = columns.collect();
        let join = if joins {
            format!(
                " LEFT JOIN {} ON o.\"{}\" = r.\"{}\"",
                from(Table::Tenants, "o"),
                self.usage.refers_to,
                self.usage.tenant_id
            )
        } else {
            String::new()
        };
        format!(
            "{} AS (SELECT {} FROM {}{join})",
            table.name(),
            columns.join(", "),
            from(table, "r")
        )
    }

    fn joins(&self) -> bool {
        !self.usage.refers_to.is_empty() && self.usage.refers_to != self.tenants.id
    }
}

fn missing(table: Table, name: &str) -> String {
    let part = table.name();
    format!("{NO_COLUMN} {part}.{name} (manifest: layout.{part}.{name} is empty)")
}

/// Whether something could not be observed or written because the layout has no place for it.
#[must_use]
pub fn is_of_the_layout(error: &CannotObserve) -> bool {
    error.why.starts_with(NO_COLUMN) || error.why.starts_with(NO_ROW)
}

/// A D1 of another layout, read and written as if it had the contract's.
pub struct LaidOut {
    there: Arc<dyn D1>,
    layout: Layout,
    tiers: BTreeMap<String, String>,
}

impl LaidOut {
    /// The database as steps see it: itself where it speaks as the contract does. `tiers` are the target's by the contract's.
    pub fn over(
        there: Arc<dyn D1>,
        layout: &Layout,
        tiers: &BTreeMap<String, String>,
    ) -> Arc<dyn D1> {
        if layout.is_the_contracts() && tiers.is_empty() {
            return there;
        }
        Arc::new(Self {
            there,
            layout: layout.clone(),
            tiers: tiers.clone(),
        })
    }

    fn viewed(&self, sql: &str) -> String {
        self.layout.viewed(sql, &self.tiers)
    }
}

#[async_trait]
impl D1 for LaidOut {
    async fn query(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, CannotObserve> {
        self.there.query(&self.viewed(sql), params).await
    }

    async fn execute(&self, sql: &str, params: &[Value]) -> Result<usize, CannotObserve> {
        let renamed = self.layout.written(sql);
        let sql = renamed.map_err(|why| CannotObserve { what: "D1", why })?;
        self.there.execute(&sql, params).await.map_err(|mut error| {
            // A row of the contract may leave out what the target's table needs: nobody's fault, and no finding.
            if sql.trim_start().starts_with("INSERT") && !error.why.contains("UNIQUE") {
                error.why = format!("{NO_ROW} ({})", error.why);
            }
            error
        })
    }

    async fn execute_own(&self, sql: &str, params: &[Value]) -> Result<usize, CannotObserve> {
        self.there.execute(sql, params).await
    }

    fn own_words(&self, sql: &str) -> String {
        let is_read = sql.trim_start().starts_with("SELECT");
        let written = (!is_read).then(|| self.layout.written(sql).ok()).flatten();
        written.unwrap_or_else(|| self.viewed(sql))
    }

    async fn hold_writes(&self) -> Result<Option<WritesHeld>, CannotObserve> {
        self.there.hold_writes().await
    }
}

#[cfg(test)]
mod tests;
