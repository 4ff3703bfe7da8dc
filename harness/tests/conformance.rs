//! The conformance suite against a node, and against something that is no gateway.

// A test that cannot do what it set out to do has failed: the panic says where.
#![allow(clippy::unwrap_used)]

mod common;

use common::gateways::{Gateway, YesToEverything};
use edge_faas_harness::conformance::{self, run};
use std::time::Duration;

fn gateway(url: String, credentials: Option<(&str, &str)>) -> conformance::Gateway {
    let credentials = credentials.map(|(user, password)| (user.to_owned(), password.to_owned()));
    conformance::Gateway {
        url,
        credentials,
        image: "builtin/echo".to_owned(),
        process: None,
        patience: Duration::from_secs(2),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_behaves_as_a_gateway() {
    let node = Gateway::start().await;
    let url = node.url();

    let checks = run(gateway(url.clone(), Some(("admin", "secret")))).await.unwrap();
    let failed: Vec<_> = checks.iter().filter(|check| check.result.is_err()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!(checks.len(), 17);

    // The wrong password: what needs none still holds, the rest does not.
    let checks = run(gateway(url, Some(("admin", "guessed")))).await.unwrap();
    let failed = |name: &str| checks.iter().any(|check| check.name.contains(name) && check.result.is_err());
    assert!(failed("is deployed") && failed("info") && !failed("unknown function"));
    node.daemon.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_says_yes_to_everything_does_not_pass() {
    let yes = YesToEverything::start().await;
    let checks = run(gateway(yes.url.clone(), Some(("admin", "x")))).await.unwrap();
    for name in
        ["info", "asks for a password", "unknown function", "is listed", "is described", "has its body"]
    {
        let check = checks.iter().find(|check| check.name.contains(name)).unwrap();
        assert!(check.result.is_err(), "{name}");
    }
}
