//! Prices and their history. Never changes one but for its end.

use super::audit::{self, Done};
use super::keys::Told;
use super::{Act, Refusal, Store, deliveries, json_text};
use crate::domain::fields::EventKind;
use crate::domain::records::ModelPrice;
use moltworker_reference::ports::StoreError;
use rusqlite::{Connection, OptionalExtension, Row, params};

const COLUMNS: &str = "id, model, input_micros_per_million, output_micros_per_million, valid_from, valid_to, created_at";

fn price(row: &Row<'_>) -> rusqlite::Result<ModelPrice> {
    Ok(ModelPrice {
        id: row.get("id")?,
        model: row.get("model")?,
        input_micros_per_million: row.get("input_micros_per_million")?,
        output_micros_per_million: row.get("output_micros_per_million")?,
        valid_from: row.get("valid_from")?,
        valid_to: row.get("valid_to")?,
        created_at: row.get("created_at")?,
    })
}

fn newest(
    connection: &Connection,
    model: &str,
    before: i64,
) -> rusqlite::Result<Option<ModelPrice>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM model_pricing WHERE model = ?1 AND valid_from <= ?2 ORDER BY valid_from DESC LIMIT 1"
    );
    connection
        .prepare_cached(&sql)?
        .query_row(params![model, before], price)
        .optional()
}

/// The price that is valid at an instant.
pub(super) fn at(
    connection: &Connection,
    model: &str,
    now: i64,
) -> rusqlite::Result<Option<ModelPrice>> {
    let newest = newest(connection, model, now)?;
    Ok(newest.filter(|price| price.valid_to.is_none_or(|end| now < end)))
}

impl Store {
    /// Sets a price, which ends the open one of its model.
    ///
    /// # Errors
    /// [`StoreError`]; refused if the open one begins at the same time or later.
    pub async fn create_price(
        &self,
        act: Act,
        new: ModelPrice,
    ) -> Result<Result<Told<ModelPrice>, Refusal>, StoreError> {
        self.try_change(move |connection| {
            let last = newest(connection, &new.model, i64::MAX)?;
            if last.as_ref().is_some_and(|last| last.valid_from >= new.valid_from || last.valid_to.is_some_and(|end| end > new.valid_from)) {
                return Ok(Err(Refusal::Conflict));
            }
            let open = last.filter(|last| last.valid_to.is_none());
            if let Some(open) = &open {
                connection
                    .prepare_cached("UPDATE model_pricing SET valid_to = ?2 WHERE id = ?1")?
                    .execute(params![open.id, new.valid_from])?;
            }
            connection
                .prepare_cached(
                    "INSERT INTO model_pricing (id, model, input_micros_per_million, output_micros_per_million, valid_from, created_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute(params![
                    new.id, new.model, new.input_micros_per_million, new.output_micros_per_million, new.valid_from, new.created_at
                ])?;
            let before = open.as_ref().map(json_text).transpose()?;
            let after = Some(json_text(&new)?);
            audit::write(connection, &act, &Done { action: "price.create", resource: &new.id, before, after })?;
            let deliveries = deliveries::announce(connection, EventKind::PriceCreated, &new, act.now)?;
            Ok(Ok(Told { value: new, deliveries }))
        })
        .await
    }

    /// Prices, oldest first, of one model or of all.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn prices(&self, model: Option<String>) -> Result<Vec<ModelPrice>, StoreError> {
        self.list(move |connection| {
            let of_model = if model.is_some() {
                "model = ?1"
            } else {
                "?1 IS NULL"
            };
            let sql = format!(
                "SELECT {COLUMNS} FROM model_pricing WHERE {of_model} ORDER BY valid_from, model"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map([model], price)?;
            rows.collect()
        })
        .await
    }
}
