//! What is printed: tables for people, JSON for programs.

use super::failure::Failure;
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;
use std::io::Write;
use std::time::Duration;

/// Prints to standard output; a reader that has gone away is no error.
pub(super) fn print(bytes: impl AsRef<[u8]>) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes.as_ref()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::other(error)),
        _ => Ok(()),
    }
}

/// Prints a value as JSON.
pub(super) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(Failure::other)?;
    print(text + "\n")
}

/// A table with a head and without lines. `numbers` are the columns that are aligned to the right.
pub(super) fn table(head: &[&str], numbers: &[usize], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_preset(NOTHING).set_header(head.iter().copied());
    for row in rows {
        table.add_row(row);
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if numbers.contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A time as people read it: three digits and a unit.
pub(super) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    let (value, unit) = match seconds {
        _ if seconds < 1e-3 => return format!("{:.0} µs", seconds * 1e6),
        _ if seconds < 1.0 => (seconds * 1e3, "ms"),
        _ => (seconds, "s"),
    };
    match value {
        _ if value < 10.0 => format!("{value:.2} {unit}"),
        _ if value < 100.0 => format!("{value:.1} {unit}"),
        _ => format!("{value:.0} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_have_aligned_columns_and_no_lines() {
        let rows = [vec!["resize".to_owned(), "1".to_owned()], vec!["f".to_owned(), "1200".to_owned()]];
        insta::assert_snapshot!(table(&["function", "calls"], &[1], rows), @r"
        function  calls
        resize        1
        f          1200
        ");
    }

    #[test]
    fn times_have_three_digits() {
        let shown = |micros| duration(Duration::from_micros(micros));
        assert_eq!(shown(7), "7 µs");
        assert_eq!(shown(1_234), "1.23 ms");
        assert_eq!(shown(12_345), "12.3 ms");
        assert_eq!(shown(123_456), "123 ms");
        assert_eq!(shown(1_500_000), "1.50 s");
    }
}
