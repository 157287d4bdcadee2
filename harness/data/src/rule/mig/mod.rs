//! The rules of migrations: what a file does to rows and to the schema when it is applied. Never judges what the schema is at the end.

mod applying;
mod chosen;
mod constraints;
mod copies;
mod derived;
mod dialect;
mod edited;
mod emptied;
mod files;
mod hidden;
mod left_behind;
#[cfg(test)]
mod losses;
mod mended;
mod one_key;
mod orphaned;
mod pragmas;
mod rebuilding;
mod references;
mod refusing;
mod repair;
mod rows_lost;
mod unique;
mod unmatched;
mod unreached;

pub(crate) use unreached::unreached;

use super::Judge;
use crate::subject::Subject;
use crate::text::FileId;

/// The judges of this family.
pub(super) const JUDGES: &[(&str, Judge)] = &[
    ("MIG-01", applying::does_not_apply),
    ("MIG-02", rows_lost::of_other_tables),
    ("MIG-03", rebuilding::renamed_away),
    ("MIG-04", rebuilding::loses_objects),
    ("MIG-05", applying::added_column_needs_an_empty_table),
    ("MIG-06", rows_lost::of_the_table_itself),
    ("MIG-07", refusing::refused),
    ("MIG-08", pragmas::foreign_keys_off),
    ("MIG-09", pragmas::outlive_the_file),
    ("MIG-10", files::order),
    ("MIG-11", edited::after_release),
    ("MIG-12", hidden::exists_in_another_shape),
    ("MIG-13", files::drops_first),
    ("MIG-14", files::repeated_update),
    ("MIG-15", files::breaks_declared_statements),
    ("MIG-16", unique::unique_index_on_old_rows),
    ("MIG-17", applying::fails_with_rows),
    ("MIG-18", unmatched::by_a_query),
];

/// The name of a file, as `d1_migrations` has it.
fn name_of(subject: &Subject, file: FileId) -> String {
    subject
        .source
        .file(file)
        .map_or_else(String::new, |file| file.name.clone())
}

/// `file NAME`: what a finding about a file is known again by.
fn object_of(subject: &Subject, file: FileId) -> String {
    format!("file {}", name_of(subject, file))
}

#[cfg(test)]
mod tests;
