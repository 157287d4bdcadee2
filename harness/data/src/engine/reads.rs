//! How many rows a query read, as D1 bills them, from the program that SQLite made of it and from what it counts itself. Never runs the query.
//!
//! D1's SQLite counts each time a cursor is put on a row or moved to the next one (workerd's `0001-row-counts-plain.patch`); the one that is built
//! in counts the instructions of its machine, and among the moves those of whole scans alone. Which instruction can follow which stands in the
//! program. All ways through it that take as many instructions and return as many rows as were counted are looked at together: what the cheapest
//! and the dearest of them read are the bounds, and where both are the same the number is exact.

use rusqlite::Connection;
use rusqlite::types::Value;

/// How many rows a query read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reads {
    /// As many at least.
    pub least: u64,
    /// As many at most.
    pub most: u64,
}

/// What was counted of a query that ran to its end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counted {
    pub(crate) instructions: u32,
    pub(crate) returned: usize,
    pub(crate) scanned: u32,
}

/// Instructions times places that are looked at: some hundredths of a second. Evidence: a page of 50 rows takes 500 instructions of 40 places.
const LOOKED_AT_MAX: usize = 8_000_000;

/// One instruction of the program.
struct Instruction {
    name: String,
    p1: i64,
    p2: i64,
    p3: i64,
    p5: i64,
}

/// A step from one instruction to another, and how many rows it reads at least and at most.
#[derive(Clone, Copy)]
struct Edge {
    to: usize,
    least: u64,
    most: u64,
}

/// The bounds of what a query read; none where the program has what is not known here, or would take too long to look at.
pub(crate) fn reads(
    connection: &Connection,
    sql: &str,
    parameters: &[Value],
    counted: Counted,
) -> Option<Reads> {
    let program = explained(connection, sql, parameters).ok()?;
    let edges: Vec<Vec<Edge>> = (0..program.len())
        .map(|place| edges(connection, &program, place))
        .collect::<Option<_>>()?;
    let steps = usize::try_from(counted.instructions).ok()?;
    let work = steps.checked_mul(program.len())?;
    if work.checked_mul(counted.returned + 1)? <= LOOKED_AT_MAX {
        walked(&program, &edges, steps, Some(counted.returned))
    } else if work <= LOOKED_AT_MAX {
        walked(&program, &edges, steps, None)
    } else {
        None
    }
    .map(|reads| {
        // The moves of whole scans were counted, and are in the program's bounds as well.
        let scanned = u64::from(counted.scanned);
        Reads {
            least: reads.least.max(scanned),
            most: reads.most.max(scanned),
        }
    })
}

fn explained(
    connection: &Connection,
    sql: &str,
    parameters: &[Value],
) -> rusqlite::Result<Vec<Instruction>> {
    let mut statement = connection.prepare(&format!("EXPLAIN {sql}"))?;
    let rows = statement.query_map(rusqlite::params_from_iter(parameters), |row| {
        Ok(Instruction {
            name: row.get(1)?,
            p1: row.get(2)?,
            p2: row.get(3)?,
            p3: row.get(4)?,
            p5: row.get(6)?,
        })
    })?;
    rows.collect()
}

/// Instructions that go on at their second operand, or behind themselves.
const JUMPS: &[&str] = &[
    "VFilter",
    "MustBeInt",
    "Once",
    "If",
    "IfNot",
    "IsType",
    "IfNullRow",
    "IfNotOpen",
    "IfNoHope",
    "NoConflict",
    "NotFound",
    "Found",
    "IfSizeBetween",
    "IfEmpty",
    "IdxLE",
    "IdxGT",
    "IdxLT",
    "IdxGE",
    "IFindKey",
    "RowSetRead",
    "RowSetTest",
    "IsNull",
    "NotNull",
    "Ne",
    "Eq",
    "Gt",
    "Le",
    "Lt",
    "Ge",
    "ElseEq",
    "FkIfZero",
    "IfPos",
    "IfNotZero",
    "DecrJumpZero",
    "IncrVacuum",
    "Filter",
    "SorterCompare",
];

