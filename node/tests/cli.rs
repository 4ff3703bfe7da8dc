//! The command line from outside: what it prints, and its exit codes.

// A test that cannot read what it made has failed: the panic says where.
#![allow(clippy::unwrap_used)]

mod daemons;
mod processes;

use assert_cmd::Command;
use base64::Engine;
use daemons::*;
use edge_faas_node::daemon::Daemon;
use edge_faas_node::settings::Settings;
use processes::Running;
use serde_json::Value;
use std::path::Path;

/// `edge-faas` with arguments, and with nothing of this machine's environment.
fn edge_faas(arguments: &[&str]) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("edge-faas"));
    command.env_clear().env("HOME", "/nonexistent").args(arguments);
    command
}

/// Runs a command that talks to a node, and returns its exit code, output and errors.
async fn ask(daemon: &Daemon, arguments: &[&str], input: &'static [u8]) -> (i32, String, String) {
    let mut command = edge_faas(arguments);
    command.env("OPENFAAS_URL", format!("http://{}/", daemon.http)).write_stdin(input);
    run(command).await
}

async fn run(mut command: Command) -> (i32, String, String) {
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

#[test]
fn help_says_what_there_is() {
    let output = edge_faas(&["--help"]).output().unwrap();
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap(), @r"
    A network of edge nodes that run functions for each other.

    `edge-faas node` is a node; the other commands talk to one over HTTP: the one that --gateway or OPENFAAS_URL names, with the login that `faas-cli login` stored.

    Usage: edge-faas <COMMAND>

    Commands:
      node       Runs a node until it is told to stop
      devnet     Runs a network of several nodes on this machine
      deploy     Deploys a function on a node, or changes one that is there
      invoke     Calls a function, wherever it is hosted. The body comes from standard input
      map        Calls a function once for each line of standard input, spread over all nodes that host it
      list       Lists the functions of a node
      describe   Shows a function of a node
      remove     Removes a function from a node [alias: rm]
      logs       Shows the log of a function of a node
      peers      Lists the nodes that a node knows
      providers  Looks for the nodes that host a function
      help       Print this message or the help of the given subcommand(s)

    Options:
      -h, --help
              Print help (see a summary with '-h')

      -V, --version
              Print version

    Exit codes: 0 done, 1 the function failed or the node refused, 2 a mistake in what was given, 3 the node cannot be reached.
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_is_deployed_called_listed_described_and_removed() {
    let node = lone().await;
    let (code, out, _) = ask(
        &node,
        &[
            "deploy",
            "echo",
            "--image",
            "builtin/echo",
            "--idempotent",
            "--env",
            "a=b=c",
            "--concurrency",
            "7",
        ],
        b"",
    )
    .await;
    assert_eq!((code, out), (0, format!("deployed: http://{}/function/echo\n", node.http)));
    until("the function is called", || async { ask(&node, &["invoke", "echo"], b"007").await.0 == 0 }).await;

    let (code, out, error) = ask(&node, &["invoke", "echo", "--verbose"], b"007\0\n").await;
    assert_eq!((code, out.as_str()), (0, "007\0\n"));
    assert!(error.contains("status    200 OK") && error.contains("hops      0"), "{error}");
    let (code, out, _) = ask(&node, &["invoke", "echo", "--json", "--data", "x"], b"").await;
    let answer: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &answer["status"], &answer["body"]), (0, &Value::from(200), &Value::from("x")));

    let (code, out, _) = ask(&node, &["list"], b"").await;
    assert_eq!(code, 0);
    assert!(out.starts_with("function  image") && out.contains("builtin/echo"), "{out}");
    let (_, out, _) = ask(&node, &["list", "--json"], b"").await;
    let list: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(list[0]["annotations"]["edge-faas.concurrency"], "7");
    let (code, out, _) = ask(&node, &["describe", "echo"], b"").await;
    assert_eq!(code, 0);
    assert!(out.contains("environment  a=b=c") && out.contains("edge-faas.idempotent=true"), "{out}");
    let (code, out, _) = ask(&node, &["logs", "echo", "--tail", "1", "--since", "1h"], b"").await;
    assert_eq!(code, 0);
    assert!(out.contains("POST - 200 OK"), "{out}");
    let (code, out, _) = ask(&node, &["rm", "echo"], b"").await;
    assert_eq!((code, out.as_str()), (0, "removed: echo\n"));
    let (code, _, error) = ask(&node, &["describe", "echo"], b"").await;
    assert_eq!(code, 1);
    assert!(error.contains("404"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manycall_ends_in_a_summary_or_in_lines_of_json() {
    let nodes = network(2).await;
    deploy(&nodes[1], "echo", "echo", &[]).await;
    deploy(&nodes[1], "fail", "fail", &[]).await;
    provided(&nodes[0], "echo", 1).await;
    provided(&nodes[0], "fail", 1).await;
    let (code, out, _) = ask(&nodes[0], &["map", "echo"], b"a\nb\nc\n").await;
    assert_eq!(code, 0);
    assert!(out.starts_with("3 items in ") && out.contains(&nodes[1].node.id().to_string()), "{out}");
    let (code, out, _) = ask(&nodes[0], &["map", "echo", "--json"], b"007\nb\n").await;
    assert_eq!(code, 0);
    let mut bodies: Vec<String> = out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["body"].as_str().unwrap().to_owned())
        .collect();
    bodies.sort();
    assert_eq!(bodies, ["007", "b"]);

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("results.ndjson");
    let (code, out, _) = ask(
        &nodes[0],
        &[
            "map",
            "echo",
            "--count",
            "50",
            "--policy",
            "static",
            "--output",
            &file.display().to_string(),
            "--json",
        ],
        b"",
    )
    .await;
    assert_eq!(code, 0);
    let summary: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&summary["items"], &summary["ok"]), (&Value::from(50), &Value::from(50)));
    assert_eq!(std::fs::read_to_string(file).unwrap().lines().count(), 50);

    let items = b"{\"path_and_query\":\"/?status=200\"}\n{\"path_and_query\":\"/?status=500\"}\n";
    let (code, out, _) = ask(&nodes[0], &["map", "fail", "--ndjson"], items).await;
    assert_eq!(code, 1);
    assert!(out.contains("function_error      1"), "{out}");
    let (code, _, error) = ask(&nodes[0], &["map", "fail", "--ndjson"], b"nonsense\n").await;
    assert_eq!(code, 1);
    assert!(error.contains("line 1"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_network_is_shown() {
    let nodes = network(2).await;
    deploy(&nodes[1], "echo", "echo", &[]).await;
    provided(&nodes[0], "echo", 1).await;
    let other = nodes[1].node.id().to_string();
    let (code, out, _) = ask(&nodes[0], &["peers"], b"").await;
    assert_eq!(code, 0);
    assert!(out.starts_with(&format!("node {}\n", nodes[0].node.id())) && out.contains(&other), "{out}");
    let (code, out, _) = ask(&nodes[0], &["providers", "echo"], b"").await;
    assert_eq!(code, 0);
    assert!(out.contains(&other), "{out}");
    let (code, out, _) = ask(&nodes[0], &["providers", "nothing"], b"").await;
    assert_eq!((code, out.as_str()), (1, "nobody hosts nothing\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_tell_mistakes_refusals_and_silence_apart() {
    let node = lone().await;
    for (arguments, code, part) in [
        (&["invoke", "nothing", "--data", "x"][..], 1, ""),
        (&["invoke", "../x", "--data", "x"], 2, "not a function name"),
        (&["invoke", "f", "--path", "/../x", "--data", "x"], 2, "could leave the function"),
        (&["invoke", "f", "--policy", "fastest"], 2, "power-of-two"),
        (&["invoke", "f", "--file", "/nonexistent"], 2, "/nonexistent"),
        (&["invoke", "f", "--timeout", "5"], 2, "unit"),
        (&["deploy", "F", "--image", "builtin/echo"], 2, "lower-case"),
        (&["deploy", "f", "--image", "acme/f"], 1, "builtin/echo"),
        (&["list", "--gateway", "127.0.0.1:8080"], 2, "127.0.0.1:8080"),
        (&["list", "--gateway", "http://127.0.0.1:1"], 3, "edge-faas devnet"),
        (&["nonsense"], 2, "nonsense"),
        (&["node", "--set", "limits.streams=many"], 2, "limits.streams"),
        (&["node", "--http", "0.0.0.0:0"], 2, "http.password_file"),
        (&["node", "--config", "/nonexistent"], 2, "/nonexistent"),
        (&["node", "--openfaas", "ftp://x", "--listen", "/memory/1"], 2, "http or https"),
    ] {
        let (got, out, error) = ask(&node, arguments, b"").await;
        assert_eq!(got, code, "{arguments:?}: {out}{error}");
        assert!(error.contains(part), "{arguments:?}: {error}");
    }
}

/// Some commands work with any gateway; those that do not say so.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_no_node_is_told_apart() {
    let gateway = gateway::Gateway::start().await;
    let url = format!("http://{}", gateway.address);
    for (arguments, code, part) in [
        (&["list"][..], 0, "f"),
        (&["invoke", "f", "--data", "hello"], 0, "hello"),
        (&["peers"], 1, "this command needs a node"),
        (&["providers", "f"], 1, "this command needs a node"),
        (&["map", "f", "--count", "2"], 1, "this command needs a node"),
        (&["logs", "g"], 1, "there is no such function"),
        (&["describe", "g"], 1, "404 Not Found: 404 page not found"),
    ] {
        let mut command = edge_faas(arguments);
        command.env("OPENFAAS_URL", &url);
        let (got, out, error) = run(command).await;
        assert_eq!(got, code, "{arguments:?}: {out}{error}");
        assert!(if code == 0 { &out } else { &error }.contains(part), "{arguments:?}: {out}{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_login_that_faas_cli_stored_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    std::fs::write(&password, "hunter2").unwrap();
    let node = start(Settings { password_file: Some(password), ..settings() }).await;
    let (code, _, error) = ask(&node, &["list"], b"").await;
    assert_eq!(code, 1);
    assert!(error.contains("faas-cli login"), "{error}");

    let login = |home: &Path, password: &str| {
        let token = base64::engine::general_purpose::STANDARD.encode(format!("admin:{password}"));
        let text = format!("auths:\n- gateway: http://{}\n  auth: basic\n  token: {token}\n", node.http);
        std::fs::create_dir_all(home.join(".openfaas")).unwrap();
        std::fs::write(home.join(".openfaas/config.yml"), text).unwrap();
    };
    for (password, code) in [("hunter2", 0), ("hunter3", 1)] {
        login(folder.path(), password);
        let mut command = edge_faas(&["list"]);
        command.env("HOME", folder.path()).env("OPENFAAS_URL", format!("http://{}", node.http));
        let (got, out, error) = run(command).await;
        assert_eq!(got, code, "{out}{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_devnet_is_a_network_that_ends_when_it_is_told_to() {
    let devnet = Running::start(&["devnet", "-n", "3", "--port", "0", "--json"]);
    let nodes = devnet.said["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 3);
    let first = nodes[0]["http"].as_str().unwrap();
    for (function, input) in [("echo", &b"hello"[..]), ("sleep", b""), ("pi", b"")] {
        let mut command = edge_faas(&["invoke", function, "--gateway", first]);
        command.write_stdin(input);
        let (code, out, error) = run(command).await;
        assert_eq!(code, 0, "{function}: {error}");
        assert!(function != "echo" || out == "hello");
    }
    assert_eq!(devnet.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_killed_is_the_same_when_it_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().display().to_string();
    let arguments =
        ["node", "--listen", "/ip4/127.0.0.1/tcp/0", "--http", "127.0.0.1:0", "--state", &state, "--json"];
    let node = Running::start(&arguments);
    let (first, url) = (node.id().to_owned(), node.url().to_owned());
    let (code, _, error) =
        run(edge_faas(&["deploy", "pi", "--image", "builtin/pi", "--env", "digits=5", "-g", &url])).await;
    assert_eq!(code, 0, "{error}");
    // Killed, without a chance to write anything.
    drop(node);
    let node = Running::start(&arguments);
    assert_eq!(node.id(), first);
    let url = node.url().to_owned();
    until("the function is called again", || async {
        let (code, out, _) = run(edge_faas(&["invoke", "pi", "-g", &url, "-d", ""])).await;
        (code, out.as_str()) == (0, "3.14159")
    })
    .await;
    assert_eq!(node.stop(), Some(0));
}
