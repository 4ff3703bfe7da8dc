//! What stands for a gateway: a node, and something that only says yes.

use edge_faas_node::daemon::Daemon;
use edge_faas_node::settings::Settings;
use std::path::PathBuf;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

/// A node that stands for a gateway.
pub struct Gateway {
    /// The node.
    pub daemon: Daemon,
    _folder: tempfile::TempDir,
    /// The file with its password, which is `secret`.
    pub password: PathBuf,
}

impl Gateway {
    /// Starts one.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let password = folder.path().join("password");
        std::fs::write(&password, "secret\n").unwrap();
        let mut settings = Settings::default();
        settings.set("http.listen", "127.0.0.1:0").unwrap();
        settings.set("network.listen", "/ip4/127.0.0.1/tcp/0").unwrap();
        settings.password_file = Some(password.clone());
        Gateway { daemon: Daemon::start(settings).await.unwrap(), _folder: folder, password }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.daemon.http)
    }

    /// The images of its functions, by name.
    pub async fn functions(&self) -> Vec<(String, String)> {
        let all = self.daemon.runtime.list(None).await.unwrap();
        all.into_iter().map(|function| (function.name, function.image)).collect()
    }
}

/// Something that says yes to everything, until it is dropped.
pub struct YesToEverything {
    /// Its URL.
    pub url: String,
    server: JoinHandle<()>,
}

impl YesToEverything {
    /// Starts it.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut buffer = vec![0; 1 << 16];
                    let _ = socket.read(&mut buffer).await;
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n[]";
                    let _ = socket.write_all(answer).await;
                });
            }
        });
        YesToEverything { url, server }
    }
}

impl Drop for YesToEverything {
    fn drop(&mut self) {
        self.server.abort();
    }
}
