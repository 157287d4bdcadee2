//! Bodies off a valid one, and what the schema says of each. Never sends one.

use jsonschema::Validator;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value};

/// Numbers as text: what no machine number holds must be in a body all the same.
const NUMBERS: [&str; 9] = [
    "0",
    "-1",
    "1.5",
    "1e400",
    "-1e400",
    "123456789012345678901234567890",
    "9007199254740993",
    "1e-400",
    "NaN",
];
const TEXTS: [&str; 12] = [
    "",
    " ",
    "\u{0}",
    "\u{202e}abc",
    "e\u{301}\u{fe0f}",
    "😀",
    "' OR 1=1 --",
    "../../etc/passwd",
    "${7*7}",
    "__proto__",
    "\u{ffff}",
    "null",
];
/// Names of members that some code treats as its own.
const NAMES: [&str; 9] = [
    "__proto__",
    "constructor",
    "",
    "model",
    "tenant_id",
    "sandbox_id",
    "created_at",
    "extra",
    "ключ",
];
/// What is put behind a body.
const TAILS: [&str; 4] = ["}", ",", "{}", "x"];

/// Deeper than the parsers of most languages go by recursion, and deeper than their stacks bear.
const DEPTHS: [usize; 3] = [40, 200, 20_000];

/// A value that does not belong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Odd {
    Null,
    Bool(bool),
    Number(&'static str),
    Text(&'static str),
    Long(usize),
    /// A text with half of a surrogate pair.
    Lone,
    List,
    Object,
    /// Lists in lists.
    Deep(usize),
}

/// One change of a body; numbers say where, counted round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mutation {
    /// Another value in place of one.
    Replace(usize, Odd),
    /// A member or an item left out.
    Remove(usize),
    /// A further member of an object.
    Add(usize, &'static str, Odd),
    /// A member twice, its second value another.
    Twice(usize, Odd),
    /// The end cut off.
    Cut(usize),
    /// Something behind the end.
    Tail(&'static str),
    /// A byte that is no UTF-8.
    Byte(usize),
    /// A byte order mark before it.
    Mark,
}

/// What must come of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// A refusal: it is no JSON, or not as the schema has it.
    Refused,
    /// Either: the schema lets it pass, or the contract does not say.
    Open,
}

impl Odd {
    fn raw(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Number(text) => (*text).to_owned(),
            Self::Text(text) => Value::from(*text).to_string(),
            Self::Long(len) => format!("\"{}\"", "x".repeat(*len)),
            Self::Lone => r#""\ud800""#.to_owned(),
            Self::List => "[]".to_owned(),
            Self::Object => "{}".to_owned(),
            Self::Deep(depth) => format!("{}{}", "[".repeat(*depth), "]".repeat(*depth)),
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Long(len) => format!("a text of {len} characters"),
            Self::Deep(depth) => format!("{depth} lists in each other"),
            Self::Null
            | Self::Bool(_)
            | Self::Number(_)
            | Self::Text(_)
            | Self::Lone
            | Self::List
            | Self::Object => {
                format!("`{}`", self.raw().escape_debug())
            }
        }
    }

    /// Whether parsers differ in what they make of it.
    fn is_left_open(&self) -> bool {
        matches!(
            self,
            Self::Deep(_) | Self::Lone | Self::Number("1e400" | "-1e400")
        )
    }
}

impl Mutation {
    /// For people.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Replace(at, odd) => format!("value {at} replaced by {}", odd.words()),
            Self::Remove(at) => format!("value {at} left out"),
            Self::Add(at, name, odd) => {
                format!("in object {at} a further `{name}`: {}", odd.words())
            }
            Self::Twice(at, odd) => format!("member {at} twice, then as {}", odd.words()),
            Self::Cut(len) => format!("{len} bytes of the end cut off"),
            Self::Tail(text) => format!("`{text}` behind the end"),
            Self::Byte(at) => format!("byte {at} no UTF-8"),
            Self::Mark => "a byte order mark before it".to_owned(),
        }
    }

    fn odd(&self) -> Option<&Odd> {
        match self {
            Self::Replace(_, odd) | Self::Add(_, _, odd) | Self::Twice(_, odd) => Some(odd),
            Self::Remove(_) | Self::Cut(_) | Self::Tail(_) | Self::Byte(_) | Self::Mark => None,
        }
    }
}

