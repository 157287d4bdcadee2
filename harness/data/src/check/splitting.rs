//! PAT-018: a file means the same through binding, query and import. Never sends a file anywhere.

use super::{Aspect, Broken, Outcome};
use crate::subject::Subject;
use crate::text::counted;
use crate::text::{FileId, Otherwise, Way, split_otherwise, statements};

/// The aspects of this family.
pub(super) const ASPECTS: &[Aspect] = &[Aspect {
    criterion: "PAT-018",
    sentence: "each file is split into the same statements by binding, query and import",
    judge: same_statements,
}];

fn same_statements(subject: &Subject) -> Outcome {
    let mut broken = Vec::new();
    let mut count = 0;
    for (number, file) in subject.source.files.iter().enumerate() {
        let statements = statements(FileId(number), file);
        count += statements.len();
        for one in split_otherwise(FileId(number), file) {
            let by = match one.way {
                Way::Wrangler => "wrangler's splitter",
                Way::Query => "the query endpoint of D1",
            };
            let saw = match one.otherwise {
                Otherwise::Cut(why) => format!("{by} does not take this trigger as a whole: {why}"),
                Otherwise::Transaction => {
                    "wrangler leaves the transaction out of the file; by a binding, D1 refuses it".to_owned()
                }
                Otherwise::LeftOut(text) => {
                    format!("wrangler leaves the text `{text}` out of this statement; by a binding, it stays")
                }
                Otherwise::Refused => {
                    "wrangler refuses the file for the text `BEGIN TRANSACTION` here; by a binding, it passes".to_owned()
                }
            };
            broken.push(Broken {
                object: format!("file {}", file.name),
                expected: "the same statements, however the file is split".to_owned(),
                saw,
                repeat: vec![format!("{};", statements[one.place].sql)],
            });
        }
    }
    if count == 0 {
        return Outcome::NotVerified {
            reason: "there is no statement".to_owned(),
            key: Some("[data] from".to_owned()),
        };
    }
    let saw = format!(
        "{} in {}, split alike by all three ways",
        counted(count, "statement"),
        counted(subject.source.files.len(), "file")
    );
    Outcome::of(broken, saw)
}
