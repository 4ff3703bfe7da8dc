//! The conformance suite against a node, and against something that is no gateway.

// A test that cannot do what it set out to do has failed: the panic says where.
#![allow(clippy::unwrap_used)]

use edge_faas_harness::conformance::{Gateway, run};
use edge_faas_node::daemon::Daemon;
use edge_faas_node::settings::Settings;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn gateway(url: String, credentials: Option<(&str, &str)>) -> Gateway {
    let credentials = credentials.map(|(user, password)| (user.to_owned(), password.to_owned()));
    Gateway {
        url,
        credentials,
        image: "builtin/echo".to_owned(),
        process: None,
        patience: Duration::from_secs(2),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_behaves_as_a_gateway() {
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    std::fs::write(&password, "secret\n").unwrap();
    let mut settings = Settings::default();
    settings.set("http.listen", "127.0.0.1:0").unwrap();
    settings.set("network.listen", "/ip4/127.0.0.1/tcp/0").unwrap();
    settings.password_file = Some(password);
    let daemon = Daemon::start(settings).await.unwrap();
    let url = format!("http://{}", daemon.http);

    let checks = run(gateway(url.clone(), Some(("admin", "secret")))).await.unwrap();
    let failed: Vec<_> = checks.iter().filter(|check| check.result.is_err()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!(checks.len(), 17);

    // The wrong password: what needs none still holds, the rest does not.
    let checks = run(gateway(url, Some(("admin", "guessed")))).await.unwrap();
    let failed = |name: &str| checks.iter().any(|check| check.name.contains(name) && check.result.is_err());
    assert!(failed("is deployed") && failed("info") && !failed("unknown function"));
    daemon.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_says_yes_to_everything_does_not_pass() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = vec![0; 1 << 16];
                let _ = socket.read(&mut buffer).await;
                let _ = socket
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n[]")
                    .await;
            });
        }
    });
    let checks = run(gateway(url, Some(("admin", "x")))).await.unwrap();
    server.abort();
    for name in
        ["info", "asks for a password", "unknown function", "is listed", "is described", "has its body"]
    {
        let check = checks.iter().find(|check| check.name.contains(name)).unwrap();
        assert!(check.result.is_err(), "{name}");
    }
}
