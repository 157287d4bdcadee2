//! What every criterion says of a data layer. Never decides whether that is right.

use super::catalogue::Layer;
use super::target::{Bench, Unmade};
use crate::criterion::aspects;
use crate::outcome::Stop;
use crate::teeth::Said;
use std::collections::BTreeSet;

/// The criteria that are judged here: by the files and by a database that was made of them.
pub const CRITERIA: [&str; 9] = [
    "API-001", "API-004", "API-005", "API-006", "API-007", "API-011", "API-012", "API-013",
    "API-014",
];

/// By which criteria a layer is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// By its own alone.
    Own,
    /// By all that look at what it changed.
    All,
}

/// Whether a criterion may judge this layer otherwise than the repository's own files: whether anything differs that it looks at.
fn is_touched(criterion: &str, layer: &Layer) -> bool {
    let files = match criterion {
        "API-006" | "API-012" | "API-013" | "API-014" => ["", "seeds/"].as_slice(),
        "API-011" => &["", "queries/"],
        _ => &[""],
    };
    layer.criteria.is_empty()
        || layer.route.is_some()
        || !layer.database.is_empty()
        || layer.changed.iter().any(|path| {
            let folder = path.find('/').map_or("", |at| &path[..=at]);
            files.contains(&folder)
        })
}

impl Bench {
    /// Judges a layer, sentence by sentence; once a criterion is broken, its other sentences add nothing and are left out.
    ///
    /// # Errors
    /// [`Unmade`] when the layer cannot be made.
    pub fn judge(&self, layer: &Layer, by: By) -> Result<Vec<Said>, Unmade> {
        let target = self.target(layer)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (mut said, mut broken) = (Vec::new(), BTreeSet::new());
        let mine = aspects()
            .iter()
            .filter(|aspect| CRITERIA.contains(&aspect.criterion))
            .filter(|aspect| {
                let is_own = layer.criteria.contains(aspect.criterion);
                is_own || (by == By::All && is_touched(aspect.criterion, layer))
            });
        for aspect in mine {
            if broken.contains(aspect.criterion) {
                continue;
            }
            let outcome = runtime.block_on(aspect.judge(&target.subject));
            if matches!(outcome, Err(Stop::Violated(_))) {
                broken.insert(aspect.criterion);
            }
            said.push(Said { aspect, outcome });
        }
        Ok(said)
    }
}
