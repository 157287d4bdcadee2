//! TYP-01, TYP-04, TYP-05: money in floating point, types that SQLite does not know, lengths that it does not keep. Never asks for STRICT.

use crate::catalog::{Affinity, Column};
use crate::finding::{Finding, Level};
use crate::replay::ObjectKind;
use crate::rule::words::{has_any, words};
use crate::rule::{object_of_column, repair, trial};
use crate::subject::Subject;

pub(in crate::rule) fn money_in_floats(subject: &Subject, findings: &mut Vec<Finding>) {
    for table in subject
        .schema()
        .tables
        .values()
        .filter(|table| table.is_ordinary())
    {
        for column in &table.columns {
            if !is_money(table.name.as_str(), column) {
                continue;
            }
            let message = format!(
                "amounts in `{}.{}` drift: as {}, 0.1 + 0.2 is 0.30000000000000004, and sums over many rows are off by cents",
                table.name, column.name, column.declared_type
            );
            findings.push(
                Finding::new(
                    "TYP-01",
                    Level::Warning,
                    object_of_column(table, column),
                    message,
                )
                .at(
                    subject.site_of(ObjectKind::Table, &table.name, column.name.as_str()),
                    "money in floating point",
                )
                .help("keep whole cents or micro-units in an INTEGER column")
                .proof(trial::answering(vec![
                    trial::sketch(table, &[&column.name], &[], &[]),
                    format!(
                        "INSERT INTO {} ({}) VALUES (0.1), (0.2);",
                        table.name.quoted(),
                        column.name.quoted()
                    ),
                    format!(
                        "SELECT sum({0}) = 0.3 FROM {1};",
                        column.name.quoted(),
                        table.name.quoted()
                    ),
                ])),
            );
        }
    }
}

/// Words of money.
const AMOUNTS: [&str; 50] = [
    "price",
    "prices",
    "cost",
    "costs",
    "balance",
    "fee",
    "fees",
    "salary",
    "revenue",
    "subtotal",
    "payment",
    "usd",
    "eur",
    "wage",
    "budget",
    "spend",
    "spent",
    "discount",
    "refund",
    "deposit",
    "income",
    "expense",
    "profit",
    "debt",
    "rent",
    "premium",
    "tip",
    "shipping",
    "gbp",
    "chf",
    "preis",
    "betrag",
    "kosten",
    "prix",
    "montant",
    "precio",
    "monto",
    "importe",
    "valor",
    "preco",
    "prezzo",
    "money",
    "cash",
    "payout",
    "commission",
    "earnings",
    "royalty",
    "surcharge",
    "bounty",
    "summe",
];

/// Words of what is no money, though it may be of a price: shares, and the quantity that a price is for.
const SHARES: [&str; 18] = [
    "rate",
    "percent",
    "percentage",
    "ratio",
    "pct",
    "score",
    "weight",
    "factor",
    "multiplier",
    "index",
    "change",
    "confidence",
    "quantity",
    "qty",
    "grams",
    "kg",
    "ml",
    "g",
];

fn is_money(table: &str, column: &Column) -> bool {
    let words = words(column.name.as_str());
    let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(&word.as_str()));
    let declared = column.declared_type.to_ascii_lowercase();
    let is_fraction = column.affinity() == Affinity::Real
        || ["decimal", "numeric", "money", "number"]
            .iter()
            .any(|name| declared.starts_with(name));
    let is_amount = has(&AMOUNTS);
    let is_share = has(&SHARES);
    // An amount or a total is money only beside other words of money: recipes have amounts as well.
    let has_currency = has(&["amount"])
        && has_any(
            table,
            &[
                "wallet",
                "wallets",
                "account",
                "accounts",
                "ledger",
                "loan",
                "loans",
                "salary",
                "salaries",
                "subscription",
                "subscriptions",
            ],
        );
    let of_money = has_currency
        || has(&["amount", "total", "tax"])
            && has_any(
                table,
                &[
                    "invoice",
                    "invoices",
                    "payment",
                    "payments",
                    "order",
                    "orders",
                    "transaction",
                    "transactions",
                    "billing",
                    "refund",
                    "refunds",
                    "expense",
                    "expenses",
                    "budget",
                    "deal",
                    "deals",
                    "donation",
                    "donations",
                    "charge",
                    "charges",
                    "payout",
                    "payouts",
                    "bill",
                    "bills",
                    "sale",
                    "sales",
                    "purchase",
                    "purchases",
                    "receipt",
                    "receipts",
                    "checkout",
                    "checkouts",
                ],
            );
    // A share of a price is no price, in whichever unit it is told.
    is_fraction && (is_amount || of_money) && !is_share
}