/// Up to three mutations, at least one.
pub(super) fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let odd = || {
        prop_oneof![
            2 => Just(Odd::Null),
            1 => any::<bool>().prop_map(Odd::Bool),
            3 => select(&NUMBERS[..]).prop_map(Odd::Number),
            3 => select(&TEXTS[..]).prop_map(Odd::Text),
            1 => select(&[70_usize, 5000][..]).prop_map(Odd::Long),
            1 => Just(Odd::Lone),
            2 => Just(Odd::List),
            2 => Just(Odd::Object),
            2 => select(&DEPTHS[..]).prop_map(Odd::Deep),
        ]
    };
    let place = || 0_usize..24;
    let one = prop_oneof![
        8 => (place(), odd()).prop_map(|(at, odd)| Mutation::Replace(at, odd)),
        3 => place().prop_map(Mutation::Remove),
        4 => (place(), select(&NAMES[..]), odd()).prop_map(|(at, name, odd)| Mutation::Add(at, name, odd)),
        2 => (place(), odd()).prop_map(|(at, odd)| Mutation::Twice(at, odd)),
        1 => (1_usize..40).prop_map(Mutation::Cut),
        1 => select(&TAILS[..]).prop_map(Mutation::Tail),
        1 => (0_usize..200).prop_map(Mutation::Byte),
        1 => Just(Mutation::Mark),
    ];
    prop::collection::vec(one, 1..4)
}

/// Stands for raw JSON until the rest is written: a letter of the private use area, which nobody else puts into a body.
const RAW: char = '\u{e000}';

/// The bytes of a body after all mutations.
pub(super) fn mutated(valid: &Value, mutations: &[Mutation]) -> Vec<u8> {
    let mut body = valid.clone();
    let mut raws = Vec::new();
    for mutation in mutations {
        change(&mut body, mutation, &mut raws);
    }
    let mut text = body.to_string();
    for (number, raw) in raws.iter().enumerate().rev() {
        text = text.replace(&format!("\"{RAW}{number}{RAW}\""), raw);
        // A second member of the same name was kept apart by this mark.
        text = text.replace(&format!("{RAW}{number}twice\""), "\"");
    }
    let mut bytes = text.into_bytes();
    for mutation in mutations {
        match mutation {
            Mutation::Cut(len) => bytes.truncate(bytes.len().saturating_sub(*len)),
            Mutation::Tail(tail) => bytes.extend_from_slice(tail.as_bytes()),
            Mutation::Mark => drop(bytes.splice(0..0, *b"\xef\xbb\xbf")),
            Mutation::Byte(at) => {
                if let Some(at) = at.checked_rem(bytes.len()) {
                    bytes[at] = 0xff;
                }
            }
            Mutation::Replace(..)
            | Mutation::Remove(_)
            | Mutation::Add(..)
            | Mutation::Twice(..) => {}
        }
    }
    bytes
}

fn change(body: &mut Value, mutation: &Mutation, raws: &mut Vec<String>) {
    let raw = |raws: &mut Vec<String>, odd: &Odd| {
        raws.push(odd.raw());
        Value::from(format!("{RAW}{}{RAW}", raws.len() - 1))
    };
    match mutation {
        Mutation::Replace(at, odd) => {
            if let Some(place) = pointers(body, &|_| true).get_round(*at)
                && let Some(value) = body.pointer_mut(&place)
            {
                *value = raw(raws, odd);
            }
        }
        Mutation::Remove(at) => {
            if let Some(place) = pointers(body, &|_| true).get_round(*at) {
                remove(body, &place);
            }
        }
        Mutation::Add(at, name, odd) => {
            if let Some(members) = object(body, *at) {
                members.insert((*name).to_owned(), raw(raws, odd));
            }
        }
        Mutation::Twice(at, odd) => {
            if let Some(members) = object(body, *at)
                && let Some(name) = members.keys().nth(*at % members.len().max(1)).cloned()
            {
                let value = raw(raws, odd);
                members.insert(format!("{name}{RAW}{}twice", raws.len() - 1), value);
            }
        }
        Mutation::Cut(_) | Mutation::Tail(_) | Mutation::Byte(_) | Mutation::Mark => {}
    }
}

/// Counts round.
trait Round {
    fn get_round(&self, at: usize) -> Option<String>;
}

impl Round for Vec<String> {
    fn get_round(&self, at: usize) -> Option<String> {
        self.get(at.checked_rem(self.len())?).cloned()
    }
}

