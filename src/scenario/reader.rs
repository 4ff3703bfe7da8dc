//! Reads one table of a scenario by its section's keys.

use super::error::ScenarioError;
use super::keys::{Key, Kind, Presence, Section, Zero, suggestion};
use super::value::{At, Data, Sources, Table, Value};
use crate::time::Duration;
use crate::units::{self, Quantity};
use std::borrow::Cow;

/// A table that is being read. Its keys were checked against its section.
#[derive(Clone)]
pub(super) struct Reader<'a> {
    pub(super) sources: &'a Sources,
    section: &'static Section,
    table: Cow<'a, Table>,
    /// Where the table is, for what is missing in it.
    pub(super) at: At,
    /// The table's name in messages: `network`, `function.resize`.
    pub(super) path: String,
}

impl<'a> Reader<'a> {
    /// Opens `value`, which must be a table of the section's keys.
    pub(super) fn open(
        sources: &'a Sources,
        section: &'static Section,
        value: &'a Value,
        path: String,
    ) -> Result<Self, ScenarioError> {
        match &value.data {
            Data::Table(table) => Self::of(sources, section, Cow::Borrowed(table), value.at, path),
            other => {
                let message = format!(
                    "{path} must be a table of {}, not {}",
                    names(section).collect::<Vec<_>>().join(", "),
                    other.kind()
                );
                Err(sources.error(value.at, message))
            }
        }
    }

    /// A table that is not there: every key has its default.
    pub(super) fn empty(
        sources: &'a Sources,
        section: &'static Section,
        at: At,
        path: &str,
    ) -> Result<Self, ScenarioError> {
        Self::of(sources, section, Cow::Owned(Table::default()), at, path.to_owned())
    }

    /// Opens a table that this reader does not borrow.
    pub(super) fn of(
        sources: &'a Sources,
        section: &'static Section,
        table: Cow<'a, Table>,
        at: At,
        path: String,
    ) -> Result<Self, ScenarioError> {
        for entry in &table.0 {
            if section.key(&entry.key).is_none() {
                let place = if path.is_empty() { "the scenario".to_owned() } else { path };
                let message =
                    format!("{place} has no key `{}`: {}", entry.key, suggestion(&entry.key, names(section)));
                return Err(sources.error(entry.at, message));
            }
        }
        let reader = Reader { sources, section, table, at, path };
        for choice in section.choices {
            let mut given = reader.table.0.iter().filter(|entry| choice.keys.contains(&entry.key.as_str()));
            let list = || choice.keys.join(", ");
            match (given.next(), given.next()) {
                (None, _) if choice.required => {
                    return Err(reader.missing(&format!("one of {}", list())));
                }
                (Some(first), Some(second)) => {
                    let message = format!(
                        "{} and {} exclude each other: {}takes one of {}",
                        first.key,
                        second.key,
                        if reader.path.is_empty() { String::new() } else { format!("{} ", reader.path) },
                        list()
                    );
                    return Err(sources.error(second.at, message));
                }
                _ => {}
            }
        }
        if let Some(key) = section
            .keys
            .iter()
            .find(|key| matches!(key.presence, Presence::Required) && reader.table.get(key.name).is_none())
        {
            return Err(reader.missing(&format!("{}: {}", key.name, key.kind.words())));
        }
        Ok(reader)
    }

    fn missing(&self, what: &str) -> ScenarioError {
        let place = if self.path.is_empty() { "the scenario" } else { &self.path };
        self.sources.error(self.at, format!("{place} needs {what}"))
    }

