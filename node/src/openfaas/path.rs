//! What follows a function's name in a path: it goes through as it came, and never leaves the function.
//!
//! A gateway behind us may decode and normalise paths, once or several times, and may take a backslash for a slash.
//! `/function/resize/../../system/functions` would then be its administration. So a path that has a dot segment under
//! any reading is refused rather than repaired: nobody needs one, and what is not changed is passed on untouched.

use percent_encoding::percent_decode;

/// How often a path is decoded: each layer of `%25` needs a decoder more behind us. A path that still changes then is
/// refused.
const DECODINGS_MAX: usize = 8;

/// Why a path is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// A segment `.` or `..`, plain or in disguise.
    #[error(
        "the path has a `.` or `..` segment (plain, encoded or behind a backslash), which could leave the function"
    )]
    DotSegment,
    /// A control character, plain or encoded.
    #[error("the path has a control character (plain or encoded)")]
    Control,
    /// An encoding that only a broken decoder accepts.
    #[error("the path has an overlong or too deeply nested encoding")]
    Encoding,
    /// It does not begin with a slash.
    #[error("the path has to begin with `/`: what is behind the function's name, not an address")]
    Relative,
    /// A fragment.
    #[error("the path has a `#`: write it as %23")]
    Fragment,
}

/// Checks what follows a function's name, as it was received: empty, or `/` and more. The query is no part of it.
pub fn check(path: &str) -> Result<(), PathError> {
    if path.is_empty() {
        return Ok(());
    }
    if !path.starts_with('/') {
        return Err(PathError::Relative);
    }
    if path.contains('#') {
        return Err(PathError::Fragment);
    }
    let mut bytes = path.as_bytes().to_vec();
    for _ in 0..DECODINGS_MAX {
        check_reading(&bytes)?;
        let decoded: Vec<u8> = percent_decode(&bytes).collect();
        if decoded == bytes {
            return Ok(());
        }
        bytes = decoded;
    }
    Err(PathError::Encoding)
}

/// Checks one reading of a path.
fn check_reading(bytes: &[u8]) -> Result<(), PathError> {
    if bytes.iter().any(|byte| byte.is_ascii_control()) {
        return Err(PathError::Control);
    }
    // Never part of UTF-8: an overlong `.` or `/` begins with one of these.
    if bytes.iter().any(|byte| matches!(byte, 0xC0 | 0xC1)) {
        return Err(PathError::Encoding);
    }
    let dots = |segment: &[u8]| {
        // Some servers take what is behind a `;` for a parameter of the segment, others trim blanks.
        let name = segment.split(|byte| *byte == b';').next().unwrap_or(segment).trim_ascii();
        matches!(name, b"." | b"..")
    };
    match bytes.split(|byte| matches!(byte, b'/' | b'\\')).any(dots) {
        true => Err(PathError::DotSegment),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
    use proptest::prelude::*;

    #[test]
    fn ordinary_paths_pass() {
        for path in [
            "",
            "/",
            "/a",
            "/a/b/",
            "/a//b",
            "/a%2Fb",
            "/%20",
            "/a.b",
            "/..a",
            "/a..",
            "/...",
            "/.well-known/x",
            "/http://example.com/x",
            "/ä",
            "/%E2%82%AC",
            "/a;b=c",
            "/100%",
            "/%zz",
            "/a\\b",
            "/a%5cb",
        ] {
            assert_eq!(check(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn paths_that_try_to_leave_the_function_are_refused() {
        for path in [
            "/..",
            "/../",
            "/../../system/functions",
            "/a/../b",
            "/.",
            "/./a",
            "/a/.",
            "/%2e%2e",
            "/%2E%2E/x",
            "/.%2e/x",
            "/%2e./x",
            "/..%2f..%2fsystem",
            "/a%2f..%2fb",
            "/%2e",
            "/..\\..\\system",
            "/a\\..\\b",
            "/..%5c..%5csystem",
            "/%5c%2e%2e%5c",
            "/%252e%252e/x",
            "/%25252e%25252e%25252fx",
            "/..%252fsystem",
            "/..%255csystem",
            "/..;/system",
            "/..;a=b/system",
            "/%2e%2e%3b/system",
            "/..%20/x",
            "/%20../x",
        ] {
            assert_eq!(check(path), Err(PathError::DotSegment), "{path}");
        }
    }

    #[test]
    fn disguises_that_only_broken_decoders_accept_are_refused() {
        assert_eq!(check("/%c0%ae%c0%ae/x"), Err(PathError::Encoding));
        assert_eq!(check("/..%c0%af"), Err(PathError::Encoding));
        assert_eq!(check("/%00"), Err(PathError::Control));
        assert_eq!(check("/a%0d%0aX: y"), Err(PathError::Control));
        assert_eq!(check("/a%250a"), Err(PathError::Control));
        let nested = format!("/%{}2e", "25".repeat(40));
        assert_eq!(check(&nested), Err(PathError::Encoding));
    }

    #[test]
    fn addresses_and_fragments_are_refused() {
        for path in ["http://127.0.0.1/x", "x", "@evil.example", ":8080/x", ".."] {
            assert_eq!(check(path), Err(PathError::Relative), "{path}");
        }
        assert_eq!(check("/a#/../b"), Err(PathError::Fragment));
    }

    const ALL: &AsciiSet = &CONTROLS.add(b'.').add(b'/').add(b'\\').add(b'%').add(b';');

    proptest! {
        /// However often it is encoded and whatever surrounds it, a parent segment is found.
        #[test]
        fn no_encoding_hides_a_parent_segment(
            before in "[a-z%2]{0,6}", after in "[a-z%2]{0,6}", rounds in 0_usize..6,
            left in "[/\\\\]", right in "[/\\\\]",
        ) {
            let mut inner = format!("{left}..{right}");
            for _ in 0..rounds {
                inner = utf8_percent_encode(&inner, ALL).to_string();
            }
            let path = format!("/{before}{inner}{after}");
            prop_assert!(check(&path).is_err(), "{path}");
        }

        /// What passes stays below the function for a gateway that decodes and then normalises.
        #[test]
        fn what_passes_stays_inside(path in "/[a-z./%2e5cf\\\\;]{0,24}") {
            if check(&path).is_ok() {
                let mut reading = path.clone();
                for _ in 0..=DECODINGS_MAX {
                    let mut depth = 0_i32;
                    for segment in reading.replace('\\', "/").split('/') {
                        depth += match segment { "" | "." => 0, ".." => -1, _ => 1 };
                        prop_assert!(depth >= 0, "{path}");
                    }
                    reading = percent_decode(reading.as_bytes()).decode_utf8_lossy().into_owned();
                }
            }
        }
    }
}
