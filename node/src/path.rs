//! Paths that stay within their function.

use http::uri::PathAndQuery;
use percent_encoding::percent_decode_str;

/// How often a path is decoded in the search for what it hides. Each server on the way may decode once.
const DECODINGS: usize = 3;

/// Why a path is not passed on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It is not empty and does not begin with a slash.
    #[error("the path after the function's name is {0:?}; it must be empty or begin with /")]
    Relative(String),
    /// It has a part that names the folder itself or the one above, written out or encoded.
    #[error("the path {0:?} would leave the function: no part of it may be . or .., encoded or not")]
    Leaves(String),
    /// It, or the query, has characters that a URI cannot have.
    #[error("the path or query {0:?} is not allowed in a URI: encode what is special")]
    Invalid(String),
}

/// Refuses a path that is not below its function, and what cannot be part of a URI. `path` is what follows the function's
/// name, `query` what follows the `?`.
///
/// # Errors
/// [`PathError`] says what is wrong with it.
pub fn check(path: &str, query: Option<&str>) -> Result<(), PathError> {
    if !path.is_empty() && !path.starts_with('/') {
        return Err(PathError::Relative(path.to_owned()));
    }
    let mut decoded = path.to_owned();
    for _ in 0..=DECODINGS {
        let dots = |part: &str| {
            // Some servers take `..;x` for `..`.
            let part = part.split(';').next().unwrap_or_default();
            part == "." || part == ".."
        };
        if decoded.split(['/', '\\']).any(dots) || decoded.contains('\0') {
            return Err(PathError::Leaves(path.to_owned()));
        }
        let next = percent_decode_str(&decoded).decode_utf8_lossy().into_owned();
        if next == decoded {
            break;
        }
        decoded = next;
    }
    let whole = match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    // Whole, as it will be put behind the function's name; a fragment would be cut off silently.
    let parsed: Result<PathAndQuery, _> = format!("/f{whole}").parse();
    if parsed.is_err() || whole.contains('#') || path.contains('?') || path.contains('\\') {
        return Err(PathError::Invalid(whole));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_leaves_the_function_is_refused_however_it_is_written() {
        for path in [
            "/..",
            "/../system/functions",
            "/a/../../b",
            "/%2e%2e/x",
            "/.%2e/x",
            "/%252e%252e/x",
            "/a/..%2fb",
            "/..%5cb",
            "/a/./b",
            "/%2e",
            "/..;/x",
            "/a%2f..%2f..%2fsystem",
            "/a\\..\\b",
            "/%00/..",
            "/a%00",
        ] {
            assert!(matches!(check(path, None), Err(PathError::Leaves(_))), "{path}");
        }
        assert!(matches!(check("x", None), Err(PathError::Relative(_))));
        for path in ["/a?b", "/a b", "/a#b", "/a\nb", "/a\\b"] {
            assert!(matches!(check(path, None), Err(PathError::Invalid(_))), "{path}");
        }
        assert!(matches!(check("/a", Some("b#c")), Err(PathError::Invalid(_))));
    }

    #[test]
    fn what_stays_passes() {
        for path in [
            "",
            "/",
            "//",
            "/a/b",
            "/..a",
            "/a..",
            "/...",
            "/a%20b",
            "/%2Fetc",
            "/a;b",
            "/007",
            "/ü%C3%BC".trim_start_matches("/ü"),
        ] {
            let path = if path.starts_with('%') { format!("/{path}") } else { path.to_owned() };
            assert_eq!(check(&path, Some("x=%2e%2e/..&y")), Ok(()), "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_path_that_passes_has_dots_for_a_part(path in "(/|%2f|%2e|\\.|a|%25|;|\\\\){0,12}") {
            if check(&path, None).is_ok() {
                let mut decoded = path;
                for _ in 0..4 {
                    prop_assert!(decoded.split('/').all(|part| part != "." && part != ".."));
                    decoded = percent_decode_str(&decoded).decode_utf8_lossy().into_owned();
                }
            }
        }
    }
}
