//! What the gateway answers: replies in order, or per model. A script never looks at a request beyond its model.

use std::collections::BTreeMap;

use super::reply::Reply;

/// Replies for one marker. The last of a sequence repeats.
#[derive(Debug, Clone, Default)]
pub struct Script {
    in_order: Vec<Reply>,
    per_model: BTreeMap<String, Vec<Reply>>,
}

impl Script {
    /// The same reply to every attempt.
    #[must_use]
    pub fn always(reply: Reply) -> Self {
        Self::sequence([reply])
    }

    /// One reply per attempt in arrival order; the last repeats.
    #[must_use]
    pub fn sequence(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self {
            in_order: replies.into_iter().collect(),
            per_model: BTreeMap::new(),
        }
    }

    /// A sequence of its own for one model (`@cf/…`, without provider prefix); it does not advance the common one.
    #[must_use]
    pub fn for_model(
        mut self,
        model: impl Into<String>,
        replies: impl IntoIterator<Item = Reply>,
    ) -> Self {
        self.per_model
            .insert(model.into(), replies.into_iter().collect());
        self
    }
}

/// A script and how far it has been played.
#[derive(Debug, Default)]
pub(super) struct Playback {
    script: Script,
    taken: usize,
    taken_per_model: BTreeMap<String, usize>,
}

impl Playback {
    pub(super) fn of(script: Script) -> Self {
        Self {
            script,
            taken: 0,
            taken_per_model: BTreeMap::new(),
        }
    }

    /// The next reply for a model; a script without replies answers plainly.
    pub(super) fn next(&mut self, model: &str) -> Reply {
        let (replies, taken) = match self.script.per_model.get(model) {
            Some(replies) => (
                replies,
                self.taken_per_model.entry(model.to_owned()).or_default(),
            ),
            None => (&self.script.in_order, &mut self.taken),
        };
        let reply = replies.get(*taken).or(replies.last());
        *taken += 1;
        reply.cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::{Playback, Script};
    use crate::ai_gateway::reply::Reply;

    fn statuses(playback: &mut Playback, models: &[&str]) -> Vec<u16> {
        models
            .iter()
            .map(|model| playback.next(model).status)
            .collect()
    }

    #[test]
    fn the_last_reply_of_a_sequence_repeats() {
        let mut playback = Playback::of(Script::sequence([Reply::status(500), Reply::status(429)]));
        assert_eq!(statuses(&mut playback, &["a", "a", "a"]), [500, 429, 429]);
    }

    #[test]
    fn a_model_with_its_own_sequence_does_not_advance_the_common_one() {
        let script = Script::sequence([Reply::status(500), Reply::status(429)])
            .for_model("b", [Reply::status(401)]);
        let mut playback = Playback::of(script);
        assert_eq!(
            statuses(&mut playback, &["a", "b", "b", "a"]),
            [500, 401, 401, 429]
        );
    }

    #[test]
    fn a_script_without_replies_answers_plainly() {
        assert_eq!(
            statuses(&mut Playback::of(Script::sequence([])), &["a"]),
            [200]
        );
    }
}
