//! What follows a function's name in a path: it goes through as it came, and never leaves the function.
//!
//! A gateway behind us may decode and normalise paths, once or several times, and may take a backslash for a slash.
//! `/function/resize/../../system/functions` would then be its administration. So a path that has a dot segment under
//! any reading is refused rather than repaired: nobody needs one, and what is not changed is passed on untouched.

use http::uri::PathAndQuery;
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
    /// A character that a URI cannot have, or that would be cut off with what follows it.
    #[error(
        "the path or query has a character that a URI cannot have, such as `\\`, `#` or a blank: write it as %5C, %23, %20"
    )]
    Character,
}

/// Checks what follows a function's name, as it was received: `path` is empty, or `/` and more; `query` is what follows
/// the `?`.
///
/// # Errors
/// [`PathError`] says what to write instead.
pub fn check(path: &str, query: Option<&str>) -> Result<(), PathError> {
    // Most calls have neither.
    if path.is_empty() && query.is_none() {
        return Ok(());
    }
    if !path.is_empty() && !path.starts_with('/') {
        return Err(PathError::Relative);
    }
    let mut bytes = path.as_bytes().to_vec();
    for _ in 0..DECODINGS_MAX {
        check_reading(&bytes)?;
        let decoded: Vec<u8> = percent_decode(&bytes).collect();
        if decoded == bytes {
            return check_characters(path, query);
        }
        bytes = decoded;
    }
    Err(PathError::Encoding)
}

/// As parts of a URI: what cannot be sent on as it is would be changed or cut off on the way.
fn check_characters(path: &str, query: Option<&str>) -> Result<(), PathError> {
    if path.contains(['\\', '#', '?']) || query.is_some_and(|query| query.contains('#')) {
        return Err(PathError::Character);
    }
    let whole = match query {
        Some(query) => format!("/f{path}?{query}"),
        None => format!("/f{path}"),
    };
    whole.parse::<PathAndQuery>().map(drop).map_err(|_| PathError::Character)
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
            "/a%5cb",
        ] {
            assert_eq!(check(path, Some("x=%2e%2e/..&y")), Ok(()), "{path}");
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
            assert_eq!(check(path, None), Err(PathError::DotSegment), "{path}");
        }
    }

    #[test]
    fn disguises_that_only_broken_decoders_accept_are_refused() {
        assert_eq!(check("/%c0%ae%c0%ae/x", None), Err(PathError::Encoding));
        assert_eq!(check("/..%c0%af", None), Err(PathError::Encoding));
        assert_eq!(check("/%00", None), Err(PathError::Control));
        assert_eq!(check("/a%0d%0aX: y", None), Err(PathError::Control));
        assert_eq!(check("/a%250a", None), Err(PathError::Control));
        let nested = format!("/%{}2e", "25".repeat(40));
        assert_eq!(check(&nested, None), Err(PathError::Encoding));
    }

    #[test]
    fn addresses_and_fragments_are_refused() {
        for path in ["http://127.0.0.1/x", "x", "@evil.example", ":8080/x", ".."] {
            assert_eq!(check(path, None), Err(PathError::Relative), "{path}");
        }
        for (path, query) in
            [("/a#b", None), ("/a\\b", None), ("/a b", None), ("/a?b", None), ("/a", Some("b#c"))]
        {
            assert_eq!(check(path, query), Err(PathError::Character), "{path} {query:?}");
        }
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
            prop_assert!(check(&path, None).is_err(), "{path}");
        }

        /// What passes stays below the function for a gateway that decodes and then normalises.
        #[test]
        fn what_passes_stays_inside(path in "/[a-z./%2e5cf\\\\;]{0,24}") {
            if check(&path, None).is_ok() {
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
