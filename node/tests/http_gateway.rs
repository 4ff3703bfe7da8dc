//! The routes of OpenFaaS' gateway and provider, from outside.

// A test that cannot read what it made has failed: the panic says where.
#![allow(clippy::unwrap_used)]

mod daemons;

use daemons::*;
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_function_lives_from_deployment_to_removal() {
    let node = lone().await;
    let http = Http::of(&node);
    let echo =
        json!({ "service": "echo", "image": "builtin/echo", "labels": { "tier": "edge" }, "secrets": [] });
    assert_eq!(http.json("/system/functions").await, json!([]));
    // As faas-cli does: PUT first, and POST when there is nothing to change.
    assert_eq!(http.send(Method::PUT, "/system/functions", echo.clone()).await, 404);
    assert_eq!(http.send(Method::POST, "/system/functions", echo.clone()).await, 202);
    assert_eq!(http.send(Method::PUT, "/system/functions", echo).await, 202);

    let list = http.json("/system/functions").await;
    assert_eq!(list.as_array().map(Vec::len), Some(1));
    assert_eq!((&list[0]["name"], &list[0]["labels"]["tier"]), (&json!("echo"), &json!("edge")));
    assert_eq!(http.json("/system/functions?namespace=other").await, json!([]));
    assert_eq!(http.post("/function/echo").body("x").send().await.unwrap().text().await.unwrap(), "x");
    let status = http.json("/system/function/echo?usage=1").await;
    assert_eq!(status["invocationCount"], 1.0);
    assert_eq!((&status["replicas"], &status["availableReplicas"]), (&json!(1), &json!(1)));
    assert!(status["createdAt"].as_str().is_some_and(|at| at.ends_with('Z')), "{status}");

    assert_eq!(http.send(Method::POST, "/system/scale-function/echo", json!({ "replicas": 3 })).await, 202);
    assert_eq!(http.json("/system/function/echo").await["replicas"], 3);
    assert_eq!(http.send(Method::DELETE, "/system/functions", json!({ "functionName": "echo" })).await, 202);
    assert_eq!(http.get("/system/function/echo").send().await.unwrap().status(), 404);
    assert_eq!(http.send(Method::DELETE, "/system/functions", json!({ "functionName": "echo" })).await, 404);
    until("the removed function is gone", || async {
        http.post("/function/echo").send().await.unwrap().status() == 404
    })
    .await;
}