    /// Whether the file gives this key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.get(key).is_some()
    }

    /// The value that the file gives.
    pub(super) fn given(&self, key: &str) -> Option<&Value> {
        debug_assert!(self.section.key(key).is_some(), "{} has no key {key}", self.section.id);
        self.table.get(key)
    }

    /// The place of a key's value, or of the table if the file does not give it.
    pub(super) fn at(&self, key: &str) -> At {
        self.given(key).map_or(self.at, |value| value.at)
    }

    /// An error at a key's value: `key = 5 <problem>`.
    pub(super) fn error(&self, key: &str, problem: impl AsRef<str>) -> ScenarioError {
        let shown = match self.value(key) {
            Some(value) => format!("{key} = {} ", shown(&value)),
            None => format!("{key} "),
        };
        self.sources.error(self.at(key), format!("{shown}{}", problem.as_ref()))
    }

    /// The value given, or the default; `None` if there is neither.
    fn value(&self, key: &str) -> Option<Cow<'_, Value>> {
        match (self.given(key), self.section.key(key).map(|key| key.presence)) {
            (Some(value), _) => Some(Cow::Borrowed(value)),
            (None, Some(Presence::Default(text))) => Some(Cow::Owned(Value::of_default(text, self.at))),
            (None, _) => None,
        }
    }

    /// The value and the kind that the section says it has.
    fn typed(&self, name: &str) -> Option<(Cow<'_, Value>, &'static Key)> {
        self.section.key(name).and_then(|key| self.value(name).map(|value| (value, key)))
    }

    fn mismatch(&self, key: &Key, value: &Value) -> ScenarioError {
        let problem = format!("{} = {} must be {}", key.name, shown(value), key.kind.words());
        self.sources.error(value.at, problem)
    }

    /// A key with a default, or that is required.
    fn must<T>(&self, key: &str, value: Option<T>) -> Result<T, ScenarioError> {
        value.ok_or_else(|| self.missing(key))
    }

    /// A text.
    pub(super) fn text(&self, key: &str) -> Result<String, ScenarioError> {
        let text = self.optional_text(key)?;
        self.must(key, text)
    }

    /// A text, if given.
    pub(super) fn optional_text(&self, key: &str) -> Result<Option<String>, ScenarioError> {
        let Some((value, spec)) = self.typed(key) else {
            return Ok(None);
        };
        match &value.data {
            Data::Text(text) => Ok(Some(text.clone())),
            _ => Err(self.mismatch(spec, &value)),
        }
    }

    /// One of the words that the key's kind lists, turned into what `all` pairs it with.
    pub(super) fn word<T: Copy>(&self, key: &str, all: &[(&str, T)]) -> Result<T, ScenarioError> {
        let word = self.optional_word(key, all)?;
        self.must(key, word)
    }

    /// As [`Reader::word`], if given.
    pub(super) fn optional_word<T: Copy>(
        &self,
        key: &str,
        all: &[(&str, T)],
    ) -> Result<Option<T>, ScenarioError> {
        let Some((value, _)) = self.typed(key) else {
            return Ok(None);
        };
        if let Data::Text(text) = &value.data
            && let Some((_, found)) = all.iter().find(|(word, _)| word == text)
        {
            return Ok(Some(*found));
        }
        let hint = match &value.data {
            Data::Text(text) => suggestion(text, all.iter().map(|(word, _)| *word)),
            _ => format!("valid are {}", all.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ")),
        };
        Err(self.sources.error(value.at, format!("{key} = {} is unknown: {hint}", shown(&value))))
    }

    /// True or false.
    pub(super) fn bool(&self, key: &str) -> Result<bool, ScenarioError> {
        let value = self.optional_bool(key)?;
        self.must(key, value)
    }

    /// True or false, if given.
    pub(super) fn optional_bool(&self, key: &str) -> Result<Option<bool>, ScenarioError> {
        let Some((value, spec)) = self.typed(key) else {
            return Ok(None);
        };
        match value.data {
            Data::Bool(value) => Ok(Some(value)),
            _ => Err(self.mismatch(spec, &value)),
        }
    }

    /// A whole number in the range of the key's kind.
    pub(super) fn integer(&self, key: &str) -> Result<u64, ScenarioError> {
        let value = self.optional_integer(key)?;
        self.must(key, value)
    }

    /// A whole number in the range of the key's kind, which ends within 32 bits.
    pub(super) fn count(&self, key: &str) -> Result<u32, ScenarioError> {
        let value = self.integer(key)?;
        u32::try_from(value).map_err(|_| self.error(key, "is too large"))
    }

    /// A whole number, if given.
    pub(super) fn optional_integer(&self, key: &str) -> Result<Option<u64>, ScenarioError> {
        let Some((value, spec)) = self.typed(key) else {
            return Ok(None);
        };
        let (low, high) = spec.kind.integers().unwrap_or((0, u64::MAX));
        match value.data {
            Data::Integer(number) => match u64::try_from(number) {
                Ok(number) if (low..=high).contains(&number) => Ok(Some(number)),
                _ => Err(self.mismatch(spec, &value)),
            },
            _ => Err(self.mismatch(spec, &value)),
        }
    }

    /// A number in the range of the key's kind.
    pub(super) fn number(&self, key: &str) -> Result<f64, ScenarioError> {
        let Some((value, spec)) = self.typed(key) else {
            return Err(self.missing(key));
        };
        let (low, high) = spec.kind.numbers().unwrap_or((0.0, f64::MAX));
        let number = match value.data {
            Data::Integer(number) => number as f64,
            Data::Float(number) => number,
            _ => return Err(self.mismatch(spec, &value)),
        };
        if !(low..=high).contains(&number) {
            return Err(self.mismatch(spec, &value));
        }
        Ok(number)
    }

    /// A number with a unit, in its base unit.
    pub(super) fn quantity(&self, key: &str, quantity: Quantity) -> Result<Option<f64>, ScenarioError> {
        let Some((value, spec)) = self.typed(key) else {
            return Ok(None);
        };
        let number = quantity_of(&value, quantity)
            .map_err(|problem| self.sources.error(value.at, format!("{key}: {problem}")))?;
        if number == 0.0 && spec.kind.refuses_zero() {
            return Err(self
                .sources
                .error(value.at, format!("{key} = {} must be above zero", shown(&value))));
        }
        Ok(Some(number))
    }

    /// A duration.
    pub(super) fn duration(&self, key: &str) -> Result<Duration, ScenarioError> {
        let value = self.optional_duration(key)?;
        self.must(key, value)
    }

    /// A duration of something that is done again and again: `least` or longer, or a run would do nothing else.
    pub(super) fn interval(&self, key: &str, least: Duration) -> Result<Duration, ScenarioError> {
        let interval = self.duration(key)?;
        if interval < least {
            return Err(self.error(key, format!("is too short: {least} or more is valid")));
        }
        Ok(interval)
    }

    /// A duration, if given.
    pub(super) fn optional_duration(&self, key: &str) -> Result<Option<Duration>, ScenarioError> {
        let Some(seconds) = self.quantity(key, Quantity::Duration)? else {
            return Ok(None);
        };
        let duration = Duration::from_secs_f64(seconds);
        if duration.is_zero() && seconds > 0.0 {
            return Err(self.error(key, "is shorter than a nanosecond"));
        }
        Ok(Some(duration))
    }

    /// A size in bytes.
    pub(super) fn size(&self, key: &str) -> Result<u64, ScenarioError> {
        let value = self.quantity(key, Quantity::Size)?.map(|bytes| libm::round(bytes) as u64);
        self.must(key, value)
    }

    /// A share, 0 to 1.
    pub(super) fn share(&self, key: &str) -> Result<f64, ScenarioError> {
        let value = self.optional_share(key)?;
        self.must(key, value)
    }

    /// A share, if given.
    pub(super) fn optional_share(&self, key: &str) -> Result<Option<f64>, ScenarioError> {
        self.quantity(key, Quantity::Share)
    }

    /// A rate per second, if given.
    pub(super) fn optional_rate(&self, key: &str) -> Result<Option<f64>, ScenarioError> {
        self.quantity(key, Quantity::Rate)
    }

    /// Opens the table that a key holds, if it is there.
    pub(super) fn table(
        &self,
        key: &str,
        section: &'static Section,
    ) -> Result<Option<Reader<'_>>, ScenarioError> {
        let Some(value) = self.given(key) else {
            return Ok(None);
        };
        Reader::open(self.sources, section, value, self.child(key)).map(Some)
    }

    /// The name of a key in messages.
    pub(super) fn child(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

impl Kind {
    fn integers(&self) -> Option<(u64, u64)> {
        match self {
            Kind::Integer(low, high) => Some((*low, *high)),
            Kind::Any(kinds) => kinds.iter().find_map(Kind::integers),
            _ => None,
        }
    }

    fn numbers(&self) -> Option<(f64, f64)> {
        match self {
            Kind::Number(low, high) => Some((*low, *high)),
            Kind::Any(kinds) => kinds.iter().find_map(Kind::numbers),
            _ => None,
        }
    }

    fn refuses_zero(&self) -> bool {
        match self {
            Kind::Quantity(_, zero) => *zero == Zero::Refused,
            Kind::Any(kinds) => kinds.iter().any(Kind::refuses_zero),
            _ => false,
        }
    }
}

fn names(section: &'static Section) -> impl Iterator<Item = &'static str> {
    section.keys.iter().map(|key| key.name)
}

/// A quantity that a value holds; the error says what would be right.
pub(super) fn quantity_of(value: &Value, quantity: Quantity) -> Result<f64, String> {
    match &value.data {
        Data::Text(text) => quantity.parse(text),
        Data::Integer(_) | Data::Float(_) => Err(units::bare(quantity, &shown(value))),
        other => Err(format!("{} is not {}: {}", other.kind(), quantity.what(), units::expected(quantity))),
    }
}

/// A value as a message shows it: as the file writes it, shortened.
pub(super) fn shown(value: &Value) -> String {
    const SHOWN_MAX: usize = 60;
    let text = match &value.data {
        Data::Text(text) => format!("{text:?}"),
        Data::List(_) => "[…]".to_owned(),
        Data::Table(_) => "{ … }".to_owned(),
        _ => value.label(),
    };
    if text.chars().count() > SHOWN_MAX {
        let short: String = text.chars().take(SHOWN_MAX).collect();
        return format!("{short}…");
    }
    text
}
