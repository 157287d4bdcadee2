//! How far long work is, told to whoever wants to know. Never shows it.

/// Kinds of long work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Files are applied to an empty database.
    Files,
    /// Files are applied to tables with rows.
    FilesWithRows,
    /// Rules are judged.
    Rules,
    /// Aspects of the criteria are judged.
    Aspects,
    /// Tables are filled with as many rows as `--deep` asks for.
    Tables,
}

/// Hears how far long work is.
pub trait Progress {
    /// Of `all` pieces of the work, `done` are done. A work begins with 0 of them.
    fn hear(&self, work: Work, done: usize, all: usize);
}

/// Where nobody wants to know.
#[derive(Debug, Clone, Copy)]
pub struct Nobody;

impl Progress for Nobody {
    fn hear(&self, _work: Work, _done: usize, _all: usize) {}
}
