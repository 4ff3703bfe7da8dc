//! The settings of a node as a person writes them: a TOML file and `--set KEY=VALUE`, with units on every quantity.

mod keys;
mod value;

pub use keys::{KEYS, Key};

use crate::config::Config;
use crate::http;
use crate::runtime::Credentials;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;
use toml::Value;

/// All settings of a node.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The node on its network.
    pub node: Config,
    /// The HTTP API.
    pub http: http::Settings,
    /// Where the HTTP API listens.
    pub http_listen: SocketAddr,
    /// Serve `/system/…` to other machines although nobody has to give a password.
    pub open: bool,
    /// The files of the user's name and of the password, as OpenFaaS keeps them.
    pub password_file: Option<PathBuf>,
    /// The user that belongs to the password.
    pub user: String,
    /// What runs functions.
    pub runtime: Runtime,
    /// It takes part in an experiment.
    pub experiment: bool,
}

/// What runs functions.
#[derive(Clone, Debug)]
pub struct Runtime {
    /// Which one.
    pub kind: RuntimeKind,
    /// `builtin`: how many calls compute at once; 0: one a core.
    pub cores: usize,
    /// `openfaas`: where the gateway is.
    pub gateway: String,
    /// `openfaas`: the user at the gateway.
    pub gateway_user: String,
    /// `openfaas`: the file of the password at the gateway.
    pub gateway_password_file: Option<PathBuf>,
    /// `openfaas`: how often the gateway is asked what it hosts.
    pub poll_interval: Duration,
    /// `openfaas`: how long the gateway may take to answer such a question.
    pub timeout: Duration,
    /// `openfaas`: calls that one replica runs at once.
    pub concurrency: u32,
    /// `openfaas`: calls of a function that may wait.
    pub queue: u32,
}

/// Which runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuntimeKind {
    /// The functions inside the node.
    Builtin,
    /// An OpenFaaS gateway, or a provider of its API.
    OpenFaas,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            node: Config::default(),
            http: http::Settings::default(),
            http_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            open: false,
            password_file: None,
            user: "admin".to_owned(),
            runtime: Runtime {
                kind: RuntimeKind::Builtin,
                cores: 0,
                gateway: "http://127.0.0.1:8080".to_owned(),
                gateway_user: "admin".to_owned(),
                gateway_password_file: None,
                poll_interval: Duration::from_secs(5),
                timeout: Duration::from_secs(10),
                concurrency: 100,
                queue: 1_000,
            },
            experiment: false,
        }
    }
}

impl Settings {
    /// Takes over what a TOML text says.
    ///
    /// # Errors
    /// A sentence with the line, or the key, and what would be right.
    pub fn read(&mut self, text: &str) -> Result<(), String> {
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
        for (section, value) in &table {
            let Value::Table(keys) = value else {
                return Err(format!("{section}: every setting stands in a section, such as [network]"));
            };
            for (name, value) in keys {
                self.set_value(&format!("{section}.{name}"), value)?;
            }
        }
        Ok(())
    }

    /// Sets one key to a value as the command line writes it: a TOML value, or a text without quotes.
    ///
    /// # Errors
    /// A sentence with the key and what would be right.
    pub fn set(&mut self, key: &str, text: &str) -> Result<(), String> {
        let value =
            format!("value = {text}").parse::<toml::Table>().ok().and_then(|mut table| table.remove("value"));
        self.set_value(key, &value.unwrap_or_else(|| Value::String(text.to_owned())))
    }

    fn set_value(&mut self, name: &str, value: &Value) -> Result<(), String> {
        let Some(key) = KEYS.iter().find(|key| key.name == name) else {
            let (section, _) = name.split_once('.').unwrap_or((name, ""));
            let near: Vec<&str> = KEYS
                .iter()
                .map(|key| key.name)
                .filter(|key| key.split('.').next() == Some(section))
                .collect();
            let valid = match near.as_slice() {
                [] => "sections are network, limits, timeouts, http, runtime, calls, kademlia and experiment"
                    .to_owned(),
                keys => format!("[{section}] has {}", keys.join(", ")),
            };
            return Err(format!("{name} is no setting; {valid}"));
        };
        (key.set)(self, value).map_err(|error| format!("{name}: {error}"))
    }

    /// Who may use `/system/…`: the user with the password in the file.
    ///
    /// # Errors
    /// The file cannot be read, or the API would be open to other machines without anybody having said so.
    pub fn credentials(&self) -> Result<Option<Credentials>, String> {
        let Some(path) = &self.password_file else {
            if self.open || self.http_listen.ip().is_loopback() {
                return Ok(None);
            }
            return Err(format!(
                "{} can be reached from other machines, and whoever does could deploy functions: give a password \
                 (http.password_file), listen on 127.0.0.1 (http.listen), or say that it is meant (http.open = true)",
                self.http_listen
            ));
        };
        read_password(&self.user, path).map(Some)
    }

