//! A world with rows in every table, of several tenants where there are tenants, and the values that declared parameters stand for.
//! Never takes a value of another tenant's than the one that is asked for.

use super::Outcome;
use super::populated::{Populated, Row};
use super::world::{Refused, Seen, World};
use crate::catalog::{Name, Schema, Table};
use crate::rows::{self, Effort, Statements, Tenancy, Wanted};
use crate::subject::{Subject, TENANTS};
use crate::text::FileId;
use rusqlite::types::Value;
use std::collections::BTreeMap;

/// Rows of each table where there are no tenants.
const ROWS: usize = 4;

/// A world with rows.
pub(super) struct Settled<'s> {
    subject: &'s Subject,
    kind: Kind<'s>,
}

enum Kind<'s> {
    /// Several tenants have rows.
    Tenants(Populated<'s>),
    /// Nobody in particular has rows: no tenants are declared.
    Alone(World<'s>),
    /// Rows that are older than some of the files.
    Older {
        world: World<'s>,
        tenancy: Tenancy,
        keys: Vec<Value>,
    },
}

/// What parameters stand for beyond the rows themselves: `now`, `id`, `text`, `tag`, `limit`, ….
pub(super) type Given<'g> = BTreeMap<&'g str, Value>;

impl<'s> Settled<'s> {
    pub(super) fn new(subject: &'s Subject) -> Result<Self, Outcome> {
        let kind = if subject.claims.tenants.is_some() {
            Kind::Tenants(Populated::new(subject)?)
        } else {
            let world = World::new(subject).map_err(|error| Outcome::not_judged(&error))?;
            let schema = subject.schema();
            let tables: Vec<Name> = schema.tables.keys().cloned().collect();
            let filled = world.engine().ours(|connection| {
                rows::fill(connection, schema, subject.later(), &tables, ROWS, 1)
            });
            filled.map_err(|error| Outcome::not_judged(&error))?;
            Kind::Alone(world)
        };
        Ok(Self { subject, kind })
    }

    /// Rows that were there before a file was applied; `prepare` sees them before it. None where the file cannot be seen with rows.
    pub(super) fn older(
        subject: &'s Subject,
        file: FileId,
        prepare: impl FnOnce(&World<'s>, &Schema),
    ) -> rusqlite::Result<Option<Self>> {
        let first = subject
            .replay
            .files
            .get(file.0)
            .map_or(0, |steps| steps.start);
        let world = World::around(subject, subject.replay.before(first)?);
        let claims = &subject.claims;
        let tenancy = |schema: &Schema| Tenancy::of(schema, claims);
        let schema = world.engine().ours(crate::catalog::read)?;
        let then = tenancy(&schema).unwrap_or_else(|_none| Tenancy::nobody());
        let made = world.engine().ours(|connection| {
            rows::fill_tenants(connection, (&schema, &schema), claims, then, TENANTS, ROWS)
        })?;
        prepare(&world, &schema);
        let applies = subject.replay.go_on(world.engine(), file)?;
        Ok(applies.then(|| {
            let tenancy = tenancy(subject.schema()).unwrap_or_else(|_none| Tenancy::nobody());
            let kind = Kind::Older {
                world,
                tenancy,
                keys: made.keys,
            };
            Self { subject, kind }
        }))
    }

    /// The same rows once more, so that what is done to them is not done to these. Not traced.
    pub(super) fn copy(&self) -> rusqlite::Result<Self> {
        let world = World::around(self.subject, self.world().engine().copy()?);
        let kind = match &self.kind {
            Kind::Tenants(populated) => Kind::Tenants(Populated {
                world,
                ..*populated
            }),
            Kind::Alone(_) => Kind::Alone(world),
            Kind::Older { tenancy, keys, .. } => Kind::Older {
                world,
                tenancy: tenancy.clone(),
                keys: keys.clone(),
            },
        };
        Ok(Self {
            subject: self.subject,
            kind,
        })
    }

    /// The table of tenants, where one is declared.
    pub(super) fn tenants_table(&self) -> Option<Name> {
        let tenants = self.subject.claims.tenants.as_deref()?;
        Some(Name::new(tenants))
    }

    /// Where statements go.
    pub(super) fn world(&self) -> &World<'s> {
        match &self.kind {
            Kind::Tenants(populated) => &populated.world,
            Kind::Alone(world) | Kind::Older { world, .. } => world,
        }
    }

    /// The rows of tenants, where tenants are declared and their rows are as old as the schema.
    pub(super) fn populated(&self) -> Option<&Populated<'s>> {
        match &self.kind {
            Kind::Tenants(populated) => Some(populated),
            Kind::Alone(_) | Kind::Older { .. } => None,
        }
    }

    pub(super) fn schema(&self) -> &'s Schema {
        self.subject.schema()
    }

    /// How many tenants there are; one where none are declared.
    pub(super) fn tenants(&self) -> usize {
        match &self.kind {
            Kind::Tenants(populated) => populated.tenants.keys.len(),
            Kind::Alone(_) => 1,
            Kind::Older { keys, .. } => keys.len().max(1),
        }
    }

    /// Whether this is the declared table of tenants.
    pub(super) fn is_tenants(&self, table: &Name) -> bool {
        let tenants = self.subject.claims.tenants.as_deref();
        tenants.is_some_and(|tenants| *table == tenants)
    }

    /// Makes twenty times as many rows in every table, and of the first tenant alone. Not traced.
    pub(super) fn multiply(&self) -> rusqlite::Result<()> {
        let schema = self.schema();
        let tables: Vec<Name> = schema.tables.keys().cloned().collect();
        let rows = ROWS * 20;
        let claims = &self.subject.claims;
        self.world().engine().ours(|connection| {
            if let Kind::Tenants(populated) = &self.kind
                && let Some(key) = populated.tenants.keys.first()
            {
                let tenancy = &populated.tenants.tenancy;
                rows::fill_one_tenant(connection, (schema, claims), (tenancy, key), rows)?;
            }
            rows::fill(connection, schema, schema, &tables, rows, 2)
        })?;
        Ok(())
    }

    /// The rows of a table that belong to a tenant; all of them where it belongs to nobody.
    pub(super) fn rows(&self, table: &Table, tenant: usize) -> Vec<Row> {
        match &self.kind {
            Kind::Tenants(populated)
                if populated.tenants.tenancy.scoped.contains_key(&table.name) =>
            {
                populated.rows(table, tenant)
            }
            Kind::Tenants(populated) => populated.rows_where(table, "1"),
            Kind::Alone(world) => super::populated::rows_of(world, table, "1"),
            Kind::Older {
                world,
                tenancy,
                keys,
            } => {
                let key = keys.get(tenant);
                let condition = key.and_then(|key| tenancy.condition(&table.name, "t", key));
                super::populated::rows_of(world, table, condition.as_deref().unwrap_or("1"))
            }
        }
    }

    /// Whether a row of the first tenant can be made with this value.
    pub(super) fn takes(&self, table: &Table, column: &Name, value: &Value) -> bool {
        let row = self.rows(table, 0).into_iter().next();
        let changed = row.map(|row| {
            let world = self.world().engine();
            let sql = format!(
                "UPDATE {} SET {} = ?1 WHERE {}",
                table.name.quoted(),
                column.quoted(),
                row.found()
            );
            world.ours(|connection| {
                connection.execute_batch("SAVEPOINT a_value")?;
                let changed = connection.execute(&sql, [value]);
                connection.execute_batch("ROLLBACK TO a_value; RELEASE a_value")?;
                changed
            })
        });
        changed.is_some_and(|changed| changed.is_ok_and(|rows| rows > 0))
    }

    /// A declared table.
    pub(super) fn table(&self, name: &str, key: &str) -> Result<&'s Table, Outcome> {
        self.schema()
            .table(name)
            .ok_or_else(|| Outcome::NotVerified {
                reason: format!("there is no table `{name}`"),
                key: Some(key.to_owned()),
            })
    }

    /// The first row of a table that belongs to a tenant.
    pub(super) fn first(&self, table: &Table, tenant: usize) -> Result<Row, Outcome> {
        let row = self.rows(table, tenant).into_iter().next();
        row.ok_or_else(|| Outcome::NotVerified {
            reason: format!("no row could be made for `{}`", table.name),
            key: None,
        })
    }

    /// Statements that make a row beside those that are there, the last one the row itself; none where no such row was found. Not traced.
    pub(super) fn spare(&self, table: &Table, tenant: usize) -> Option<Statements> {
        let is_scoped = |tenancy: &Tenancy| {
            tenancy.scoped.contains_key(&table.name) && table.name != tenancy.tenants
        };
        let tenants = self.subject.rows().ok()?;
        let wanted = Wanted {
            table: table.name.clone(),
            tenant: is_scoped(&tenants.tenancy).then_some(tenant),
            pinned: Vec::new(),
            effort: Effort::Full,
        };
        let claims = &self.subject.claims;
        let look = |connection: &rusqlite::Connection| {
            rows::spares(connection, self.schema(), claims, tenants, &[wanted])
        };
        self.world().engine().ours(look).ok()?.pop().flatten()
    }

    /// The values of a statement's parameters for a tenant.
    pub(super) fn parameters(
        &self,
        roles: &[String],
        tenant: usize,
        given: &Given<'_>,
        key: &str,
    ) -> Result<Vec<Value>, Outcome> {
        self.parameters_at(roles, (tenant, 0), given, key)
    }

    /// The values of a statement's parameters for a tenant, those of rows from the row at this place.
    pub(super) fn parameters_at(
        &self,
        roles: &[String],
        (tenant, row): (usize, usize),
        given: &Given<'_>,
        key: &str,
    ) -> Result<Vec<Value>, Outcome> {
        let values = roles.iter();
        values
            .map(|role| self.parameter(role, (tenant, row), given, key))
            .collect()
    }

    /// The values of a statement's parameters for the first tenant, each from the row at its own place.
    pub(super) fn parameters_from(
        &self,
        roles: &[String],
        places: &[usize],
        key: &str,
    ) -> Result<Vec<Value>, Outcome> {
        let roles = roles.iter().zip(places);
        roles
            .map(|(role, row)| self.parameter(role, (0, *row), &Given::new(), key))
            .collect()
    }

    fn parameter(
        &self,
        role: &str,
        (tenant, row): (usize, usize),
        given: &Given<'_>,
        key: &str,
    ) -> Result<Value, Outcome> {
        if let Some(value) = given.get(role) {
            return Ok(value.clone());
        }
        if let Some(text) = role
            .strip_prefix('\'')
            .and_then(|rest| rest.strip_suffix('\''))
        {
            return Ok(Value::Text(text.replace("''", "'")));
        }
        if let Ok(number) = role.parse() {
            return Ok(Value::Integer(number));
        }
        let value = match role {
            "tenant" => match &self.kind {
                Kind::Tenants(populated) => populated.tenants.keys.get(tenant).cloned(),
                Kind::Alone(_) => None,
                Kind::Older { keys, .. } => keys.get(tenant).cloned(),
            },
            "user" => self.of_users(tenant),
            "null" => Some(Value::Null),
            "limit" => Some(Value::Integer(20)),
            "offset" => Some(Value::Integer(0)),
            "now" => Some(self.time(0)),
            "text" => Some(Value::Text("some words".to_owned())),
            _ => self.of_column(role, tenant, row),
        };
        value.ok_or_else(|| Outcome::NotVerified {
            reason: format!("it is not known what the parameter `{role}` could stand for"),
            key: Some(key.to_owned()),
        })
    }

    fn of_users(&self, tenant: usize) -> Option<Value> {
        let table = self.schema().table(self.subject.claims.users.as_deref()?)?;
        let column = table.primary_key.last()?;
        Some(self.rows(table, tenant).first()?.value(column))
    }

    /// The value of `table.column` in the tenant's row at this place, or the first one that holds a value.
    fn of_column(&self, role: &str, tenant: usize, row: usize) -> Option<Value> {
        let (table, column) = role.split_once('.')?;
        let table = self.schema().table(table)?;
        let column = &table.column(&Name::new(column))?.name;
        let rows = self.rows(table, tenant);
        let values = rows
            .iter()
            .skip(row)
            .chain(&rows)
            .map(|row| row.value(column));
        let mut told = values.filter(|value| *value != Value::Null);
        told.next().or_else(|| rows.first().map(|_row| Value::Null))
    }

    /// A time as the database keeps it, by seconds after a moment in 2027.
    pub(super) fn time(&self, seconds: i64) -> Value {
        self.time_of(self.subject.claims.time, seconds)
    }

    fn time_of(&self, format: Option<crate::claims::TimeFormat>, seconds: i64) -> Value {
        use crate::claims::TimeFormat;
        // 2027-01-15T08:00:00Z.
        let at = 1_800_000_000 + seconds;
        match format {
            None | Some(TimeFormat::EpochMs) => Value::Integer(at * 1000),
            Some(TimeFormat::EpochS) => Value::Integer(at),
            Some(TimeFormat::Iso) => {
                let text = self.world().engine().ours(|connection| {
                    connection.query_row(
                        "SELECT strftime('%Y-%m-%dT%H:%M:%SZ', ?1, 'unixepoch')",
                        [at],
                        |row| row.get::<_, String>(0),
                    )
                });
                text.map_or(Value::Null, Value::Text)
            }
        }
    }

    /// Sets columns of one row.
    pub(super) fn set(&self, row: &Row, columns: &[(&Name, Value)]) -> Result<Seen, Refused> {
        let sets: Vec<String> = columns
            .iter()
            .enumerate()
            .map(|(place, (column, _))| format!("{} = ?{}", column.quoted(), place + 1))
            .collect();
        let sql = format!(
            "UPDATE {} SET {} WHERE {}",
            row.table.quoted(),
            sets.join(", "),
            row.found()
        );
        let values: Vec<Value> = columns.iter().map(|(_, value)| value.clone()).collect();
        self.world().run(&sql, &values)
    }

    /// A precondition that does not hold.
    pub(super) fn unmet(reason: impl Into<String>, key: &str) -> Outcome {
        Outcome::NotVerified {
            reason: reason.into(),
            key: Some(key.to_owned()),
        }
    }
}
