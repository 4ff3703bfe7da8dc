//! Secrets as they are sent. Their values are never shown.

use super::null_as_default;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The body of `POST`, `PUT` and `DELETE /system/secrets`, and an element of their list (without a value).
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Secret {
    /// Its name.
    pub name: String,
    /// The namespace; empty: the default one.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Its value as text.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// Its value as bytes in base64; counts where it is given.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub raw_value: String,
}

impl Secret {
    /// The same secret without its value.
    pub fn without_value(&self) -> Self {
        Secret { name: self.name.clone(), namespace: self.namespace.clone(), ..Secret::default() }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret")
            .field("name", &self.name)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_neither_listed_nor_logged() {
        let sent = r#"{"name":"s3","value":"hunter2","rawValue":"aHVudGVyMg=="}"#;
        let secret: Secret = serde_json::from_str(sent).unwrap();
        assert_eq!(secret.value, "hunter2");
        assert_eq!(serde_json::to_string(&secret.without_value()).unwrap(), r#"{"name":"s3"}"#);
        assert!(!format!("{secret:?}").contains("hunter2"));
    }
}
