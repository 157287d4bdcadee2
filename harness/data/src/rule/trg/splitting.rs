//! TRG-03: a trigger that not every splitter takes as a whole. Never judges one that a database holds already.

use crate::engine::Deed;
use crate::finding::{Finding, Level, Patch};
use crate::source::Kind;
use crate::subject::Subject;
use crate::text::{FileId, Otherwise, Way, spelled_for_all, split_otherwise};

pub(in crate::rule) fn cut(subject: &Subject, findings: &mut Vec<Finding>) {
    if subject.source.kind == Kind::Database {
        return;
    }
    for (number, file) in subject.source.files.iter().enumerate() {
        let file_id = FileId(number);
        for one in split_otherwise(file_id, file) {
            let Otherwise::Cut(why) = one.otherwise else {
                continue;
            };
            let Some((_, step)) = subject.replay.steps_of(file_id).nth(one.place) else {
                continue;
            };
            let name = step.deeds.iter().find_map(|deed| {
                if let Deed::CreateTrigger(name, _) = deed {
                    Some(&**name)
                } else {
                    None
                }
            });
            let Some(name) = name else { continue };
            let by = match one.way {
                Way::Wrangler => "wrangler up to 4.86 and D1's query endpoint split",
                Way::Query => "D1's query endpoint splits",
            };
            let message = format!("{by} the trigger `{name}` in the wrong place: {why}");
            let mut finding =
                Finding::new("TRG-03", Level::Warning, format!("trigger {name}"), message)
                    .at(Some(step.statement.span.clone()), "is not taken as a whole")
                    .help("write BEGIN, CASE and END in capitals with a blank or a line's end on both sides, and end lines with LF");
            if let Some(with) = spelled_for_all(&step.statement.sql) {
                finding = finding.patch(Patch::Replace {
                    span: step.statement.span.clone(),
                    with,
                });
            }
            findings.push(finding);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::finding::Patch;
    use crate::rule::tests::{check, lint};

    const TABLE: &str = "CREATE TABLE jobs (id INTEGER PRIMARY KEY, state TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0);\n";

    fn trigger(value: &str) -> String {
        format!(
            "{TABLE}CREATE TRIGGER tried AFTER UPDATE OF state ON jobs\nBEGIN\n  UPDATE jobs SET {value} WHERE id = NEW.id;\nEND;\n"
        )
    }

    #[test]
    fn a_trigger_with_its_words_in_capitals_and_apart_is_left_alone() {
        check(
            &trigger("tries = CASE NEW.state WHEN 'end' THEN 1 END"),
            &[],
        );
    }

    #[test]
    fn the_patch_stands_in_the_place_of_the_trigger_and_nothing_is_said_of_it_again() {
        let text = trigger("tries = case NEW.state when 'end' then 1 end, state = 'end'");
        let found = lint(&text);
        let ids: Vec<&str> = found.iter().map(|finding| finding.rule).collect();
        assert_eq!(ids, ["TRG-03"], "{found:#?}");
        let Some(Patch::Replace { span, with }) = &found[0].patch else {
            panic!("{found:#?}");
        };
        let mut mended = text.clone();
        mended.replace_range(span.range(), with);
        assert!(
            mended.contains("CASE NEW.state when 'end' then 1 END , state = 'end'"),
            "{mended}"
        );
        check(&mended, &[]);
    }
}
