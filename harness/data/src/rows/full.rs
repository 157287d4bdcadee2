//! A test that a table which takes few rows is not asked for more again and again. Never measures time.

use super::Filler;
use crate::catalog::Name;
use rusqlite::Connection;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn a_table_that_takes_one_row_is_not_asked_for_more_again_and_again() {
    let connection = Connection::open_in_memory().unwrap();
    let sql = "CREATE TABLE one (id INTEGER PRIMARY KEY CHECK (id = 0), name TEXT)";
    connection.execute_batch(sql).unwrap();
    let schema = crate::catalog::read(&connection).unwrap();
    let steps = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&steps);
    let count = move || counted.fetch_add(1, Ordering::Relaxed) == usize::MAX;
    connection.progress_handler(10, Some(count)).unwrap();
    let mut filler = Filler::new(1).unwrap();
    let fills = [(); 2].map(|()| {
        let (one, rows) = ([Name::new("one")], 3);
        let unfilled = filler.fill(&connection, &schema, &schema, &one, rows);
        assert!(unfilled.unwrap().is_empty());
        steps.swap(0, Ordering::Relaxed)
    });
    assert!(fills[1] * 10 < fills[0], "{fills:?}");
}
