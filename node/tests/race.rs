//! A race asks every provider, every time.

// A test that cannot read what it made has failed: the panic says where.
#![allow(clippy::unwrap_used)]

mod daemons;

use daemons::*;

#[tokio::test(flavor = "multi_thread")]
async fn who_loses_a_race_is_asked_again() {
    let nodes = network(3).await;
    for (node, duration) in nodes[1..].iter().zip(["1ms", "200ms"]) {
        let pairs = [
            ("duration", duration),
            ("edge-faas.idempotent", "true"),
            ("edge-faas.concurrency", "4"),
            ("edge-faas.queue", "0"),
        ];
        deploy(node, "task", "sleep", &pairs).await;
    }
    provided(&nodes[0], "task", 2).await;
    let http = Http::of(&nodes[0]);
    let mut both = 0;
    for _ in 0..20 {
        let answer = http
            .post("/function/task")
            .header("x-edge-faas-policy", "race")
            .header("x-edge-faas-idempotent", "true")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        both += usize::from(header(&answer, "x-edge-faas-attempts") == Some("2"));
    }
    // The first may be over before its look-up has named both.
    assert!(both >= 18, "both were asked {both} of 20 times");
    until("the losers are cancelled", || async {
        nodes[2].node.info().served_calls == 0 && runs(&nodes[2], "task").await >= 10
    })
    .await;
}