/// Where an instruction can go on; none where that is not known.
fn edges(connection: &Connection, program: &[Instruction], place: usize) -> Option<Vec<Edge>> {
    let own = &program[place];
    let edge = |to: i64, least: u64, most: u64| {
        let to = usize::try_from(to).ok()?;
        (to < program.len()).then_some(Edge { to, least, most })
    };
    let next = i64::try_from(place + 1).ok()?;
    let named = |names: &'static [&'static str]| {
        let all = program.iter().enumerate();
        all.filter(move |(_, one)| names.contains(&one.name.as_str()))
    };
    let behind = |place: usize| i64::try_from(place + 1).unwrap_or(i64::MAX);
    let jumped = |least| edge(own.p2, least, 1).filter(|_| own.p2 > 0);
    let all: Vec<Option<Edge>> = match own.name.as_str() {
        // What triggers and references do has programs of its own.
        "Program" => return None,
        "Halt" => Vec::new(),
        "Goto" | "Gosub" => vec![edge(own.p2, 0, 0)],
        "Init" | "InitCoroutine" => {
            vec![edge(own.p2, 0, 0).filter(|_| own.p2 > 0), edge(next, 0, 0)]
        }
        "Jump" => [own.p1, own.p2, own.p3].map(|to| edge(to, 0, 0)).into(),
        "Return" => named(&["Gosub"])
            .map(|(at, _)| edge(behind(at), 0, 0))
            .chain([edge(next, 0, 0).filter(|_| own.p3 > 0)])
            .collect(),
        "Yield" => named(&["Yield"])
            .map(|(at, _)| edge(behind(at), 0, 0))
            .chain(named(&["InitCoroutine"]).map(|(_, one)| edge(one.p3, 0, 0)))
            .collect(),
        "EndCoroutine" => named(&["Yield"])
            .map(|(_, one)| edge(one.p2, 0, 0))
            .collect(),
        // A move to the next row counts where there is one.
        "Next" | "Prev" | "SorterNext" => vec![edge(own.p2, 1, 1), edge(next, 0, 0)],
        "VNext" => vec![edge(own.p2, 1, 1), edge(next, 1, 1)],
        // A search for one key skips the test behind it where it finds some, and does not count where it finds none.
        "SeekGE" | "SeekGT" | "SeekLE" | "SeekLT" if is_for_one_key(program, own.p1) => {
            vec![edge(own.p2, 0, 0), edge(next + 1, 1, 1)]
        }
        "SeekGE" | "SeekGT" | "SeekLE" | "SeekLT" | "SeekRowid" | "NotExists" => {
            vec![jumped(0), edge(next, 1, 1)]
        }
        "SeekScan" => {
            let seek = program.get(place + 1).map_or(0, |seek| seek.p2);
            let to = [next, next + 1, own.p2, seek];
            to.map(|to| edge(to, 0, 0)).into()
        }
        "Last" | "Rewind" | "Sort" | "SorterSort" => vec![jumped(1), edge(next, 1, 1)],
        "Count" => {
            let entries = if own.p3 == 0 {
                entries(connection, program, own.p1)?
            } else {
                0
            };
            vec![edge(next, entries, entries)]
        }
        name if JUMPS.contains(&name) => {
            vec![edge(own.p2, 0, 0).filter(|_| own.p2 > 0), edge(next, 0, 0)]
        }
        _ => vec![edge(next, 0, 0)],
    };
    Some(all.into_iter().flatten().collect())
}

/// Whether a cursor looks for keys that are equal to one, as its `OPFLAG_SEEKEQ` says.
fn is_for_one_key(program: &[Instruction], cursor: i64) -> bool {
    let mut opened = program.iter().filter(|one| one.p1 == cursor);
    opened.any(|one| matches!(one.name.as_str(), "OpenRead" | "ReopenIdx") && one.p5 & 2 != 0)
}

/// How many entries the table or index has on which a cursor is opened.
fn entries(connection: &Connection, program: &[Instruction], cursor: i64) -> Option<u64> {
    let opened = program
        .iter()
        .find(|one| one.name == "OpenRead" && one.p1 == cursor && one.p3 == 0)?;
    let table: String = connection
        .query_row(
            "SELECT tbl_name FROM main.sqlite_schema WHERE rootpage = ?1",
            [opened.p2],
            |row| row.get(0),
        )
        .ok()?;
    let sql = format!(
        "SELECT count(*) FROM main.\"{}\"",
        table.replace('"', "\"\"")
    );
    let count: i64 = connection.query_row(&sql, [], |row| row.get(0)).ok()?;
    u64::try_from(count).ok()
}

/// The least and the most that the ways read which take so many instructions and, where it is given, return so many rows.
fn walked(
    program: &[Instruction],
    edges: &[Vec<Edge>],
    steps: usize,
    returned: Option<usize>,
) -> Option<Reads> {
    let width = returned.unwrap_or(0) + 1;
    let returns: Vec<bool> = program.iter().map(|one| one.name == "ResultRow").collect();
    let mut now: Vec<Option<Reads>> = vec![None; program.len() * width];
    *now.first_mut()? = Some(Reads { least: 0, most: 0 });
    let mut later = vec![None; now.len()];
    for _step in 1..steps {
        later.fill(None);
        for (place, edges) in edges.iter().enumerate() {
            for rows in 0..width {
                let Some(reads) = now[place * width + rows] else {
                    continue;
                };
                let is_counted = returns[place] && returned.is_some();
                let rows = rows + usize::from(is_counted);
                if rows >= width {
                    continue;
                }
                for edge in edges {
                    let (least, most) = (reads.least + edge.least, reads.most + edge.most);
                    let there: &mut Option<Reads> = &mut later[edge.to * width + rows];
                    *there = Some(there.map_or(Reads { least, most }, |there| Reads {
                        least: there.least.min(least),
                        most: there.most.max(most),
                    }));
                }
            }
        }
        std::mem::swap(&mut now, &mut later);
    }
    // The last instruction is the one that ends the program.
    let ends = program
        .iter()
        .enumerate()
        .filter(|(_, one)| one.name == "Halt");
    let ways = ends.filter_map(|(place, _)| now[place * width + width - 1]);
    ways.reduce(|one, other| Reads {
        least: one.least.min(other.least),
        most: one.most.max(other.most),
    })
}

#[cfg(test)]
mod tests;
