//! Secrets of the built-in runtime. No function of its reads one; they are kept so that clients that make secrets
//! before they deploy work against it.

use crate::openfaas::{DEFAULT_NAMESPACE, Secret};
use crate::runtime::{RuntimeError, RuntimeErrorKind, SecretOperation};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The longest name, and the largest value in bytes, of a secret: Kubernetes' limits.
const NAME_MAX: usize = 253;
const VALUE_MAX: usize = 1 << 20;
/// How many there may be.
const SECRETS_MAX: usize = 10_000;

/// Secrets by namespace and name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Secret>", into = "Vec<Secret>")]
pub(super) struct Secrets(BTreeMap<(String, String), Secret>);

impl From<Vec<Secret>> for Secrets {
    fn from(secrets: Vec<Secret>) -> Self {
        Secrets(secrets.into_iter().map(|secret| (key(&secret.namespace, &secret.name), secret)).collect())
    }
}

impl From<Secrets> for Vec<Secret> {
    fn from(secrets: Secrets) -> Self {
        secrets.0.into_values().collect()
    }
}

fn key(namespace: &str, name: &str) -> (String, String) {
    let namespace = if namespace.is_empty() { DEFAULT_NAMESPACE } else { namespace };
    (namespace.to_owned(), name.to_owned())
}

impl Secrets {
    pub(super) fn contains(&self, namespace: &str, name: &str) -> bool {
        self.0.contains_key(&key(namespace, name))
    }

    /// Carries an operation out. Only a list has an answer.
    pub(super) fn apply(&mut self, operation: SecretOperation) -> Result<Vec<Secret>, RuntimeError> {
        match operation {
            SecretOperation::List { namespace } => {
                let (namespace, _) = key(namespace.as_deref().unwrap_or_default(), "");
                let of_it = self.0.iter().filter(|((of, _), _)| *of == namespace);
                return Ok(of_it.map(|(_, secret)| secret.without_value()).collect());
            }
            SecretOperation::Create(secret) => {
                check(&secret)?;
                let key = key(&secret.namespace, &secret.name);
                if self.0.contains_key(&key) {
                    return Err(RuntimeError::new(
                        RuntimeErrorKind::Exists,
                        format!("there is a secret {:?} already: PUT changes it", secret.name),
                    ));
                }
                if self.0.len() >= SECRETS_MAX {
                    return Err(RuntimeError::new(
                        RuntimeErrorKind::Invalid,
                        format!("there are {SECRETS_MAX} secrets already, the most that are kept"),
                    ));
                }
                self.0.insert(key, secret);
            }
            SecretOperation::Update(secret) => {
                check(&secret)?;
                let Some(known) = self.0.get_mut(&key(&secret.namespace, &secret.name)) else {
                    return Err(missing(&secret.name));
                };
                *known = secret;
            }
            SecretOperation::Delete(secret) => {
                let removed = self.0.remove(&key(&secret.namespace, &secret.name));
                removed.ok_or_else(|| missing(&secret.name))?;
            }
        }
        Ok(Vec::new())
    }
}

fn missing(name: &str) -> RuntimeError {
    RuntimeError::new(RuntimeErrorKind::NotFound, format!("there is no secret {name:?}"))
}

fn check(secret: &Secret) -> Result<(), RuntimeError> {
    // A secret is a file of its name in the function's container.
    let named = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let name = &secret.name;
    let dots = name.bytes().all(|byte| byte == b'.');
    if name.len() > NAME_MAX || dots || !name.bytes().all(named) {
        return Err(RuntimeError::new(
            RuntimeErrorKind::Invalid,
            format!(
                "{name:?} is no name of a secret: 1 to {NAME_MAX} letters, digits, `-`, `_` and `.` make one"
            ),
        ));
    }
    if secret.value.len() > VALUE_MAX || secret.raw_value.len() > VALUE_MAX * 4 / 3 + 4 {
        return Err(RuntimeError::new(
            RuntimeErrorKind::Invalid,
            format!("the value of {name:?} is larger than the {VALUE_MAX} bytes that a secret may have"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(name: &str, value: &str) -> Secret {
        Secret { name: name.to_owned(), value: value.to_owned(), ..Secret::default() }
    }

    fn kind(result: Result<Vec<Secret>, RuntimeError>) -> Option<RuntimeErrorKind> {
        result.err().map(|error| error.kind)
    }

    #[test]
    fn secrets_are_made_changed_listed_without_values_and_removed() {
        let mut secrets = Secrets::default();
        assert_eq!(secrets.apply(SecretOperation::Create(secret("s3", "a"))), Ok(vec![]));
        assert_eq!(
            kind(secrets.apply(SecretOperation::Create(secret("s3", "b")))),
            Some(RuntimeErrorKind::Exists)
        );
        assert_eq!(secrets.apply(SecretOperation::Update(secret("s3", "c"))), Ok(vec![]));
        let list = SecretOperation::List { namespace: Some(DEFAULT_NAMESPACE.to_owned()) };
        assert_eq!(secrets.apply(list.clone()), Ok(vec![secret("s3", "")]));
        let kept: Secrets = serde_json::from_str(&serde_json::to_string(&secrets).unwrap()).unwrap();
        assert_eq!(kept, secrets);
        assert_eq!(secrets.apply(SecretOperation::Delete(secret("s3", ""))), Ok(vec![]));
        assert_eq!(secrets.apply(list), Ok(vec![]));
        for operation in
            [SecretOperation::Update(secret("s3", "d")), SecretOperation::Delete(secret("s3", ""))]
        {
            assert_eq!(kind(secrets.apply(operation)), Some(RuntimeErrorKind::NotFound));
        }
    }

    #[test]
    fn a_name_is_no_path() {
        for name in ["", "..", "a/b", "a b", "\0"] {
            let made = Secrets::default().apply(SecretOperation::Create(secret(name, "x")));
            assert_eq!(kind(made), Some(RuntimeErrorKind::Invalid), "{name:?}");
        }
    }
}
