//! One cell of a CSV file: how a value becomes bytes without allocating, and how it is read back.

use std::fmt;
use std::io::Write;

/// A name in a record: borrowed, so that a row costs no allocation.
///
/// Two names are equal if they read the same.
#[derive(Clone, Copy, Debug)]
pub enum Name<'a> {
    /// The name itself.
    Text(&'a str),
    /// A stem and a number: `Numbered("node-", 17)` is `node-17`.
    Numbered(&'a str, u32),
}

impl Name<'_> {
    /// Length in bytes.
    pub fn len(&self) -> usize {
        match self {
            Name::Text(text) => text.len(),
            Name::Numbered(stem, number) => stem.len() + number.checked_ilog10().unwrap_or(0) as usize + 1,
        }
    }

    /// True for the empty name, which reads the same as an empty cell.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn bytes(&self) -> impl Iterator<Item = u8> {
        let (text, number) = match self {
            Name::Text(text) => (*text, None),
            Name::Numbered(stem, number) => (*stem, Some(*number)),
        };
        let digits = number.map_or(0, |number| number.checked_ilog10().unwrap_or(0) + 1);
        text.bytes().chain((0..digits).rev().map(move |place| {
            let number = number.unwrap_or(0);
            b'0' + (number / 10_u32.pow(place) % 10) as u8
        }))
    }
}

impl<'a> From<&'a str> for Name<'a> {
    fn from(text: &'a str) -> Self {
        Name::Text(text)
    }
}

impl PartialEq for Name<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Name::Text(a), Name::Text(b)) => a == b,
            // Two stems may share the digits between them: `a1` and 2, `a` and 12.
            _ => self.len() == other.len() && self.bytes().eq(other.bytes()),
        }
    }
}

impl Eq for Name<'_> {}

impl PartialEq<str> for Name<'_> {
    fn eq(&self, other: &str) -> bool {
        *self == Name::Text(other)
    }
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Name::Text(text) => f.write_str(text),
            Name::Numbered(stem, number) => write!(f, "{stem}{number}"),
        }
    }
}

/// The bytes of rows in the making.
#[derive(Debug, Default)]
pub struct Row {
    bytes: Vec<u8>,
}

impl Row {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Row { bytes: Vec::with_capacity(capacity) }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Adds bytes that need no quotes.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Adds a separator and a value.
    pub(crate) fn cell<'a>(&mut self, value: &impl Cell<'a>) {
        self.bytes.push(b',');
        value.put(self);
    }

    /// Ends the row. Rows end with a line feed alone.
    pub(crate) fn end(&mut self) {
        self.bytes.push(b'\n');
    }

    /// Adds text, in quotes where RFC 4180 asks for them.
    pub(crate) fn text(&mut self, text: &str, tail: Option<u32>) {
        let quotes = text.bytes().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r'));
        if quotes {
            self.bytes.push(b'"');
            for byte in text.bytes() {
                if byte == b'"' {
                    self.bytes.push(b'"');
                }
                self.bytes.push(byte);
            }
        } else {
            self.raw(text.as_bytes());
        }
        if let Some(number) = tail {
            number.put(self);
        }
        if quotes {
            self.bytes.push(b'"');
        }
    }
}

/// What the cells of a column hold, as a typed file format has to know it. Any cell may be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// A whole number.
    Integer,
    /// A number; it may be infinite.
    Real,
    /// `true` or `false`.
    Flag,
}

/// A type whose values stand in cells of one kind.
pub trait OfKind {
    /// The kind.
    const KIND: Kind;
}

impl<T: OfKind> OfKind for Option<T> {
    const KIND: Kind = T::KIND;
}

impl OfKind for Name<'_> {
    const KIND: Kind = Kind::Text;
}

impl OfKind for f64 {
    const KIND: Kind = Kind::Real;
}

impl OfKind for bool {
    const KIND: Kind = Kind::Flag;
}

/// A value that a cell can hold.
pub trait Cell<'a>: Sized {
    /// Writes the value.
    fn put(&self, row: &mut Row);

    /// Reads it back.
    ///
    /// # Errors
    /// What was wrong and what would be right.
    fn take(text: &'a str) -> Result<Self, String>;
}

/// What of a cell an error message shows.
fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

impl<'a, T: Cell<'a>> Cell<'a> for Option<T> {
    fn put(&self, row: &mut Row) {
        if let Some(value) = self {
            value.put(row);
        }
    }
    fn take(text: &'a str) -> Result<Self, String> {
        if text.is_empty() { Ok(None) } else { T::take(text).map(Some) }
    }
}

impl<'a> Cell<'a> for Name<'a> {
    fn put(&self, row: &mut Row) {
        match self {
            Name::Text(text) => row.text(text, None),
            Name::Numbered(stem, number) => row.text(stem, Some(*number)),
        }
    }
    fn take(text: &'a str) -> Result<Self, String> {
        if text.is_empty() { Err("is empty; it must hold a name".into()) } else { Ok(Name::Text(text)) }
    }
}

macro_rules! integer_cell {
    ($($type:ty: $what:literal),+) => { $(
        impl OfKind for $type {
            const KIND: Kind = Kind::Integer;
        }

        impl Cell<'_> for $type {
            fn put(&self, row: &mut Row) {
                row.raw(itoa::Buffer::new().format(*self).as_bytes());
            }
            fn take(text: &str) -> Result<Self, String> {
                text.parse().map_err(|_| format!("`{}` is not {}", shown(text), $what))
            }
        }
    )+ };
}

integer_cell! {
    i64: "a whole number of 64 bits",
    u64: "a whole number from 0 to 18446744073709551615",
    u32: "a whole number from 0 to 4294967295",
    u16: "a whole number from 0 to 65535"
}

impl Cell<'_> for f64 {
    fn put(&self, row: &mut Row) {
        debug_assert!(!self.is_nan(), "an unknown number is an empty cell");
        // Shortest digits that read back as the same number: the same on every platform.
        // Writing to a vector cannot fail.
        let _ = write!(row.bytes, "{self}");
    }
    fn take(text: &str) -> Result<Self, String> {
        match text.parse::<f64>() {
            Ok(number) if !number.is_nan() => Ok(number),
            _ => Err(format!("`{}` is not a number", shown(text))),
        }
    }
}

impl Cell<'_> for bool {
    fn put(&self, row: &mut Row) {
        row.raw(if *self { b"true" } else { b"false" });
    }
    fn take(text: &str) -> Result<Self, String> {
        match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(format!("`{}` is neither true nor false", shown(text))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_equal_by_how_they_read() {
        assert_eq!(Name::Numbered("node-", 17), Name::Text("node-17"));
        assert_eq!(Name::Numbered("a1", 2), Name::Numbered("a", 12));
        assert_ne!(Name::Numbered("a", 0), Name::Text("a"));
        assert_eq!(Name::Numbered("", u32::MAX).len(), 10);
    }

    #[test]
    fn text_is_quoted_where_it_must_be() {
        let mut row = Row::default();
        row.cell(&Name::Text("plain text"));
        row.cell(&Name::Text("a,b"));
        row.cell(&Name::Text("say \"x\"\n"));
        row.cell(&Name::Numbered("a\"", 7));
        assert_eq!(row.bytes(), b",plain text,\"a,b\",\"say \"\"x\"\"\n\",\"a\"\"7\"");
    }
}
