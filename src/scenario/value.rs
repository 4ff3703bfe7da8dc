//! TOML values that know where they were written.

use super::error::{Location, ScenarioError};
use toml::de::{DeTable, DeValue};
use toml_parser::lexer::TokenKind;

/// Tables and arrays inside each other, at most: deeper is no scenario, and recursion stays bounded.
const DEPTH_MAX: usize = 16;

/// A place in one of the [`Sources`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    source: u32,
    line: u32,
    column: u32,
}

/// Where values come from: files, overrides.
#[derive(Debug, Default)]
pub(super) struct Sources(Vec<Source>);

#[derive(Debug)]
enum Source {
    File(String),
    Override(String),
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Value {
    pub(super) at: At,
    pub(super) data: Data,
}

#[derive(Clone, Debug)]
pub(super) enum Data {
    Text(String),
    Integer(i128),
    Float(f64),
    Bool(bool),
    List(Vec<Value>),
    Table(Table),
}

/// Keys in the order of the file.
#[derive(Clone, Debug, Default)]
pub(super) struct Table(pub(super) Vec<Entry>);

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) at: At,
    pub(super) value: Value,
}

impl Sources {
    /// The place of a file's first character.
    pub(super) fn add_file(&mut self, path: &str) -> At {
        self.0.push(Source::File(path.to_owned()));
        At { source: self.0.len() as u32 - 1, line: 1, column: 1 }
    }

    /// The place of an override.
    pub(super) fn add_override(&mut self, text: String) -> At {
        self.0.push(Source::Override(text));
        At { source: self.0.len() as u32 - 1, line: 1, column: 1 }
    }

    /// The file that `at` is in; `None` for an override.
    pub(super) fn file(&self, at: At) -> Option<&str> {
        match self.0.get(at.source as usize) {
            Some(Source::File(path)) => Some(path),
            _ => None,
        }
    }

    /// An error at `at`.
    pub(super) fn error(&self, at: At, message: impl Into<String>) -> ScenarioError {
        let location = match self.0.get(at.source as usize) {
            Some(Source::File(path)) => {
                Location::Position { file: path.clone(), line: at.line, column: at.column }
            }
            Some(Source::Override(text)) => Location::Override(text.clone()),
            None => Location::File(String::new()),
        };
        ScenarioError { location, message: message.into() }
    }
}

impl Data {
    /// The kind of the value, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Data::Text(_) => "a text",
            Data::Integer(_) => "a whole number",
            Data::Float(_) => "a number",
            Data::Bool(_) => "true or false",
            Data::List(_) => "a list",
            Data::Table(_) => "a table",
        }
    }
}

impl Table {
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.0.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        self.0.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.value)
    }

    /// Sets `key`, replacing what was there.
    pub(super) fn set(&mut self, key: &str, at: At, value: Value) {
        match self.0.iter_mut().find(|entry| entry.key == key) {
            Some(entry) => *entry = Entry { key: key.to_owned(), at, value },
            None => self.0.push(Entry { key: key.to_owned(), at, value }),
        }
    }

    pub(super) fn remove(&mut self, key: &str) -> Option<Entry> {
        let index = self.0.iter().position(|entry| entry.key == key)?;
        Some(self.0.remove(index))
    }
}

impl Value {
    /// The value as text for a label: strings without quotes, tables inline.
    pub(super) fn label(&self) -> String {
        match &self.data {
            Data::Text(text) => text.clone(),
            Data::Integer(value) => value.to_string(),
            Data::Float(value) => value.to_string(),
            Data::Bool(value) => value.to_string(),
            Data::List(list) => {
                let parts: Vec<String> = list.iter().map(Value::label).collect();
                format!("[{}]", parts.join(" "))
            }
            Data::Table(table) => {
                let parts: Vec<String> =
                    table.0.iter().map(|entry| format!("{}:{}", entry.key, entry.value.label())).collect();
                format!("{{{}}}", parts.join(" "))
            }
        }
    }

    /// The value that a command line gives: TOML if it reads as TOML, else a text.
    pub(super) fn of_override(text: &str, at: At, sources: &Sources) -> Result<Value, ScenarioError> {
        if too_deep(text).is_none()
            && let Ok(parsed) = DeValue::parse(text)
            && !matches!(parsed.get_ref(), DeValue::Datetime(_))
        {
            return Reader { text, lines: Lines::Fixed(at), sources }.value(parsed.get_ref(), at, 0);
        }
        Ok(Value { at, data: Data::Text(text.to_owned()) })
    }

