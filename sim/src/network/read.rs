//! Reading measured latencies: files, compression, formats.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::error::{MatrixError, MatrixProblem};
use super::matrix::{Missing, RoundTrips, TimeUnit};
use super::{pairs, square};

/// How a file of latencies is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MatrixFormat {
    /// By its first line: a header with `source` and `destination` is WonderNetwork's, `topology …`, `node …` or
    /// `1,2 345` is King's list, everything else a square matrix.
    #[default]
    Auto,
    /// One row a line, values separated by commas, tabs or spaces, with or without names of rows and columns
    /// (PlanetLab, Seattle, King's `matrix`). Milliseconds unless a unit is given.
    Square,
    /// p2psim's end-to-end list as of the King data set (`mking-t`, `uking-t`): `topology` and `node` lines, then
    /// `from,to time`, sites from 1, each pair once, negative for a missing one. Microseconds unless a unit is given.
    King,
    /// Lines `from to time` (commas, tabs or spaces) with any names of sites. Milliseconds unless a unit is given.
    Pairs,
    /// WonderNetwork's public pings: CSV with the columns `source`, `destination` and `avg`; of several pings of a
    /// pair the median counts. Milliseconds unless a unit is given.
    WonderNetwork,
}

/// How to read a file of latencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MatrixOptions {
    /// Its layout.
    pub format: MatrixFormat,
    /// The unit of its numbers, if not the usual one of its format.
    pub unit: Option<TimeUnit>,
    /// What becomes of missing cells.
    pub missing: Missing,
}

impl RoundTrips {
    /// Reads a file, compressed with gzip or not (its first bytes tell, not its name).
    ///
    /// # Errors
    /// [`MatrixError`] with the file, the line and the value that cannot be used.
    pub fn read_file(path: &Path, options: MatrixOptions) -> Result<Self, MatrixError> {
        let name = path.display().to_string();
        let file = File::open(path)
            .map_err(|error| MatrixError::file(&name, MatrixProblem::Unreadable(error.to_string())))?;
        Self::read(&name, file, options)
    }

    /// Reads from `input`, plain or gzip; `name` is what errors call it.
    ///
    /// # Errors
    /// As [`RoundTrips::read_file`].
    pub fn read(name: &str, input: impl Read, options: MatrixOptions) -> Result<Self, MatrixError> {
        let mut input = BufReader::new(input);
        let start = input
            .fill_buf()
            .map_err(|error| MatrixError::file(name, MatrixProblem::Unreadable(error.to_string())))?;
        if start.starts_with(&[0x1f, 0x8b]) {
            parse(Lines::new(name, BufReader::new(MultiGzDecoder::new(input)), true), options)
        } else {
            parse(Lines::new(name, input, false), options)
        }
    }
}

fn parse<R: BufRead>(mut lines: Lines<'_, R>, options: MatrixOptions) -> Result<RoundTrips, MatrixError> {
    lines.peek()?;
    let first = lines.peeked();
    let format = match options.format {
        MatrixFormat::Auto => detect(first),
        format => format,
    };
    let unit = options.unit.unwrap_or(match format {
        MatrixFormat::King => TimeUnit::Micros,
        _ => TimeUnit::Millis,
    });
    let name = lines.name;
    let (cells, names) = match format {
        MatrixFormat::Auto | MatrixFormat::Square => square::parse(lines, unit)?,
        MatrixFormat::King | MatrixFormat::Pairs => pairs::parse_list(lines, unit)?,
        MatrixFormat::WonderNetwork => pairs::parse_pings(lines, unit)?,
    };
    RoundTrips::resolve(name, cells, names, options.missing)
}

fn detect(first: &str) -> MatrixFormat {
    let mut words = first.split_whitespace();
    let word = words.next().unwrap_or_default();
    if first.contains("source") && first.contains("destination") {
        return MatrixFormat::WonderNetwork;
    }
    let is_pair = || {
        let (from, to) = word.split_once(',')?;
        let whole = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        (whole(from) && whole(to) && words.count() == 1).then_some(())
    };
    if word == "topology" || word == "node" || is_pair().is_some() {
        return MatrixFormat::King;
    }
    MatrixFormat::Square
}

/// The lines of a text that hold data: numbered from 1, without comments (`#`, `%`) and empty lines.
pub(super) struct Lines<'a, R> {
    pub(super) name: &'a str,
    input: R,
    gzip: bool,
    number: u64,
    buffer: Vec<u8>,
    peeked: bool,
}

impl<'a, R: BufRead> Lines<'a, R> {
    /// Longest line: a row of the largest matrix with generous numbers.
    const MAX_LINE: usize = 1 << 20;

    fn new(name: &'a str, input: R, gzip: bool) -> Self {
        Lines { name, input, gzip, number: 0, buffer: Vec::new(), peeked: false }
    }

    /// Whether the input came compressed.
    pub(super) fn gzip(&self) -> bool {
        self.gzip
    }

    fn peek(&mut self) -> Result<(), MatrixError> {
        self.fill()?;
        self.peeked = true;
        Ok(())
    }

    fn peeked(&self) -> &str {
        // Checked to be UTF-8 by `fill`.
        std::str::from_utf8(&self.buffer).unwrap_or_default().trim()
    }

    /// The next line of data and its number.
    pub(super) fn next(&mut self) -> Result<Option<(u64, &str)>, MatrixError> {
        if self.peeked {
            self.peeked = false;
        } else {
            self.fill()?;
        }
        // Only the line's end goes: a leading tab stands for an empty first value.
        let line = std::str::from_utf8(&self.buffer).unwrap_or_default().trim_end_matches(['\r', '\n']);
        Ok(if line.trim().is_empty() { None } else { Some((self.number, line)) })
    }

    /// Reads the next line of data into the buffer, nothing at the end.
    fn fill(&mut self) -> Result<(), MatrixError> {
        loop {
            self.buffer.clear();
            let mut limited = (&mut self.input).take(Self::MAX_LINE as u64 + 1);
            let read = limited.read_until(b'\n', &mut self.buffer);
            let count = read.map_err(|error| read_error(self.name, self.gzip, &error))?;
            if count == 0 {
                return Ok(());
            }
            self.number += 1;
            if count > Self::MAX_LINE {
                return Err(MatrixError::line(
                    self.name,
                    self.number,
                    MatrixProblem::LongLine(Self::MAX_LINE),
                ));
            }
            if self.number == 1 && self.buffer.starts_with(b"\xef\xbb\xbf") {
                // A byte order mark, as spreadsheets write.
                self.buffer.drain(..3);
            }
            let Ok(line) = std::str::from_utf8(&self.buffer) else {
                return Err(MatrixError::line(self.name, self.number, MatrixProblem::NotText));
            };
            let line = line.trim();
            if !line.is_empty() && !line.starts_with(['#', '%']) {
                return Ok(());
            }
        }
    }

    /// Everything from the next line of data on, for a reader with rules of its own; and the number of lines
    /// before it.
    pub(super) fn into_rest(self) -> (impl Read, u64) {
        let before = self.number - u64::from(self.peeked);
        let first = if self.peeked { self.buffer } else { Vec::new() };
        (Cursor::new(first).chain(self.input), before)
    }
}

/// The error of a failed read: damaged gzip or the operating system's.
pub(super) fn read_error(name: &str, gzip: bool, error: &io::Error) -> MatrixError {
    let damaged = matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData
    );
    let problem = if gzip && damaged {
        MatrixProblem::BadGzip(error.to_string())
    } else {
        MatrixProblem::Unreadable(error.to_string())
    };
    MatrixError::file(name, problem)
}
