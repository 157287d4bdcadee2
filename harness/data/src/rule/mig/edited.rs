//! MIG-11: a file that was released and has another text now. Never finds out what was released: the source tells it.

use super::{name_of, object_of};
use crate::finding::{Finding, Level};
use crate::subject::Subject;
use crate::text::{Span, char_start};

pub(super) fn after_release(subject: &Subject, findings: &mut Vec<Finding>) {
    for (&id, released) in &subject.source.released {
        let Some(file) = subject.source.file(id) else {
            continue;
        };
        let now: &str = &file.text;
        if now == released {
            continue;
        }
        let pairs = released.bytes().zip(now.bytes());
        let same = pairs.take_while(|(before, now)| before == now).count();
        let start = char_start(now, same);
        let end = now[start..]
            .find('\n')
            .map_or(now.len(), |newline| start + newline);
        let message = format!(
            "`{}` was released and is edited here: databases that have applied it never see the change, new ones do",
            name_of(subject, id)
        );
        findings.push(
            Finding::new("MIG-11", Level::Error, object_of(subject, id), message)
                .at(
                    Some(Span {
                        file: id,
                        start,
                        end,
                    }),
                    "differs from here on",
                )
                .help("leave the file as it was, and put the change into a new migration"),
        );
    }
}
