//! Which objects the files that are still to come need. Never drops one that a later statement names, reads or writes, or that a row of one
//! that is needed hangs on.
//!
//! SQLite reads the whole schema anew behind each ALTER TABLE, and most tables of a long folder are never touched again: without them the pass
//! with rows costs by what a file is about, not by all that was ever made.

use super::{ObjectKind, Replay, Step};
use crate::catalog::Name;
use crate::engine::{Act, Deed};
use crate::text::find_word;
use std::collections::{BTreeSet, HashMap};

/// The objects that are needed for the last time, by file.
#[derive(Debug, Default)]
pub(super) struct Needs {
    ended: Vec<Vec<(ObjectKind, Name)>>,
}

impl Needs {
    /// What each file of a replay needs, by all that the objects ever were.
    pub(super) fn of(replay: &Replay) -> Self {
        // Behind a single file there is none that could need less.
        if replay.files.len() < 2 {
            return Self::default();
        }
        let objects = Objects::of(&replay.steps);
        let mut marks = Marks {
            until: vec![None; objects.all.len()],
            loses_rows: vec![false; objects.all.len()],
            objects: &objects,
        };
        for file in (0..replay.files.len()).rev() {
            for step in &replay.steps[replay.files[file].clone()] {
                marks.mark_step(step, file);
            }
        }
        let mut ended = vec![Vec::new(); replay.files.len()];
        for (object, until) in objects.all.iter().zip(&marks.until) {
            if let Some(until) = until.filter(|_file| !object.is_kept) {
                let kinds = object.kinds.iter();
                ended[until].extend(kinds.map(|kind| (*kind, object.name.clone())));
            }
        }
        Self { ended }
    }

    /// What no file behind this one needs, triggers and views before tables.
    pub(super) fn ended_by(&self, file: usize) -> impl Iterator<Item = &(ObjectKind, Name)> {
        let ended = self.ended.get(file).into_iter().flatten();
        let others = ended
            .clone()
            .filter(|(kind, _)| matches!(kind, ObjectKind::Trigger | ObjectKind::View));
        others.chain(ended.filter(|(kind, _)| *kind == ObjectKind::Table))
    }
}

/// An object, or several of one name.
#[derive(Debug)]
struct Object {
    name: Name,
    kinds: BTreeSet<ObjectKind>,
    /// What it needs itself: its parents, its table, what its triggers and its text name.
    needs: BTreeSet<usize>,
    /// The tables that refer to it.
    children: BTreeSet<usize>,
    /// What is written into it may take the place of other rows.
    replaces: bool,
    /// Virtual, a part of such a table, or of a name that is no single word.
    is_kept: bool,
}

/// All objects that there ever were.
struct Objects {
    all: Vec<Object>,
    places: HashMap<String, usize>,
}

impl Objects {
    fn of(steps: &[Step]) -> Self {
        let mut objects = Self {
            all: Vec::new(),
            places: HashMap::new(),
        };
        let changes = || steps.iter().flat_map(|step| &step.changes);
        for change in changes() {
            objects.add(&change.name, change.kind);
        }
        let mut virtual_ones = Vec::new();
        for change in changes() {
            let own = objects.places[&key(&change.name)];
            if let Some(table) = objects.places.get(&key(&change.table)).copied() {
                objects.all[own].needs.insert(table);
                // A trigger runs with its table; an index has nothing of its own to need.
                objects.all[table].needs.insert(own);
            }
            for sql in change.before.iter().chain(&change.after) {
                // SQLite writes the beginning itself.
                let is_virtual = sql.starts_with("CREATE VIRTUAL TABLE");
                if change.kind == ObjectKind::Table && is_virtual {
                    virtual_ones.push(own);
                }
                objects.all[own].replaces |= find_word(sql, "replace", 0).is_some();
                for named in objects.named(sql) {
                    objects.all[own].needs.insert(named);
                    if change.kind == ObjectKind::Table && named != own {
                        objects.all[named].children.insert(own);
                    }
                }
            }
        }
        objects.keep(&virtual_ones);
        objects
    }

    fn add(&mut self, name: &Name, kind: ObjectKind) {
        let place = *self.places.entry(key(name)).or_insert_with(|| {
            self.all.push(Object {
                name: name.clone(),
                kinds: BTreeSet::new(),
                needs: BTreeSet::new(),
                children: BTreeSet::new(),
                replaces: false,
                is_kept: !name.as_str().chars().all(is_of_word),
            });
            self.all.len() - 1
        });
        self.all[place].kinds.insert(kind);
    }

