//! How the values of settings are read and shown.

use super::RuntimeKind;
use edge_faas_core::faas::{AnycallPolicy, ManycallPolicy};
use edge_faas_core::{time, units};
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use toml::Value;

/// A value that a file can set.
pub(super) trait Setting: Sized {
    /// What it is, in a word or two.
    const KIND: &'static str;

    /// Reads it; the error says what would be right.
    fn read(value: &Value) -> Result<Self, String>;

    /// Shows it as a file would have it; `none` for what is not set.
    fn show(&self) -> String;
}

fn text(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| format!("{value} is no text: it is written in quotes"))
}

fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

macro_rules! whole_numbers {
    ($($number:ty),+) => {$(
        impl Setting for $number {
            const KIND: &'static str = "number";

            fn read(value: &Value) -> Result<Self, String> {
                let number = value.as_integer().and_then(|number| number.try_into().ok());
                number.ok_or_else(|| format!("{value} is not a whole number from 0 to {}", <$number>::MAX))
            }

            fn show(&self) -> String {
                self.to_string()
            }
        }
    )+};
}
whole_numbers!(u32, u64, usize);

impl Setting for bool {
    const KIND: &'static str = "true or false";

    fn read(value: &Value) -> Result<Self, String> {
        value.as_bool().ok_or_else(|| format!("{value} is neither true nor false"))
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for String {
    const KIND: &'static str = "text";

    fn read(value: &Value) -> Result<Self, String> {
        text(value).map(str::to_owned)
    }

    fn show(&self) -> String {
        quoted(self)
    }
}

impl Setting for Option<PathBuf> {
    const KIND: &'static str = "path";

    fn read(value: &Value) -> Result<Self, String> {
        text(value).map(|path| Some(PathBuf::from(path)))
    }

    fn show(&self) -> String {
        self.as_ref().map_or_else(|| "none".to_owned(), |path| quoted(&path.display().to_string()))
    }
}

impl Setting for Duration {
    const KIND: &'static str = "duration";

    fn read(value: &Value) -> Result<Self, String> {
        time::Duration::read(value).map(|duration| Duration::from_nanos(duration.as_nanos().unsigned_abs()))
    }

    fn show(&self) -> String {
        time::Duration::from_nanos(i64::try_from(self.as_nanos()).unwrap_or(i64::MAX)).show()
    }
}

impl Setting for time::Duration {
    const KIND: &'static str = "duration";

    fn read(value: &Value) -> Result<Self, String> {
        units::duration(text(value)?)
    }

    fn show(&self) -> String {
        quoted(&self.to_string())
    }
}

/// A number of bytes, written with its unit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size(pub(super) u64);

impl Setting for Size {
    const KIND: &'static str = "size";

    fn read(value: &Value) -> Result<Self, String> {
        units::size(text(value)?).map(Size)
    }

    fn show(&self) -> String {
        const UNITS: [(u32, &str); 4] = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
        let fits = |shift: u32| self.0 != 0 && self.0.trailing_zeros() >= shift;
        match UNITS.iter().find(|(shift, _)| fits(*shift)) {
            Some((shift, unit)) => quoted(&format!("{}{unit}", self.0 >> shift)),
            None => quoted(&format!("{}B", self.0)),
        }
    }
}

impl Setting for SocketAddr {
    const KIND: &'static str = "address";

    fn read(value: &Value) -> Result<Self, String> {
        let text = text(value)?;
        text.parse().map_err(|_| format!("{text:?} is not an address with a port, such as 127.0.0.1:8080"))
    }

    fn show(&self) -> String {
        quoted(&self.to_string())
    }
}

impl Setting for RuntimeKind {
    const KIND: &'static str = "`builtin` or `openfaas`";

    fn read(value: &Value) -> Result<Self, String> {
        match text(value)? {
            "builtin" => Ok(RuntimeKind::Builtin),
            "openfaas" => Ok(RuntimeKind::OpenFaas),
            other => Err(format!("{other:?} is no runtime; valid are builtin, openfaas")),
        }
    }

    fn show(&self) -> String {
        match self {
            RuntimeKind::Builtin => quoted("builtin"),
            RuntimeKind::OpenFaas => quoted("openfaas"),
        }
    }
}

impl Setting for AnycallPolicy {
    const KIND: &'static str = "policy";

    fn read(value: &Value) -> Result<Self, String> {
        text(value)?.parse().map_err(|error: edge_faas_core::faas::UnknownPolicy| error.to_string())
    }

    fn show(&self) -> String {
        quoted(self.name())
    }
}

impl Setting for ManycallPolicy {
    const KIND: &'static str = "policy";

    fn read(value: &Value) -> Result<Self, String> {
        text(value)?.parse().map_err(|error: edge_faas_core::faas::UnknownPolicy| error.to_string())
    }

    fn show(&self) -> String {
        quoted(self.name())
    }
}

/// An element of a list.
pub(super) trait Element: Sized {
    fn parse(text: &str) -> Result<Self, String>;
    fn shown(&self) -> String;
}

impl Element for Multiaddr {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error| {
            format!("{text:?} is not a multiaddress, such as /ip4/0.0.0.0/tcp/4001: {error}")
        })
    }

    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Element for PeerId {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error| format!("{text:?} is not a peer id: {error}"))
    }

    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Element for (PeerId, Multiaddr) {
    fn parse(text: &str) -> Result<Self, String> {
        let mut address = Multiaddr::parse(text)?;
        match address.pop() {
            Some(Protocol::P2p(id)) if !address.is_empty() => Ok((id, address)),
            _ => Err(format!(
                "{text:?} does not end in /p2p/ and the peer's id: a node prints its addresses like that when it starts"
            )),
        }
    }

    fn shown(&self) -> String {
        self.1.clone().with(Protocol::P2p(self.0)).to_string()
    }
}

