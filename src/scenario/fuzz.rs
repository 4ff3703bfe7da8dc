//! What the fuzzer runs, here so that `cargo test` runs it as well.

use super::files::Loader;
use super::load::Loaded;
use super::schema::Scenario;
use std::io;

/// A loader that has the one file, and every other file as four bytes.
struct One<'a>(&'a [u8]);

impl Loader for One<'_> {
    fn load(&self, path: &str) -> io::Result<Vec<u8>> {
        match path {
            "fuzz.toml" => Ok(self.0.to_vec()),
            path if path.ends_with("missing") => Err(io::ErrorKind::NotFound.into()),
            _ => Ok(b"data".to_vec()),
        }
    }
}

/// Loads any bytes as a scenario file: no input may panic, and what loads must survive JSON unchanged.
///
/// # Panics
/// When that does not hold; it is a test.
pub fn fuzz_scenario(data: &[u8]) {
    // The first line may hold an override, as in `#set key=value`.
    let overrides: Vec<(String, String)> = data
        .split(|byte| *byte == b'\n')
        .next()
        .and_then(|line| std::str::from_utf8(line).ok())
        .and_then(|line| line.strip_prefix("#set "))
        .and_then(|set| set.split_once('='))
        .map(|(key, value)| vec![(key.to_owned(), value.to_owned())])
        .unwrap_or_default();
    match Scenario::load("fuzz.toml", &One(data), &overrides) {
        Ok(loaded) => {
            let json = loaded.to_json().unwrap_or_else(|error| panic!("a loaded scenario has JSON: {error}"));
            let read = Loaded::from_json(&json).unwrap_or_else(|error| panic!("JSON is read back: {error}"));
            assert_eq!(read, loaded, "JSON must hold a scenario without loss");
        }
        Err(error) => assert!(!error.message.is_empty()),
    }
}
