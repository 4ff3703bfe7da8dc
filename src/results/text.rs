//! Numbers as a person reads them.

/// A count with its digits in groups of three: `15 000`.
pub fn count(number: f64) -> String {
    let digits = format!("{:.0}", libm::round(number));
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits.as_str()), |rest| ("-", rest));
    let mut text = String::from(sign);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// A share as per cent with two decimals at most, cut and not rounded: `100 %` means all.
pub fn share(share: f64) -> String {
    // A hundred-thousandth of a hundredth makes up for shares such as 0.57 that binary digits miss by less.
    let hundredths = libm::floor(share * 10_000.0 + 1e-7) / 100.0;
    let text = format!("{hundredths:.2}");
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A time given in microseconds, to about three digits: `850 µs`, `8.4 ms`, `182 ms`, `1.43 s`, `12 min 5 s`.
pub fn micros(micros: f64) -> String {
    if micros == f64::INFINITY {
        return "never".into();
    }
    let size = micros.abs();
    if size < 0.5 {
        "0 ms".into()
    } else if size < 999.5 {
        format!("{micros:.0} µs")
    } else if size < 9_950.0 {
        format!("{:.1} ms", micros / 1e3)
    } else if size < 999_500.0 {
        format!("{:.0} ms", micros / 1e3)
    } else if size < 9_995_000.0 {
        format!("{:.2} s", micros / 1e6)
    } else if size < 99_950_000.0 {
        format!("{:.1} s", micros / 1e6)
    } else {
        let seconds = libm::round(micros / 1e6);
        let minutes = libm::floor(seconds / 60.0);
        format!("{minutes:.0} min {:.0} s", seconds - 60.0 * minutes)
    }
}

/// A ratio or a mean with two decimals, or fewer where it is large.
pub fn ratio(number: f64) -> String {
    match number.abs() {
        0.0..10.0 => format!("{number:.2}"),
        10.0..100.0 => format!("{number:.1}"),
        _ => count(number),
    }
}

/// An instant in microseconds since the start as minutes and seconds: `3:00`.
pub fn clock(micros: i64) -> String {
    let seconds = micros.div_euclid(1_000_000);
    let sign = if seconds < 0 { "-" } else { "" };
    format!("{sign}{}:{:02}", seconds.unsigned_abs() / 60, seconds.unsigned_abs() % 60)
}

/// Lines of cells under each other, the first to the left and the rest to the right, two spaces between.
pub fn table(rows: &[Vec<String>]) -> String {
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let mut out = String::new();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            let width = width(column).unwrap_or(0);
            if column == 0 {
                out.push_str(&format!("{cell:<width$}"));
            } else {
                out.push_str(&format!("  {cell:>width$}"));
            }
        }
        out.truncate(out.trim_end_matches(' ').len());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            [0.0, 999.0, 15_000.0, 1_234_567.4, -1_000.0].map(count),
            ["0", "999", "15 000", "1 234 567", "-1 000"]
        );
        assert_eq!(
            [1.0, 0.99998, 0.9999, 0.57, 0.0, 0.5].map(share),
            ["100 %", "99.99 %", "99.99 %", "57 %", "0 %", "50 %"]
        );
        assert_eq!(
            [
                0.0,
                850.0,
                999.7,
                8_400.0,
                9_960.0,
                182_400.0,
                999_800.0,
                1_431_000.0,
                12_340_000.0,
                725_000_000.0,
                f64::INFINITY
            ]
            .map(micros),
            [
                "0 ms",
                "850 µs",
                "1.0 ms",
                "8.4 ms",
                "10 ms",
                "182 ms",
                "1.00 s",
                "1.43 s",
                "12.3 s",
                "12 min 5 s",
                "never"
            ]
        );
        assert_eq!([1.0, 1.016, 43.21, 1234.0].map(ratio), ["1.00", "1.02", "43.2", "1 234"]);
        assert_eq!(
            [180_000_000, 59_999_999, -1, 3_600_000_000].map(clock),
            ["3:00", "0:59", "-0:01", "60:00"]
        );
    }

    #[test]
    fn columns_line_up() {
        let rows =
            [["phase", "ok"], ["überlang", "1 µs"], ["x", ""]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(table(&rows), "phase       ok\nüberlang  1 µs\nx\n");
    }
}