/// The pointers of all wanted values, the root's first.
fn pointers(body: &Value, wanted: &dyn Fn(&Value) -> bool) -> Vec<String> {
    let mut list = Vec::new();
    let mut open = vec![(String::new(), body)];
    while let Some((place, value)) = open.pop() {
        if wanted(value) {
            list.push(place.clone());
        }
        match value {
            Value::Array(items) => {
                open.extend(
                    items
                        .iter()
                        .enumerate()
                        .map(|(at, item)| (format!("{place}/{at}"), item)),
                );
            }
            Value::Object(members) => open.extend(members.iter().map(|(name, member)| {
                (
                    format!("{place}/{}", name.replace('~', "~0").replace('/', "~1")),
                    member,
                )
            })),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    list
}

fn object(body: &mut Value, at: usize) -> Option<&mut Map<String, Value>> {
    let place = pointers(body, &Value::is_object).get_round(at)?;
    body.pointer_mut(&place)?.as_object_mut()
}

fn remove(body: &mut Value, place: &str) {
    let Some((parent, name)) = place.rsplit_once('/') else {
        return;
    };
    let name = name.replace("~1", "/").replace("~0", "~");
    match body.pointer_mut(parent) {
        Some(Value::Object(members)) => drop(members.remove(&name)),
        Some(Value::Array(items)) => {
            if let Ok(at) = name.parse::<usize>()
                && at < items.len()
            {
                items.remove(at);
            }
        }
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => {}
    }
}

/// What must come of a body, by the schema.
pub(super) fn due(schema: &Validator, bytes: &[u8], mutations: &[Mutation]) -> Due {
    let open = mutations.iter().any(|mutation| {
        mutation.odd().is_some_and(Odd::is_left_open)
            || matches!(mutation, Mutation::Mark | Mutation::Twice(..))
    });
    match serde_json::from_slice::<Value>(bytes) {
        _ if open => Due::Open,
        Ok(value) if schema.is_valid(&value) => Due::Open,
        Ok(_) | Err(_) => Due::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn valid() -> Value {
        json!({ "messages": [{ "role": "user", "content": "Hello" }] })
    }

    fn text(mutations: &[Mutation]) -> String {
        String::from_utf8_lossy(&mutated(&valid(), mutations)).into_owned()
    }

    fn schema() -> Validator {
        let text = include_str!("../../../fixtures/schemas/chat-request.schema.json");
        jsonschema::draft202012::new(&serde_json::from_str(text).unwrap()).unwrap()
    }

    #[test]
    fn a_mutation_changes_a_body_as_it_says() {
        assert_eq!(text(&[Mutation::Replace(0, Odd::Number("1e400"))]), "1e400");
        assert_eq!(
            text(&[Mutation::Add(0, "extra", Odd::Deep(2))]),
            r#"{"extra":[[]],"messages":[{"content":"Hello","role":"user"}]}"#
        );
        assert_eq!(
            text(&[Mutation::Twice(0, Odd::Null)]),
            r#"{"messages":[{"content":"Hello","role":"user"}],"messages":null}"#
        );
        assert_eq!(text(&[Mutation::Remove(1)]), "{}");
        assert!(text(&[Mutation::Cut(2)]).ends_with("\"user\"}"));
        assert!(std::str::from_utf8(&mutated(&valid(), &[Mutation::Byte(3)])).is_err());
    }

    #[test]
    fn the_schema_decides_and_what_parsers_differ_in_is_left_open() {
        let due = |mutations: &[Mutation]| due(&schema(), &mutated(&valid(), mutations), mutations);
        assert_eq!(due(&[]), Due::Open);
        assert_eq!(due(&[Mutation::Add(0, "extra", Odd::Null)]), Due::Open);
        for refused in [
            Mutation::Replace(0, Odd::List),
            Mutation::Replace(1, Odd::Null),
            Mutation::Replace(1, Odd::List),
            Mutation::Replace(2, Odd::Text("")),
            Mutation::Remove(1),
            Mutation::Cut(1),
            Mutation::Tail("x"),
            Mutation::Byte(3),
            Mutation::Add(0, "extra", Odd::Number("NaN")),
        ] {
            assert_eq!(
                due(std::slice::from_ref(&refused)),
                Due::Refused,
                "{refused:?}"
            );
        }
        for open in [
            Mutation::Add(0, "extra", Odd::Deep(200)),
            Mutation::Twice(0, Odd::Null),
            Mutation::Mark,
        ] {
            assert_eq!(due(std::slice::from_ref(&open)), Due::Open, "{open:?}");
        }
    }

    proptest! {
        #[test]
        fn no_mutation_leaves_a_mark_of_ours(mutations in mutations()) {
            let bytes = mutated(&valid(), &mutations);
            prop_assert!(!String::from_utf8_lossy(&bytes).contains(RAW));
        }
    }
}