/// A node announces what it hosts; what it has removed is not "elsewhere" while it has not withdrawn it yet.
#[tokio::test(flavor = "multi_thread")]
async fn a_removed_function_is_gone_at_once() {
    let node = lone().await;
    let http = Http::of(&node);
    for number in 0..30 {
        let name = format!("f{number}");
        deploy(&node, &name, "echo", &[]).await;
        provided(&node, &name, 1).await;
        let removed = http.send(Method::DELETE, "/system/functions", json!({ "functionName": name })).await;
        let described = http.get(&format!("/system/function/{name}")).send().await.unwrap().status();
        assert_eq!((removed, described.as_u16()), (202, 404), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn namespaces_are_kept_apart() {
    let node = lone().await;
    let http = Http::of(&node);
    for (namespace, status) in [("", "200"), ("staging", "418")] {
        let function = json!({ "service": "f", "namespace": namespace, "image": "builtin/fail",
            "envVars": { "status": status } });
        assert_eq!(http.send(Method::POST, "/system/functions", function).await, 202);
    }
    for (path, status) in [
        ("/function/f", 200),
        ("/function/f.openfaas-fn", 200),
        ("/function/f.staging", 418),
        ("/function/f.x", 404),
    ] {
        until("the function answers", || async { http.get(path).send().await.unwrap().status() == status })
            .await;
    }
    assert_eq!(http.json("/system/namespaces").await, json!(["openfaas-fn", "staging"]));
    assert_eq!(http.json("/system/functions?namespace=staging").await[0]["namespace"], "staging");
    assert_eq!(http.json("/system/namespace/staging").await["name"], "staging");
    assert_eq!(http.get("/system/namespace/x").send().await.unwrap().status(), 404);
    // As faas-cli makes, changes and removes one: a new one is named in the body only.
    for (method, path) in
        [(Method::POST, ""), (Method::POST, "x"), (Method::PUT, "staging"), (Method::DELETE, "staging")]
    {
        let path = format!("/system/namespace/{path}");
        let response = http.request(method, &path).json(&json!({ "name": "x" })).send().await.unwrap();
        assert_eq!(response.status(), 501, "{path}");
        assert!(response.text().await.unwrap().contains("while a function names it"));
    }
    let other = json!({ "functionName": "f", "namespace": "staging" });
    assert_eq!(http.send(Method::DELETE, "/system/functions", other).await, 202);
    assert_eq!(http.json("/system/functions").await.as_array().map(Vec::len), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_refused_with_a_reason() {
    let node = lone().await;
    let http = Http::of(&node);
    for (body, part) in [
        ("{", "the body"),
        (r#"{"image":"builtin/echo"}"#, "service"),
        (r#"{"service":"../x","image":"builtin/echo"}"#, "lower-case"),
        (r#"{"service":"x","image":"acme/x"}"#, "builtin/echo"),
        (r#"{"service":"x","image":"builtin/sleep","envVars":{"duration":"5"}}"#, "unit"),
    ] {
        let response = http.post("/system/functions").body(body).send().await.unwrap();
        assert_eq!(response.status(), 400, "{body}");
        let text = response.text().await.unwrap();
        assert!(text.contains(part), "{body}: {text}");
    }
    assert_eq!(http.send(Method::POST, "/system/scale-function/x", json!({ "replicas": 1 })).await, 404);
    assert_eq!(http.send(Method::POST, "/async-function/x", json!({})).await, 404);
    assert_eq!(http.get("/system/nothing").send().await.unwrap().status(), 404);
    assert_eq!(http.get("/nothing").send().await.unwrap().status(), 404);
    assert_eq!(http.request(Method::PATCH, "/system/functions").send().await.unwrap().status(), 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_listed_without_their_values() {
    let node = lone().await;
    let http = Http::of(&node);
    let secret = json!({ "name": "s3", "value": "hunter2" });
    assert_eq!(http.send(Method::POST, "/system/secrets", secret.clone()).await, 201);
    assert_eq!(http.send(Method::POST, "/system/secrets", secret.clone()).await, 409);
    assert_eq!(http.send(Method::PUT, "/system/secrets", secret).await, 200);
    assert_eq!(http.json("/system/secrets").await, json!([{ "name": "s3" }]));
    assert_eq!(http.send(Method::DELETE, "/system/secrets", json!({ "name": "s3" })).await, 200);
    assert_eq!(http.send(Method::DELETE, "/system/secrets", json!({ "name": "s3" })).await, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_lines_of_json() {
    let node = lone().await;
    deploy(&node, "f", "fail", &[("status", "418")]).await;
    let http = Http::of(&node);
    until("the call is answered", || async { http.get("/function/f").send().await.unwrap().status() == 418 })
        .await;
    let text = http.get("/system/logs?name=f&tail=1").send().await.unwrap().text().await.unwrap();
    let line: Value = serde_json::from_str(text.trim()).unwrap();
    assert_eq!((&line["name"], &line["namespace"]), (&json!("f"), &json!("openfaas-fn")));
    assert!(line["text"].as_str().is_some_and(|text| text.contains("418")), "{line}");
    assert_eq!(http.get("/system/logs?name=g").send().await.unwrap().status(), 404);
    assert_eq!(http.get("/system/logs").send().await.unwrap().status(), 400);
    assert_eq!(http.get("/system/logs?name=f&since=x").send().await.unwrap().status(), 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_says_what_it_is_and_whom_it_knows() {
    let nodes = network(2).await;
    deploy(&nodes[1], "f", "echo", &[]).await;
    provided(&nodes[0], "f", 1).await;
    let http = Http::of(&nodes[0]);
    let info = http.json("/system/info").await;
    assert_eq!(info["provider"]["provider"], "edge-faas builtin");
    assert_eq!(info["version"]["release"], env!("CARGO_PKG_VERSION"));
    assert_eq!(http.get("/healthz").send().await.unwrap().status(), 200);
    let peers = http.json("/api/v1/peers").await;
    assert_eq!(peers["id"], nodes[0].node.id().to_string());
    assert_eq!(peers["peers"][0]["id"], nodes[1].node.id().to_string());
    let providers = http.json("/api/v1/providers/f").await;
    assert_eq!(providers["providers"][0]["id"], nodes[1].node.id().to_string());
    assert_eq!(providers["providers"][0]["local"], false);
    assert_eq!(http.json("/api/v1/providers/g").await["providers"], json!([]));
    // What another node hosts is described, so that a gateway in front passes calls of it on; it is not listed.
    let status = http.json("/system/function/f").await;
    assert_eq!(
        (&status["availableReplicas"], &status["annotations"]["edge-faas.hosted"]),
        (&json!(1), &json!("elsewhere"))
    );
    assert_eq!(http.json("/system/functions").await, json!([]));
    assert_eq!(http.get("/system/function/g").send().await.unwrap().status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_administration_needs_the_password_and_calls_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    std::fs::write(&password, "hunter2\n").unwrap();
    let node =
        start(edge_faas_node::settings::Settings { password_file: Some(password), ..settings() }).await;
    deploy(&node, "f", "echo", &[]).await;
    let http = Http::of(&node);
    for (method, path) in [
        (Method::GET, "/system/info"),
        (Method::GET, "/system/functions"),
        (Method::POST, "/system/functions"),
        (Method::PUT, "/system/functions"),
        (Method::DELETE, "/system/functions"),
        (Method::GET, "/system/function/f"),
        (Method::POST, "/system/scale-function/f"),
        (Method::GET, "/system/namespaces"),
        (Method::POST, "/system/namespace/x"),
        (Method::GET, "/system/secrets"),
        (Method::POST, "/system/secrets"),
        (Method::GET, "/system/logs?name=f"),
        (Method::GET, "/system/nothing"),
        (Method::GET, "/api/v1/peers"),
        (Method::GET, "/api/v1/providers/f"),
        (Method::POST, "/api/v1/functions/deployments"),
    ] {
        let without = http.request(method.clone(), path).send().await.unwrap();
        assert_eq!(without.status(), 401, "{method} {path}");
        assert_eq!(header(&without, "www-authenticate"), Some("Basic realm=\"Restricted\""));
        let wrong = http.request(method.clone(), path).basic_auth("admin", Some("hunter3"));
        assert_eq!(wrong.send().await.unwrap().status(), 401, "{method} {path}");
        let right = http.request(method.clone(), path).basic_auth("admin", Some("hunter2"));
        assert_ne!(right.send().await.unwrap().status(), 401, "{method} {path}");
    }
    for path in ["/healthz", "/metrics", "/api/v1/query?query=x"] {
        assert_eq!(http.get(path).send().await.unwrap().status(), 200, "{path}");
    }
    until("the function answers", || async {
        http.post("/function/f").send().await.unwrap().status() == 200
    })
    .await;
}

/// A gateway in front asks for `/system/info` as well, where a gateway's answer and a provider's differ.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_in_front_finds_its_provider_here() {
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    std::fs::write(&password, "hunter2\n").unwrap();
    let node =
        start(edge_faas_node::settings::Settings { password_file: Some(password), ..settings() }).await;
    let http = Http::of(&node);
    let get = |path: &str| http.get(path).basic_auth("admin", Some("hunter2")).send();
    let info: Value = get("/provider/system/info").await.unwrap().json().await.unwrap();
    // Go's `ProviderInfo`: a text, a version, a text.
    assert_eq!(
        info,
        json!({ "provider": "edge-faas builtin", "orchestration": "none",
            "version": { "sha": "", "release": env!("CARGO_PKG_VERSION") } })
    );
    let echo = json!({ "service": "echo", "image": "builtin/echo" });
    let deploy = http.post("/provider/system/functions").basic_auth("admin", Some("hunter2")).json(&echo);
    assert_eq!(deploy.send().await.unwrap().status(), 202);
    let list: Value =
        get("/provider/system/functions?namespace=openfaas-fn").await.unwrap().json().await.unwrap();
    assert_eq!(list[0]["name"], "echo");
    // Functions' paths go on raw from there, too.
    until("the function answers", || async {
        let call = http.post("/provider/function/echo.openfaas-fn/a%2Fb//c?x=%20").body("x");
        call.send().await.unwrap().text().await.unwrap() == "x"
    })
    .await;
    let leaving = raw_get(&node, "/provider/function/echo/%2e%2e/x").await;
    assert!(leaving.starts_with("HTTP/1.1 400"), "{leaving}");
    assert_eq!(http.get("/provider/healthz").send().await.unwrap().status(), 200);
    assert_eq!(http.get("/provider/system/info").send().await.unwrap().status(), 401);
    assert_eq!(http.get("/provider/system/nothing").send().await.unwrap().status(), 401);
    assert_eq!(http.get("/provider/nothing").send().await.unwrap().status(), 404);
}

/// A gateway in front of a node may be the one behind another node of the same network. What the first does not host
/// any more, the second believes to host for a while: calls must not go round between them.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_does_not_go_round_between_a_node_and_the_gateway_in_front_of_it() {
    let front = lone().await;
    deploy(&front, "f", "echo", &[]).await;
    let mut settings = settings();
    settings.runtime.kind = edge_faas_node::settings::RuntimeKind::OpenFaas;
    settings.runtime.gateway = format!("http://{}/provider/", front.http);
    // It learns nothing while this test runs.
    settings.runtime.poll_interval = std::time::Duration::from_secs(3_600);
    let behind = start(knows(settings, &front)).await;
    provided(&front, "f", 2).await;
    assert_eq!(behind.runtime.info().await.unwrap().provider, "edge-faas builtin");
    let call = async |node| {
        let response = Http::of(node).post("/function/f").body("x").send().await.unwrap();
        (response.status().as_u16(), header(&response, "x-edge-faas-outcome").map(str::to_owned))
    };
    for node in [&front, &behind] {
        assert_eq!(call(node).await, (200, None));
    }
    front.runtime.remove(&edge_faas_node::openfaas::FunctionName::parse("f").unwrap()).await.unwrap();
    for node in [&front, &behind] {
        assert_eq!(call(node).await, (404, Some("not_found".to_owned())));
    }
}

/// What a gateway in front of the node asks, word by word, and what it makes of the answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_in_front_finds_its_prometheus_here() {
    let node = lone().await;
    deploy(&node, "f", "echo", &[]).await;
    let http = Http::of(&node);
    let question = r#"/api/v1/query?query=sum(gateway_function_invocation_total{function_name%3D~".*"})+by+(function_name)"#;
    let before = http.json(question).await;
    assert_eq!(before, json!({ "status": "success", "data": { "resultType": "vector", "result": [] } }));
    until("the function answers", || async {
        http.post("/function/f").send().await.unwrap().status() == 200
    })
    .await;
    let answered = |answer: &Value| answer["data"]["result"][0].clone();
    let after = answered(&http.json(question).await);
    assert_eq!(after["metric"]["function_name"], "f.openfaas-fn");
    // An instant as a number and a count as a text: what Prometheus' clients read.
    assert!(after["value"][0].is_f64(), "{after}");
    assert!(
        after["value"][1].as_str().and_then(|count| count.parse::<u64>().ok()).is_some_and(|count| count > 0)
    );
    let form = http
        .post("/api/v1/query")
        .body("query=up")
        .header("content-type", "application/x-www-form-urlencoded")
        .send()
        .await
        .unwrap();
    assert_eq!(form.json::<Value>().await.unwrap()["data"]["result"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_have_openfaas_names_and_our_own() {
    let node = lone().await;
    deploy(&node, "f", "echo", &[]).await;
    let http = Http::of(&node);
    until("the function answers", || async {
        http.post("/function/f").send().await.unwrap().status() == 200
    })
    .await;
    let response = http.get("/metrics").send().await.unwrap();
    assert!(
        header(&response, "content-type").is_some_and(|of| of.starts_with("application/openmetrics-text"))
    );
    let text = response.text().await.unwrap();
    for name in [
        "gateway_function_invocation_total{function_name=\"f.openfaas-fn\",code=\"200\"}",
        "gateway_function_invocation_started{function_name=\"f.openfaas-fn\"}",
        "gateway_functions_seconds_bucket{",
        "gateway_service_count{function_name=\"f.openfaas-fn\"} 1",
        "edge_faas_calls_total{outcome=\"ok\"}",
        "edge_faas_lookup_seconds_count",
        "edge_faas_connected_peers",
        "# EOF",
    ] {
        assert!(text.contains(name), "{name} is not in\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deploying_from_a_python_handler_is_refused_with_what_to_do_instead() {
    let node = lone().await;
    let http = Http::of(&node);
    for (method, path) in [(Method::POST, ""), (Method::PUT, "/fn-1")] {
        let path = format!("/api/v1/functions/deployments{path}");
        let response = http.request(method, &path).body("x").send().await.unwrap();
        assert_eq!(response.status(), 501);
        assert!(response.text().await.unwrap().contains("/system/functions"));
    }
}