/// Types without an affinity of their own whose meaning SQLite does not spoil: numbers, flags and times are numeric or texts that look like no number.
const HARMLESS: [&str; 21] = [
    "numeric",
    "decimal",
    "dec",
    "number",
    "boolean",
    "bool",
    "date",
    "datetime",
    "timestamp",
    "timestamptz",
    "time",
    "json",
    "jsonb",
    "uuid",
    "serial",
    "bigserial",
    "smallserial",
    "year",
    "money",
    "bit",
    "any",
];

pub(in crate::rule) fn unknown_type(subject: &Subject, findings: &mut Vec<Finding>) {
    for table in subject
        .schema()
        .tables
        .values()
        .filter(|table| table.is_ordinary())
    {
        for column in &table.columns {
            let declared = column.declared_type.to_ascii_lowercase();
            let base: String = declared
                .chars()
                .take_while(char::is_ascii_alphanumeric)
                .collect();
            if column.affinity() != Affinity::Numeric || HARMLESS.contains(&base.as_str()) {
                continue;
            }
            let message = format!(
                "`{}.{}` turns texts into numbers: SQLite does not know the type {} and treats it as NUMERIC, so '007' comes back as 7",
                table.name, column.name, column.declared_type
            );
            findings.push(
                Finding::new(
                    "TYP-04",
                    Level::Warning,
                    object_of_column(table, column),
                    message,
                )
                .at(
                    subject.site_of(ObjectKind::Table, &table.name, column.name.as_str()),
                    format!("{} means NUMERIC", column.declared_type),
                )
                .help("declare it TEXT")
                .patched(repair::text(subject, table, column))
                .proof(trial::answering(vec![
                    trial::sketch(table, &[&column.name], &[], &[]),
                    format!(
                        "INSERT INTO {} ({}) VALUES ('007');",
                        table.name.quoted(),
                        column.name.quoted()
                    ),
                    format!(
                        "SELECT {} FROM {};",
                        column.name.quoted(),
                        table.name.quoted()
                    ),
                ])),
            );
        }
    }
}

pub(in crate::rule) fn length_that_is_no_limit(subject: &Subject, findings: &mut Vec<Finding>) {
    for table in subject
        .schema()
        .tables
        .values()
        .filter(|table| table.is_ordinary())
    {
        let sql = table.sql.to_ascii_lowercase();
        for column in &table.columns {
            let declared = column.declared_type.to_ascii_lowercase();
            let has_length = declared.contains("char") && declared.contains('(');
            if !has_length
                || sql.contains(&format!(
                    "length({}",
                    column.name.as_str().to_ascii_lowercase()
                ))
            {
                continue;
            }
            let message = format!(
                "`{}.{}` accepts texts of any length: SQLite ignores the length in {}",
                table.name, column.name, column.declared_type
            );
            findings.push(
                Finding::new(
                    "TYP-05",
                    Level::Info,
                    object_of_column(table, column),
                    message,
                )
                .at(
                    subject.site_of(ObjectKind::Table, &table.name, column.name.as_str()),
                    "no limit",
                )
                .help(format!(
                    "add CHECK (length({}) <= …) where the length matters",
                    column.name
                )),
            );
        }
    }
}
