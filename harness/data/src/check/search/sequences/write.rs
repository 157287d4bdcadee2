//! The writes of which sequences are made. Never runs one of them.

use proptest::prelude::*;

/// One write; rows are told by their place among those that a sequence works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Write {
    Update(usize),
    UpdateAll,
    UpdateOrReplace(usize),
    Replace(usize),
    Upsert(usize),
    InsertOrIgnore(usize),
    Empty(usize),
    /// A new key alone, or a new text in the same statement.
    NewKey(usize, bool),
    Delete(usize),
    /// What was deleted comes back, all of it by one statement.
    ComeBack,
    /// The parent goes, and takes its children along.
    DeleteParent(usize),
    /// An update, a deletion and a statement that fails, as one batch.
    RolledBack(usize),
}

/// Any write.
pub(super) fn write() -> impl Strategy<Value = Write> {
    let row = || 0..super::ROWS;
    prop_oneof![
        3 => row().prop_map(Write::Update),
        1 => Just(Write::UpdateAll),
        1 => row().prop_map(Write::UpdateOrReplace),
        2 => row().prop_map(Write::Replace),
        2 => row().prop_map(Write::Upsert),
        1 => row().prop_map(Write::InsertOrIgnore),
        1 => row().prop_map(Write::Empty),
        2 => (row(), any::<bool>()).prop_map(|(row, with_text)| Write::NewKey(row, with_text)),
        2 => row().prop_map(Write::Delete),
        2 => Just(Write::ComeBack),
        1 => row().prop_map(Write::DeleteParent),
        1 => row().prop_map(Write::RolledBack),
    ]
}