    /// A default of the reference: a number or a truth value if it reads as one, else a text.
    pub(super) fn of_default(text: &str, at: At) -> Value {
        let data = if let Ok(value) = text.parse() {
            Data::Integer(value)
        } else if let Ok(value) = text.parse() {
            Data::Float(value)
        } else if let Ok(value) = text.parse() {
            Data::Bool(value)
        } else {
            Data::Text(text.to_owned())
        };
        Value { at, data }
    }
}

/// Reads a TOML document. `start` is the place that [`Sources::add_file`] gave.
pub(super) fn document(text: &str, start: At, sources: &Sources) -> Result<Table, ScenarioError> {
    let lines = Lines::of(text, start);
    if let Some(offset) = too_deep(text) {
        return Err(sources.error(lines.at(text, offset), "this key has too many dots for a scenario"));
    }
    let parsed = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(start, |span| lines.at(text, span.start));
        sources.error(at, error.message())
    })?;
    Reader { text, lines, sources }.table(parsed.get_ref(), 0)
}

/// Where a key has more dots than a scenario can need. The parser makes a table of each dot, and a hundred thousand
/// nested tables would exhaust the stack, so such a text is refused before it is parsed.
fn too_deep(text: &str) -> Option<usize> {
    const DOTS_MAX: u32 = 16;
    let mut dots = 0;
    for token in toml_parser::Source::new(text).lex() {
        match token.kind() {
            TokenKind::Dot => dots += 1,
            TokenKind::Equals
            | TokenKind::Comma
            | TokenKind::Newline
            | TokenKind::LeftCurlyBracket
            | TokenKind::LeftSquareBracket => dots = 0,
            _ => {}
        }
        if dots > DOTS_MAX {
            return Some(token.span().start());
        }
    }
    None
}

/// Where lines start, to turn offsets into places.
enum Lines {
    Starts {
        start: At,
        offsets: Vec<usize>,
    },
    /// Everything is at one place.
    Fixed(At),
}

impl Lines {
    fn of(text: &str, start: At) -> Lines {
        let mut offsets = vec![0];
        offsets.extend(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(i, _)| i + 1));
        Lines::Starts { start, offsets }
    }

    fn at(&self, text: &str, offset: usize) -> At {
        match self {
            Lines::Fixed(at) => *at,
            Lines::Starts { start, offsets } => {
                let line = offsets.partition_point(|start| *start <= offset).max(1);
                let from = offsets.get(line - 1).copied().unwrap_or(0);
                let column = text.get(from..offset).map_or(0, |before| before.chars().count()) as u32 + 1;
                At { source: start.source, line: line as u32, column }
            }
        }
    }
}

/// Turns the parser's values into ours.
struct Reader<'a> {
    text: &'a str,
    lines: Lines,
    sources: &'a Sources,
}

impl Reader<'_> {
    fn table(&self, table: &DeTable<'_>, depth: usize) -> Result<Table, ScenarioError> {
        let mut entries = Vec::with_capacity(table.len());
        for (key, value) in table {
            let at = self.lines.at(self.text, key.span().start);
            let place = self.lines.at(self.text, value.span().start);
            let value = self.value(value.get_ref(), place, depth + 1)?;
            entries.push(Entry { key: key.get_ref().to_string(), at, value });
        }
        entries.sort_by_key(|entry| entry.at);
        Ok(Table(entries))
    }

    fn value(&self, value: &DeValue<'_>, at: At, depth: usize) -> Result<Value, ScenarioError> {
        if depth > DEPTH_MAX {
            return Err(self.sources.error(at, "tables and lists are nested too deeply for a scenario"));
        }
        let data = match value {
            DeValue::String(text) => Data::Text(text.to_string()),
            DeValue::Integer(integer) => {
                let value = i128::from_str_radix(integer.as_str(), integer.radix());
                Data::Integer(value.map_err(|_| self.sources.error(at, "this number is too large"))?)
            }
            DeValue::Float(float) => match float.as_str().parse::<f64>() {
                Ok(value) if value.is_finite() => Data::Float(value),
                _ => {
                    return Err(self.sources.error(at, "a number must be finite: neither inf nor nan"));
                }
            },
            DeValue::Boolean(value) => Data::Bool(*value),
            DeValue::Datetime(_) => {
                return Err(self.sources.error(at, "a scenario has no dates; put a text in quotes"));
            }
            DeValue::Array(array) => {
                let mut list = Vec::with_capacity(array.len());
                for value in array.iter() {
                    let place = self.lines.at(self.text, value.span().start);
                    list.push(self.value(value.get_ref(), place, depth + 1)?);
                }
                Data::List(list)
            }
            DeValue::Table(table) => Data::Table(self.table(table, depth)?),
        };
        Ok(Value { at, data })
    }
}
