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
        let before = self.number.saturating_sub(u64::from(self.peeked));
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

#[cfg(test)]
mod tests {
    use std::io::Write;

    use edge_faas_core::time::Duration;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn read(text: &str, options: MatrixOptions) -> Result<RoundTrips, String> {
        RoundTrips::read("net.txt", text.as_bytes(), options).map_err(|error| error.to_string())
    }

    fn auto(text: &str) -> RoundTrips {
        read(text, MatrixOptions::default()).expect("a valid file")
    }

    fn micros(matrix: &RoundTrips, from: usize, to: usize) -> i64 {
        matrix.round_trip(from, to).as_micros()
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes()).expect("memory");
        encoder.finish().expect("memory")
    }

    #[test]
    fn a_matrix_may_be_separated_by_spaces_tabs_or_commas_and_have_names() {
        let texts = [
            "0 12.5 80\n12 0 90\n80 90 0\n",
            "0\t12.5\t80\n12\t0\t90\n80\t90\t0",
            "# a comment\n0,12.5,80,\n12,0,90,\n\n80,90,0,\r\n",
            "a b c\n0 12.5 80\n12 0 90\n80 90 0\n",
            ",a,b,c\na,0,12.5,80\nb,12,0,90\nc,80,90,0\n",
            "\u{feff}\"region\";\"a\";\"b\";\"c\"\n\"a\";0;12.5;80\n\"b\";12;0;90\n\"c\";80;90;0\n",
        ];
        for (i, text) in texts.iter().enumerate() {
            let matrix = auto(text);
            assert_eq!(matrix.rows(), 3, "{text}");
            // Directions are kept.
            assert_eq!(
                (micros(&matrix, 0, 1), micros(&matrix, 1, 0), micros(&matrix, 2, 1)),
                (12_500, 12_000, 90_000)
            );
            assert_eq!(matrix.round_trip(1, 1), Duration::ZERO);
            let names = if i < 3 { ["1", "2", "3"] } else { ["a", "b", "c"] };
            assert_eq!(matrix.names(), names);
            assert_eq!(matrix.bad_cells().count(), 0);
        }
    }

    #[test]
    fn units_scale_the_values() {
        for (unit, expected) in
            [(TimeUnit::Micros, 2), (TimeUnit::Millis, 2_000), (TimeUnit::Seconds, 2_000_000)]
        {
            let options = MatrixOptions { unit: Some(unit), ..MatrixOptions::default() };
            assert_eq!(micros(&read("0 2\n2 0", options).expect("valid"), 0, 1), expected);
        }
    }

    #[test]
    fn kings_list_gives_each_pair_once_and_marks_missing_ones_by_minus_one() {
        let text = "topology E2EGraph 3\nfailure_model NullFailureModel\nnode 1\nnode 2\nnode 3\n\n1,2 12000\n1,3 -1\n2,3 90000\n";
        let options = MatrixOptions { missing: Missing::Median, ..MatrixOptions::default() };
        let matrix = read(text, options).expect("valid");
        assert_eq!((micros(&matrix, 0, 1), micros(&matrix, 1, 0)), (12_000, 12_000));
        // Row 1 knows 12 ms, column 3 knows 90 ms.
        assert_eq!(micros(&matrix, 0, 2), 51_000);
        assert_eq!((matrix.bad_cells().negative, matrix.bad_cells().missing), (2, 0), "both directions");
    }

    #[test]
    fn wonder_networks_pings_are_read_by_their_header_and_their_median_counts() {
        let text = "\"source\",\"destination\",\"timestamp\",\"min\",\"avg\",\"max\",\"mdev\"\n\
            \"2\",\"10\",\"2020-07-20 00:00:17.000\",\"1\",\"20.0\",\"9\",\"0.8\"\n\
            \"2\",\"10\",\"2020-07-20 01:00:17.000\",\"1\",\"500.0\",\"9\",\"0.8\"\n\
            \"2\",\"10\",\"2020-07-20 02:00:17.000\",\"1\",\"22.0\",\"9\",\"0.8\"\n\
            \"10\",\"2\",\"2020-07-20 00:00:17.000\",\"1\",\"30.0\",\"9\",\"0.8\"\n";
        let matrix = auto(text);
        assert_eq!(matrix.names(), ["2", "10"]);
        assert_eq!((micros(&matrix, 0, 1), micros(&matrix, 1, 0)), (22_000, 30_000));
        let cities = auto("destination,avg,source\nParis,10,\"Washington, DC\"\n");
        assert_eq!(cities.names(), ["Paris", "Washington, DC"]);
        assert_eq!(micros(&cities, 0, 1), 10_000, "a pair measured in one direction counts for both");
    }

    #[test]
    fn plain_pairs_are_read_on_request() {
        let options = MatrixOptions { format: MatrixFormat::Pairs, ..MatrixOptions::default() };
        let matrix = read("b a 3\na c 4\nc b 5", options).expect("valid");
        assert_eq!(matrix.names(), ["a", "b", "c"]);
        assert_eq!(
            (micros(&matrix, 0, 1), micros(&matrix, 2, 0), micros(&matrix, 1, 2)),
            (3_000, 4_000, 5_000)
        );
    }

    #[test]
    fn gzip_is_told_by_its_first_bytes_and_may_have_several_members() {
        let mut data = gzip("0 7\n");
        data.extend(gzip("8 0\n"));
        let matrix = RoundTrips::read("net.txt", data.as_slice(), MatrixOptions::default()).expect("valid");
        assert_eq!((micros(&matrix, 0, 1), micros(&matrix, 1, 0)), (7_000, 8_000));
    }

    #[test]
    fn missing_cells_are_reported_and_resolved_as_asked() {
        let text = "0 0 80 5\n12 0 - -3\n80 90 0 7\n5 nan 7 0\n";
        let error = read(text, MatrixOptions::default()).expect_err("missing cells");
        assert_eq!(
            error,
            "net.txt: 4 of 12 cells off the diagonal are not positive round trips (2 missing, 1 zero, 1 negative), \
             first: row 1 column 2 (zero), row 2 column 3 (missing), row 2 column 4 (negative), row 4 column 2 \
             (missing); valid is a positive round trip in every cell off the diagonal, or missing = \"median\" or \
             \"drop-node\""
        );
        let drop =
            read(text, MatrixOptions { missing: Missing::Drop, ..MatrixOptions::default() }).expect("valid");
        assert_eq!(drop.names(), ["1", "3", "4"]);
        assert_eq!(drop.bad_cells().dropped_rows, [2]);
        assert_eq!((micros(&drop, 0, 1), micros(&drop, 0, 2), micros(&drop, 1, 2)), (80_000, 5_000, 7_000));
        let median = read(text, MatrixOptions { missing: Missing::Median, ..MatrixOptions::default() })
            .expect("valid");
        assert_eq!(median.bad_cells().count(), 4);
        // Row 1 knows 80 and 5 (lower median 5), column 2 knows 90.
        assert_eq!(micros(&median, 0, 1), 47_500);
        // The first row's missing end and a trailing separator look alike; the second row tells.
        let end = read(
            "0,1,\n1,0,2\n,2,0\n",
            MatrixOptions { missing: Missing::Median, ..MatrixOptions::default() },
        );
        assert_eq!(end.expect("valid").bad_cells().missing, 2);
    }

    #[test]
    fn each_mistake_gets_its_message() {
        let square = MatrixOptions::default();
        let king = MatrixOptions { format: MatrixFormat::King, ..square };
        let wonder = MatrixOptions { format: MatrixFormat::WonderNetwork, ..square };
        let drop = MatrixOptions { missing: Missing::Drop, ..square };
        let median = MatrixOptions { missing: Missing::Median, ..square };
        let seconds = MatrixOptions { unit: Some(TimeUnit::Seconds), ..square };
        let table: &[(&str, MatrixOptions, &str)] = &[
            ("", square, "net.txt: holds no values"),
            ("\n\n# nothing\n", square, "net.txt: holds no values"),
            ("a b c\n", square, "net.txt: holds no values"),
            ("5\n", square, "net.txt: holds one row"),
            ("0 1 2\n1 0\n2 1 0\n", square, "net.txt:2: has 2 values where 3 are expected"),
            ("0 1\n1 0\n2 2\n", square, "net.txt:3: 3 rows of 2 values are not a square matrix"),
            (
                "0 1 2\n1 0 3\n",
                square,
                "net.txt: 2 rows of 3 values are not a square matrix; if this is a list",
            ),
            ("0 1\n# x\n1 abc\n", square, "net.txt:3:2: `abc` is not a number; valid is"),
            ("x 1\n1 0\n", square, "net.txt:1:1: `x` is not a number"),
            (
                "0 -4\n4 0\n",
                square,
                "net.txt: 1 of 2 cells off the diagonal are not positive round trips (0 missing, 0 zero, 1 negative), first: row 1 column 2 (negative)",
            ),
            ("0 0\n0 0\n", median, "net.txt: 2 of 2 cells"),
            (
                "0 -\n- 0\n",
                drop,
                "net.txt: 2 of 2 cells off the diagonal are not positive round trips (2 missing, 0 zero, 0 negative), first: row 1 column 2 (missing), row 2 column 1 (missing); without them",
            ),
            (
                "0 1e9\n1 0\n",
                square,
                "net.txt:1:2: `1e9` (ms) is longer than 30s, the longest round trip accepted; is the unit right?",
            ),
            ("0 80\n80 0\n", seconds, "net.txt:1:2: `80` (s) is longer"),
            (
                ",a,b\na,0,1\nc,1,0\n",
                square,
                "net.txt:3:1: the row is named `c`, the column of that position `b`",
            ),
            ("a b\n0 1 2\n1 0 2\n2 2 0\n", square, "net.txt: has 3 values where 2 are expected"),
            ("1,2\n", king, "net.txt:1: `1,2` is not a measurement; valid is `from to time`"),
            ("node 1\n1,2 x\n", king, "net.txt:2:3: `x` is not a number"),
            ("node 1\nnode 2\n", king, "net.txt: holds no values"),
            ("source,destination\n1,2\n", wonder, "net.txt:1: the header has no column `avg`"),
            ("source,destination,avg\n1,2\n", wonder, "net.txt:2: has 2 values where 3 are expected"),
            ("source,destination,avg\n1,2,x\n", wonder, "net.txt:2:3: `x` is not a number"),
            ("source,destination,avg\n", wonder, "net.txt: holds no values"),
            ("", wonder, "net.txt:1: the header has no column `source`"),
            ("", king, "net.txt: holds no values"),
        ];
        for (text, options, expected) in table {
            let error = read(text, *options).expect_err(text);
            assert!(error.starts_with(expected), "{text:?}\n  gave     {error}\n  expected {expected}");
        }
    }

    #[test]
    fn damaged_files_are_told_from_wrong_ones() {
        let rows =
            |i: u32| (0..40).map(|j| format!("{} ", 1 + (i * 7919 + j * 104_729) % 997)).collect::<String>();
        let whole = gzip(&(0..40).map(|i| rows(i) + "\n").collect::<String>());
        assert!(RoundTrips::read("net.gz", whole.as_slice(), MatrixOptions::default()).is_ok());
        // In the middle, and in the check sum at the end, when all values have been read.
        for length in [20, whole.len() / 2, whole.len() - 3] {
            let cut = RoundTrips::read("net.gz", &whole[..length], MatrixOptions::default());
            let message = cut.expect_err("truncated").to_string();
            assert!(message.starts_with("net.gz: the gzip data is truncated or damaged"), "{message}");
        }
        let binary = RoundTrips::read("net", &[0xff, 0xfe, 0x00, b'\n'][..], MatrixOptions::default());
        assert!(binary.expect_err("binary").to_string().starts_with("net:1: is not UTF-8 text"));
        let long = "1 ".repeat(1 << 20);
        let long = RoundTrips::read("net", long.as_bytes(), MatrixOptions::default());
        assert!(long.expect_err("long").to_string().starts_with("net:1: is longer than 1048576 bytes"));
        let absent = RoundTrips::read_file(Path::new("no/such/file"), MatrixOptions::default());
        assert!(absent.expect_err("absent").to_string().starts_with("no/such/file: cannot be read"));
    }
}
