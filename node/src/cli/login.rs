//! The login that `faas-cli login` stored.

use super::failure::Failure;
use crate::runtime::Credentials;
use base64::Engine;
use serde::Deserialize;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

#[derive(Debug, Default, Deserialize)]
struct File {
    #[serde(default)]
    auths: Vec<Auth>,
}

#[derive(Debug, Deserialize)]
struct Auth {
    #[serde(default)]
    gateway: String,
    #[serde(default)]
    auth: String,
    #[serde(default)]
    token: String,
}

/// The file: in the folder that OPENFAAS_CONFIG names, else in ~/.openfaas.
pub(super) fn path(environment: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let folder = match environment("OPENFAAS_CONFIG").filter(|folder| !folder.is_empty()) {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(&environment("HOME")?).join(".openfaas"),
    };
    Some(folder.join("config.yml"))
}

/// The login for a URL, if there is one in the file.
pub(super) fn read(path: &Path, url: &str) -> Result<Option<Credentials>, Failure> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::Input(format!("{}: {error}", path.display()))),
    };
    let wrong =
        |what: String| Failure::Input(format!("{}: {what}; `faas-cli login` writes it anew", path.display()));
    // An empty file is no login.
    let file: Option<File> = serde_norway::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let same = |auth: &&Auth| auth.gateway.trim_end_matches('/') == url.trim_end_matches('/');
    let auths = file.unwrap_or_default().auths;
    let Some(auth) = auths.iter().find(same) else { return Ok(None) };
    if auth.auth != "basic" {
        return Err(wrong(format!(
            "the login for {url} is of the sort {:?}, and only basic is known here",
            auth.auth
        )));
    }
    let token = base64::engine::general_purpose::STANDARD.decode(auth.token.trim()).ok();
    let token = token.and_then(|token| String::from_utf8(token).ok());
    let parts = token.as_ref().and_then(|token| token.split_once(':'));
    match parts {
        Some((user, password)) => {
            Ok(Some(Credentials { user: user.to_owned(), password: password.to_owned() }))
        }
        None => Err(wrong(format!("the token for {url} is not user:password in base64"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str, url: &str) -> Result<Option<Credentials>, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yml");
        std::fs::write(&file, text).unwrap();
        read(&file, url).map_err(|failure| failure.message().unwrap_or_default().to_owned())
    }

    const FILE: &str = "auths:\n\
        - gateway: http://10.0.0.1:8080\n  auth: basic\n  token: YWRtaW46YTpi\n\
        - gateway: https://edge.example\n  auth: oauth2\n  token: x\n\
        - gateway: http://127.0.0.1:1\n  auth: basic\n  token: '!'\n";

    #[test]
    fn a_login_is_found_by_its_url() {
        let wanted = Credentials { user: "admin".to_owned(), password: "a:b".to_owned() };
        assert_eq!(read_text(FILE, "http://10.0.0.1:8080/"), Ok(Some(wanted)));
        assert_eq!(read_text(FILE, "http://10.0.0.2:8080"), Ok(None));
        assert_eq!(read_text("", "http://10.0.0.2:8080"), Ok(None));
        assert!(read(Path::new("/nowhere/config.yml"), "x").is_ok_and(|found| found.is_none()));
    }

    #[test]
    fn what_cannot_be_used_is_said() {
        for (text, url, part) in [
            (FILE, "https://edge.example", "oauth2"),
            (FILE, "http://127.0.0.1:1", "base64"),
            ("auths: 3", "x", "config.yml"),
        ] {
            assert!(read_text(text, url).is_err_and(|error| error.contains(part)), "{url}");
        }
    }

    #[test]
    fn the_file_is_where_faas_cli_has_it() {
        let with = |name: &'static str, value: &'static str| {
            path(move |asked| (asked == name).then(|| OsString::from(value)))
        };
        assert_eq!(with("HOME", "/home/ada"), Some(PathBuf::from("/home/ada/.openfaas/config.yml")));
        assert_eq!(with("OPENFAAS_CONFIG", "/etc/faas"), Some(PathBuf::from("/etc/faas/config.yml")));
        assert_eq!(with("X", "y"), None);
    }
}