    /// Virtual tables stay, with their parts and with all that they name.
    fn keep(&mut self, virtual_ones: &[usize]) {
        let names = virtual_ones.iter().map(|own| key(&self.all[*own].name));
        let parts: Vec<String> = names.map(|name| format!("{name}_")).collect();
        let mut waiting = virtual_ones.to_vec();
        for (place, object) in self.all.iter().enumerate() {
            let name = key(&object.name);
            if object.is_kept || parts.iter().any(|part| name.starts_with(part)) {
                waiting.push(place);
            }
        }
        let mut seen = BTreeSet::new();
        while let Some(place) = waiting.pop() {
            if seen.insert(place) {
                self.all[place].is_kept = true;
                waiting.extend(&self.all[place].needs);
            }
        }
    }

    /// The objects whose names stand in a text, wherever they do.
    fn named<'o>(&'o self, sql: &'o str) -> Vec<usize> {
        let words = sql.split(|letter| !is_of_word(letter));
        let words = words.filter(|word| !word.is_empty());
        let is_upper = |word: &str| word.bytes().any(|letter| letter.is_ascii_uppercase());
        let place = |word| {
            if is_upper(word) {
                self.places.get(&word.to_ascii_lowercase())
            } else {
                self.places.get(word)
            }
        };
        words.filter_map(place).copied().collect()
    }
}

fn key(name: &Name) -> String {
    name.as_str().to_ascii_lowercase()
}

fn is_of_word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '_' | '$') || !letter.is_ascii()
}

/// Until which file each object is needed, worked out from the last file to the first.
struct Marks<'o> {
    objects: &'o Objects,
    until: Vec<Option<usize>>,
    /// Whether a file takes rows out of it, so that what refers to it is needed as well.
    loses_rows: Vec<bool>,
}

impl Marks<'_> {
    fn mark_step(&mut self, step: &Step, file: usize) {
        for place in self.objects.named(&step.statement.sql) {
            self.mark(place, file);
        }
        for change in &step.changes {
            self.mark_name(&change.name, file);
        }
        let says = |word| find_word(&step.statement.sql, word, 0).is_some();
        let (replaces, is_unique) = (says("replace"), says("unique"));
        for (deed, table) in step.deeds.iter().filter_map(on_table) {
            let Some(table) = self.mark_name(&table, file) else {
                continue;
            };
            let by = deed.trigger().map(Name::new);
            let by = by.and_then(|name| self.objects.places.get(&key(&name)));
            let takes_place = |place: &usize| self.objects.all[*place].replaces;
            let loses_rows = match deed.act().map(|(act, _)| act) {
                Some(Act::Drop | Act::Delete | Act::Update) => true,
                Some(Act::Insert) => replaces || takes_place(&table) || by.is_some_and(takes_place),
                // A key is tried with rows in which it does not hold.
                Some(Act::Index) => is_unique,
                Some(Act::Make | Act::Alter | Act::Read) | None => false,
            };
            if loses_rows {
                self.mark_children(table, file);
            }
        }
    }

    fn mark_name(&mut self, name: &Name, file: usize) -> Option<usize> {
        let place = self.objects.places.get(&key(name)).copied()?;
        self.mark(place, file);
        Some(place)
    }

    /// The object, and all that it needs.
    fn mark(&mut self, place: usize, file: usize) {
        let mut waiting = vec![place];
        while let Some(place) = waiting.pop() {
            if self.until[place].is_none() {
                self.until[place] = Some(file);
                waiting.extend(&self.objects.all[place].needs);
            }
        }
    }

    /// All that refers to it, directly or through others.
    fn mark_children(&mut self, place: usize, file: usize) {
        let mut waiting = vec![place];
        while let Some(place) = waiting.pop() {
            if !self.loses_rows[place] {
                self.loses_rows[place] = true;
                self.mark(place, file);
                waiting.extend(&self.objects.all[place].children);
            }
        }
    }
}

fn on_table(deed: &Deed) -> Option<(&Deed, Name)> {
    deed.act().map(|(_, table)| (deed, Name::new(table)))
}
