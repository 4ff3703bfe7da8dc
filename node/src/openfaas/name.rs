//! Names of functions: which are valid, and how a namespace is part of them.

use std::fmt;

/// The namespace of functions that name none.
pub const DEFAULT_NAMESPACE: &str = "openfaas-fn";

/// The longest name of a function and of a namespace: a DNS label.
const LABEL_MAX: usize = 63;

/// A function's name. Outside of the default namespace it carries the namespace: `resize.staging`.
///
/// Its text is what the function is announced and looked up under, and what stands in `/function/{name}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunctionName {
    text: String,
    service_len: usize,
}

/// Why a text is no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It has other characters than names have.
    #[error("{0:?} is not a function name: letters, digits, `-`, `_`, and a `.` before a namespace make one")]
    Characters(String),
    /// It is empty or too long.
    #[error("{0:?} is not a function name: name and namespace have 1 to {LABEL_MAX} characters each")]
    Length(String),
    /// A new function's name is not a DNS label.
    #[error(
        "{0:?} cannot be deployed: a name has 1 to {LABEL_MAX} lower-case letters, digits and `-`, and begins and \
         ends with a letter or digit"
    )]
    Deploy(String),
}

impl FunctionName {
    /// Reads a name as it stands in a path: `resize`, or `resize.staging` for one of the namespace `staging`. The
    /// default namespace is left out of it.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let (service, namespace) = match text.rsplit_once('.') {
            Some((service, namespace)) => (service, namespace),
            None => (text, ""),
        };
        let named =
            |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if !named(service) || !named(namespace) {
            return Err(NameError::Characters(text.to_owned()));
        }
        let length = |part: &str| (1..=LABEL_MAX).contains(&part.len());
        if !length(service) || (text.contains('.') && !length(namespace)) {
            return Err(NameError::Length(text.to_owned()));
        }
        Ok(Self::join(service, namespace))
    }

    /// Reads a name and a namespace as JSON bodies and queries give them; an empty namespace is the default one.
    pub fn new(service: &str, namespace: &str) -> Result<Self, NameError> {
        let name = Self::parse(service)?;
        match namespace {
            "" => Ok(name),
            _ if name.service() != service => Ok(name),
            _ => Self::parse(&format!("{service}.{namespace}")),
        }
    }

    /// As [`FunctionName::new`], for a function that is to be deployed: both parts have to be DNS labels, because
    /// every provider but the most lenient asks for that.
    pub fn deployable(service: &str, namespace: &str) -> Result<Self, NameError> {
        if !is_dns_label(service) || !(namespace.is_empty() || is_dns_label(namespace)) {
            let shown = if is_dns_label(service) { namespace } else { service };
            return Err(NameError::Deploy(shown.to_owned()));
        }
        Ok(Self::join(service, namespace))
    }

    fn join(service: &str, namespace: &str) -> Self {
        let text = match namespace {
            "" | DEFAULT_NAMESPACE => service.to_owned(),
            _ => format!("{service}.{namespace}"),
        };
        FunctionName { text, service_len: service.len() }
    }

    /// The name without its namespace.
    pub fn service(&self) -> &str {
        self.text.get(..self.service_len).unwrap_or(&self.text)
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        self.text.get(self.service_len + 1..).unwrap_or(DEFAULT_NAMESPACE)
    }

    /// The namespace where it is not the default one, else empty: as requests carry it.
    pub fn explicit_namespace(&self) -> &str {
        self.text.get(self.service_len + 1..).unwrap_or_default()
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for FunctionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// True for a name that DNS and Kubernetes take.
pub(crate) fn is_dns_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=LABEL_MAX).contains(&text.len())
        && text.bytes().all(|byte| inner(byte) || byte == b'-')
        && text.bytes().next().is_some_and(inner)
        && text.bytes().last().is_some_and(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Option<(String, String, String)> {
        let name = FunctionName::parse(text).ok()?;
        Some((name.to_string(), name.service().to_owned(), name.namespace().to_owned()))
    }

    #[test]
    fn a_namespace_stands_behind_the_last_dot() {
        let of = |text: &str, service: &str, namespace: &str| {
            Some((text.to_owned(), service.to_owned(), namespace.to_owned()))
        };
        assert_eq!(parts("resize"), of("resize", "resize", "openfaas-fn"));
        assert_eq!(parts("resize.staging"), of("resize.staging", "resize", "staging"));
        assert_eq!(parts("resize.openfaas-fn"), of("resize", "resize", "openfaas-fn"));
        assert_eq!(parts("Fn_1"), of("Fn_1", "Fn_1", "openfaas-fn"));
    }

    #[test]
    fn what_could_be_a_path_is_no_name() {
        let long = "a".repeat(64);
        for text in
            ["", ".", "..", "...", "a..", ".a", "a.", "a.b.c", "a/b", "a%2e", "a b", "é", "a\\b", &long]
        {
            assert!(FunctionName::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_namespace_of_its_own_field_is_the_same_as_one_in_the_name() {
        let name =
            |service: &str, namespace: &str| FunctionName::new(service, namespace).unwrap().to_string();
        assert_eq!(name("f", ""), "f");
        assert_eq!(name("f", "openfaas-fn"), "f");
        assert_eq!(name("f", "staging"), "f.staging");
        assert_eq!(name("f.staging", "other"), "f.staging");
        FunctionName::new("f", "../x").expect_err("no path");
    }

    #[test]
    fn only_dns_labels_are_deployed() {
        assert!(FunctionName::deployable("fn-0b7e", "").is_ok());
        assert!(FunctionName::deployable("f", "staging").is_ok());
        for (service, namespace) in [("F", ""), ("f_1", ""), ("-f", ""), ("f-", ""), ("f.g", ""), ("f", "S")]
        {
            assert!(FunctionName::deployable(service, namespace).is_err(), "{service} {namespace}");
        }
    }
}