    /// The user and password at the gateway behind this node.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn gateway_credentials(&self) -> Result<Option<Credentials>, String> {
        let path = self.runtime.gateway_password_file.as_ref();
        path.map(|path| read_password(&self.runtime.gateway_user, path)).transpose()
    }
}

fn read_password(user: &str, path: &PathBuf) -> Result<Credentials, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let password = text.trim_end_matches(['\r', '\n']).to_owned();
    if password.is_empty() {
        return Err(format!("{}: there is no password in it", path.display()));
    }
    Ok(Credentials { user: user.to_owned(), password })
}

#[cfg(test)]
mod tests {
    use super::*;
    use edge_faas_core::faas::AnycallPolicy;

    #[test]
    fn a_file_is_read_with_its_units() {
        let mut settings = Settings::default();
        settings
            .read(
                r#"
                [network]
                listen = ["/ip4/0.0.0.0/tcp/4001", "/ip4/0.0.0.0/udp/4001/quic-v1"]
                mdns = true
                [limits]
                request_body = "1GiB"
                streams = 100
                [timeouts]
                call = "90s"
                [http]
                listen = "127.0.0.1:9000"
                [runtime]
                kind = "openfaas"
                gateway = "http://10.0.0.1:8080"
                [calls]
                policy = "nearest"
                cache_ttl = "2min"
                "#,
            )
            .unwrap();
        assert_eq!(settings.node.network.listen.len(), 2);
        assert!(settings.node.network.mdns);
        assert_eq!(settings.node.limits.request_body, 1 << 30);
        assert_eq!(settings.node.limits.streams, 100);
        assert_eq!(settings.node.timeouts.call, Duration::from_secs(90));
        assert_eq!(settings.http_listen.port(), 9_000);
        assert_eq!(settings.runtime.kind, RuntimeKind::OpenFaas);
        assert_eq!(settings.node.core.faas.anycall, AnycallPolicy::Nearest);
        settings.set("timeouts.call", "5s").unwrap();
        settings.set("limits.streams", "7").unwrap();
        settings.set("network.mdns", "false").unwrap();
        assert_eq!(settings.node.timeouts.call, Duration::from_secs(5));
        assert_eq!((settings.node.limits.streams, settings.node.network.mdns), (7, false));
    }

    #[test]
    fn mistakes_name_the_key_and_what_would_be_right() {
        let error = |text: &str| Settings::default().read(text).expect_err(text);
        for (text, parts) in [
            ("[network]\nlisten = 3", &["network.listen", "list"][..]),
            ("[network]\nlisten = [\"127.0.0.1:1\"]", &["network.listen", "127.0.0.1:1", "/ip4/"]),
            ("[network]\nbootstrap = [\"/ip4/127.0.0.1/tcp/1\"]", &["network.bootstrap", "/p2p/"]),
            ("[timeouts]\ncall = \"5\"", &["timeouts.call", "no unit"]),
            ("[timeouts]\ncall = 5", &["timeouts.call", "text"]),
            ("[limits]\nstreams = -1", &["limits.streams"]),
            ("[limits]\nrequest_body = \"1\"", &["limits.request_body", "no unit"]),
            ("[limits]\nstream = 1", &["limits.stream is no setting", "limits.streams"]),
            ("[limit]\nstreams = 1", &["limit.streams is no setting", "sections are"]),
            ("mdns = true", &["section"]),
            ("[calls]\npolicy = \"fastest\"", &["calls.policy", "power-of-two"]),
            ("[runtime]\nkind = \"docker\"", &["runtime.kind", "builtin", "openfaas"]),
            ("[http]\nlisten = \"8080\"", &["http.listen", "127.0.0.1:8080"]),
            ("[http", &["1"]),
        ] {
            let error = error(text);
            assert!(parts.iter().all(|part| error.contains(part)), "{text}: {error}");
        }
    }

    #[test]
    fn nobody_is_let_in_from_other_machines_by_accident() {
        let mut settings = Settings::default();
        assert_eq!(settings.credentials(), Ok(None));
        settings.set("http.listen", "0.0.0.0:8080").unwrap();
        assert!(settings.credentials().is_err_and(|error| error.contains("http.password_file")));
        settings.set("http.open", "true").unwrap();
        assert_eq!(settings.credentials(), Ok(None));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, "secret\n").unwrap();
        settings.set("http.password_file", &file.display().to_string()).unwrap();
        assert!(
            settings.credentials().is_ok_and(|found| found.is_some_and(|found| found.password == "secret"))
        );
        std::fs::write(&file, "\n").unwrap();
        assert!(settings.credentials().is_err_and(|error| error.contains("no password")));
    }

    #[test]
    fn every_default_is_read_back_as_it_is_shown() {
        for key in KEYS {
            let mut settings = Settings::default();
            let shown = (key.get)(&settings);
            if shown == "none" {
                continue;
            }
            let text = format!("[{}]\n{} = {shown}", key.section(), key.short());
            settings.read(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((key.get)(&settings), shown, "{}", key.name);
        }
    }
}
