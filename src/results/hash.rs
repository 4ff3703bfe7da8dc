//! Hashes: of a file, of a run's files, of what a run was asked to do.

use super::stop::StoppingRule;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::io::{self, Read, Write};

/// A file of a run folder, as the manifest lists it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// The file's name in the run folder.
    pub name: String,
    /// SHA-256 of its bytes, 64 hexadecimal digits.
    pub sha256: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its lines below the header; absent for a file that is no CSV.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
}

/// SHA-256 in hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(Sha256::digest(bytes).as_slice())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The one hash of a run: SHA-256 over `<sha256>  <name>` and a line feed for each of its files but the manifest,
/// sorted by name (what `sha256sum * | sort -k2 | sha256sum` prints).
pub fn run_hash(files: &[FileEntry]) -> String {
    let mut sorted: Vec<_> = files.iter().collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    let mut hasher = Sha256::new();
    for file in sorted {
        hasher.update(format!("{}  {}\n", file.sha256, file.name));
    }
    hex(hasher.finalize().as_slice())
}

/// The identity of a run: the first 16 hexadecimal digits of SHA-256 over the resolved scenario (as JSON without
/// spaces, keys sorted), a line feed and the seed in decimal.
pub fn run_id(scenario: &serde_json::Value, seed: u64) -> String {
    run_id_until(scenario, seed, None)
}

/// The identity of a run whose repetitions are as many as a rule says: the rule, likewise as JSON, follows after
/// another line feed.
pub fn run_id_until(scenario: &serde_json::Value, seed: u64, rule: Option<&StoppingRule>) -> String {
    let mut text = String::new();
    canonical(scenario, &mut text);
    let _ = write!(text, "\n{seed}");
    if let Some(rule) = rule {
        text.push('\n');
        canonical(&serde_json::json!(rule), &mut text);
    }
    let mut digits = sha256_hex(text.as_bytes());
    digits.truncate(16);
    digits
}

/// JSON with sorted keys, whatever order the map was built in.
fn canonical(value: &serde_json::Value, out: &mut String) {
    use serde_json::Value;
    match value {
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                canonical(item, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| key.as_str());
            out.push('{');
            for (i, (key, item)) in entries.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                canonical(&Value::String(key.clone()), out);
                out.push(':');
                canonical(item, out);
            }
            out.push('}');
        }
        scalar => {
            let _ = write!(out, "{scalar}");
        }
    }
}

/// Reads a file to its end and says what the manifest should say of it. A file whose name ends in `.csv` has rows:
/// its line feeds outside quotes, less the header's.
///
/// # Errors
/// Whatever `read` fails with.
pub fn file_entry(name: &str, mut read: impl Read) -> io::Result<FileEntry> {
    let mut sink = HashingWriter::new(io::sink());
    let (mut quoted, mut lines) = (false, 0_u64);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let taken = match read.read(&mut buffer) {
            Ok(0) => break,
            Ok(taken) => &buffer[..taken],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        for byte in taken {
            match byte {
                b'"' => quoted = !quoted,
                b'\n' if !quoted => lines += 1,
                _ => {}
            }
        }
        sink.write_all(taken)?;
    }
    Ok(sink.finish(name, name.ends_with(".csv").then(|| lines.saturating_sub(1)))?.1)
}

/// Reads a file whose hash is known: the end of other bytes is an error.
pub(crate) struct CheckedReader<R> {
    inner: R,
    hasher: Sha256,
    entry: FileEntry,
}

impl<R: Read> CheckedReader<R> {
    pub(crate) fn new(inner: R, entry: &FileEntry) -> Self {
        CheckedReader { inner, hasher: Sha256::new(), entry: entry.clone() }
    }
}

impl<R: Read> Read for CheckedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let taken = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..taken]);
        if taken == 0
            && !buffer.is_empty()
            && hex(self.hasher.clone().finalize().as_slice()) != self.entry.sha256
        {
            let why = format!("{}: these are not the bytes that were written", self.entry.name);
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        Ok(taken)
    }
}

/// Passes bytes on, hashing and counting them.
pub(crate) struct HashingWriter<W> {
    inner: W,
    hasher: Sha256,
    bytes: u64,
}

impl<W: Write> HashingWriter<W> {
    pub(crate) fn new(inner: W) -> Self {
        HashingWriter { inner, hasher: Sha256::new(), bytes: 0 }
    }

    /// Flushes, and says what was written.
    pub(crate) fn finish(mut self, name: &str, rows: Option<u64>) -> io::Result<(W, FileEntry)> {
        self.inner.flush()?;
        let sha256 = hex(self.hasher.finalize().as_slice());
        Ok((self.inner, FileEntry { name: name.into(), sha256, bytes: self.bytes, rows }))
    }
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_run_hash_does_not_depend_on_the_order_of_files() {
        let a = file_entry("a.csv", &b"x\n1\n"[..]).unwrap();
        let b = file_entry("b.csv", &b"x\n"[..]).unwrap();
        assert_eq!(run_hash(&[a.clone(), b.clone()]), run_hash(&[b.clone(), a.clone()]));
        assert_eq!(run_hash(&[a.clone(), b.clone()]), {
            sha256_hex(format!("{}  a.csv\n{}  b.csv\n", a.sha256, b.sha256).as_bytes())
        });
        assert_ne!(run_hash(&[a]), run_hash(&[b]));
    }

    #[test]
    fn rows_are_lines_outside_quotes() {
        let entry = file_entry("x.csv", &b"a,b\n\"1\n2\",3\n4,5\n"[..]).unwrap();
        assert_eq!((entry.rows, entry.bytes), (Some(2), 16));
        assert_eq!(file_entry("latency.hlog", &b"a\n"[..]).unwrap().rows, None);
    }

    #[test]
    fn the_run_id_is_of_the_content_and_the_seed() {
        let a = json!({"b": 1, "a": [1.5, "x"]});
        let b: serde_json::Value = serde_json::from_str(r#" {"a":[1.5,"x"], "b":1} "#).unwrap();
        assert_eq!(run_id(&a, 42), run_id(&b, 42));
        assert_ne!(run_id(&a, 42), run_id(&a, 43));
        assert_eq!(run_id(&a, 42), sha256_hex(b"{\"a\":[1.5,\"x\"],\"b\":1}\n42")[..16]);
    }
}
