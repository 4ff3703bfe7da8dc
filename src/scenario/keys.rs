//! The keys of a scenario file: their kinds, ranges, defaults and meaning.
//!
//! One list serves the reader, the reference in `docs/scenario.md` and the JSON Schema, so that they cannot differ.

use crate::units::Quantity;

/// A table of keys.
#[derive(Debug)]
pub(super) struct Section {
    /// Names it in the JSON Schema and in the reference; unique.
    pub(super) id: &'static str,
    /// What it is, for the reference and for messages: `[network]`, `a manycall`.
    pub(super) title: &'static str,
    /// What it is for.
    pub(super) doc: &'static str,
    pub(super) keys: &'static [Key],
    /// Keys that exclude each other.
    pub(super) choices: &'static [Choice],
}

/// Keys that exclude each other.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) keys: &'static [&'static str],
    /// One of them must be there.
    pub(super) required: bool,
}

/// A key of a section.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) presence: Presence,
    /// One line for the reference.
    pub(super) doc: &'static str,
}

/// Whether a key must be there, and what holds if it is not.
#[derive(Clone, Copy, Debug)]
pub(super) enum Presence {
    Required,
    /// Holds this, as the file would say it (texts without quotes).
    Default(&'static str),
    /// Holds what these words say.
    Else(&'static str),
}

/// What a key holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// A text of some meaning: "a name", "a file's path".
    Text(&'static str),
    /// One of these words.
    Word(&'static [&'static str]),
    Bool,
    /// A whole number in this range.
    Integer(u64, u64),
    /// A number in this range.
    Number(f64, f64),
    /// A number with a unit; not zero if said so.
    Quantity(Quantity, Zero),
    List(&'static Kind),
    Table(&'static Section),
    /// `[[…]]`.
    Tables(&'static Section),
    /// Free keys.
    Map(&'static Kind),
    /// Any of these.
    Any(&'static [Kind]),
    /// Any value.
    Free,
}

/// Whether a quantity may be zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Zero {
    Allowed,
    Refused,
}

pub(super) const DURATION: Kind = Kind::Quantity(Quantity::Duration, Zero::Allowed);
pub(super) const POSITIVE_DURATION: Kind = Kind::Quantity(Quantity::Duration, Zero::Refused);
pub(super) const SIZE: Kind = Kind::Quantity(Quantity::Size, Zero::Allowed);
pub(super) const SHARE: Kind = Kind::Quantity(Quantity::Share, Zero::Allowed);
pub(super) const RATE: Kind = Kind::Quantity(Quantity::Rate, Zero::Refused);

/// A key that must be there.
pub(super) const fn required(name: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key { name, kind, presence: Presence::Required, doc }
}

/// A key with a default.
pub(super) const fn default(name: &'static str, kind: Kind, value: &'static str, doc: &'static str) -> Key {
    Key { name, kind, presence: Presence::Default(value), doc }
}

/// A key that may be left out.
pub(super) const fn optional(
    name: &'static str,
    kind: Kind,
    otherwise: &'static str,
    doc: &'static str,
) -> Key {
    Key { name, kind, presence: Presence::Else(otherwise), doc }
}

impl Section {
    pub(super) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// Every section that can be reached from this one, this one first, each once.
    pub(super) fn reachable(&'static self) -> Vec<&'static Section> {
        fn visit(kind: &Kind, into: &mut Vec<&'static Section>) {
            match kind {
                Kind::Table(section) | Kind::Tables(section)
                    if !into.iter().any(|known| known.id == section.id) =>
                {
                    into.push(section);
                    section.keys.iter().for_each(|key| visit(&key.kind, into));
                }
                Kind::List(kind) | Kind::Map(kind) => visit(kind, into),
                Kind::Any(kinds) => kinds.iter().for_each(|kind| visit(kind, into)),
                _ => {}
            }
        }
        let mut sections = Vec::new();
        visit(&Kind::Table(self), &mut sections);
        sections
    }
}

impl Kind {
    /// What is right here, in words.
    pub(super) fn words(&self) -> String {
        match self {
            Kind::Text(what) => (*what).to_owned(),
            Kind::Word(words) => format!("one of {}", quoted(words)),
            Kind::Bool => "true or false".to_owned(),
            Kind::Integer(low, u64::MAX) => format!("a whole number from {low}"),
            Kind::Integer(low, high) => format!("a whole number from {low} to {high}"),
            Kind::Number(low, high) if *high == f64::MAX => format!("a number from {low}"),
            Kind::Number(low, high) => format!("a number from {low} to {high}"),
            Kind::Quantity(quantity, zero) => {
                let above = if *zero == Zero::Refused { " above zero" } else { "" };
                format!("{}{above} such as \"{}\"", quantity.what(), quantity.example())
            }
            Kind::List(kind) => format!("a list of: {}", kind.words()),
            Kind::Table(section) => format!(
                "a table {{ … }} of {}",
                section.keys.iter().map(|key| key.name).collect::<Vec<_>>().join(", ")
            ),
            Kind::Tables(section) => format!("tables {}", section.title),
            Kind::Map(kind) => format!("a table of names, each with {}", kind.words()),
            Kind::Any(kinds) => kinds.iter().map(Kind::words).collect::<Vec<_>>().join(", or "),
            Kind::Free => "any value".to_owned(),
        }
    }
}

/// `"a", "b", "c"`.
pub(super) fn quoted<T: AsRef<str>>(names: &[T]) -> String {
    names.iter().map(|name| format!("\"{}\"", name.as_ref())).collect::<Vec<_>>().join(", ")
}

/// The best guess at what was meant by `name`, as a sentence; else the list of what is valid.
pub(super) fn suggestion<'a>(name: &str, valid: impl Iterator<Item = &'a str>) -> String {
    const SHOWN_MAX: usize = 40;
    let names: Vec<&str> = valid.collect();
    let near = names
        .iter()
        .map(|known| (strsim::damerau_levenshtein(name, known), *known))
        .filter(|(distance, known)| *distance <= 2.max(known.chars().count() / 4))
        .filter(|(distance, known)| *distance < known.chars().count().min(name.chars().count().max(2)))
        .min();
    match near {
        // Very long names are not worth the quadratic comparison, but they are bounded by the file's size.
        Some((_, known)) => format!("did you mean `{known}`?"),
        None if names.is_empty() => "there is none".to_owned(),
        None if names.len() > SHOWN_MAX => {
            format!("valid are {} and {} more", names[..SHOWN_MAX].join(", "), names.len() - SHOWN_MAX)
        }
        None => format!("valid are {}", names.join(", ")),
    }
}