impl<T: Element> Setting for Vec<T> {
    const KIND: &'static str = "list";

    fn read(value: &Value) -> Result<Self, String> {
        let Some(list) = value.as_array() else {
            // On a command line, one is written without brackets.
            return match value.as_str() {
                Some(one) => one.split(',').map(|one| T::parse(one.trim())).collect(),
                None => Err(format!("{value} is not a list of texts, such as [\"…\"]")),
            };
        };
        list.iter().map(|element| T::parse(text(element)?)).collect()
    }

    fn show(&self) -> String {
        let shown: Vec<String> = self.iter().map(|element| quoted(&element.shown())).collect();
        format!("[{}]", shown.join(", "))
    }
}

impl<T: Element> Setting for Option<Vec<T>> {
    const KIND: &'static str = "list";

    fn read(value: &Value) -> Result<Self, String> {
        Vec::read(value).map(Some)
    }

    fn show(&self) -> String {
        self.as_ref().map_or_else(|| "none".to_owned(), Vec::show)
    }
}

/// 32 bytes in hexadecimal.
#[derive(Clone, Copy, Debug)]
pub(super) struct SharedKey(pub(super) Option<[u8; 32]>);

impl Setting for SharedKey {
    const KIND: &'static str = "64 hexadecimal digits";

    fn read(value: &Value) -> Result<Self, String> {
        let wrong =
            || "a pre-shared key has 64 hexadecimal digits (openssl rand -hex 32 makes one)".to_owned();
        let digits = text(value)?.trim();
        if digits.len() != 64 || !digits.is_ascii() {
            return Err(wrong());
        }
        let mut key = [0; 32];
        for (index, byte) in key.iter_mut().enumerate() {
            let pair = digits.get(2 * index..2 * index + 2).ok_or_else(wrong)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
        }
        Ok(SharedKey(Some(key)))
    }

    /// Never shown.
    fn show(&self) -> String {
        "none".to_owned()
    }
}
