//! The functions of a node: deploy, remove, list, describe, logs.

use super::args::{Deploy, Function, List, Logs};
use super::client::Client;
use super::failure::Failure;
use super::output::{print, print_json, table};
use crate::openfaas::{DeleteFunctionRequest, FunctionDeployment, FunctionName, FunctionStatus, LogMessage};
use crate::runtime::annotation;
use edge_faas_core::units;
use futures::TryStreamExt;
use reqwest::{Method, StatusCode};
use std::time::{Duration, SystemTime};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio_util::codec::{FramedRead, LinesCodec};
use tokio_util::io::StreamReader;

/// Deploys a function, or changes it if it is there: what `faas-cli deploy` does.
pub(super) async fn deploy(command: Deploy) -> Result<(), Failure> {
    let client = Client::new(&command.target)?;
    let json = command.target.json;
    let deployment = deployment(command)?;
    let mut response = client.send_json(Method::PUT, "/system/functions", &deployment).await?;
    if response.status() == StatusCode::NOT_FOUND {
        response = client.send_json(Method::POST, "/system/functions", &deployment).await?;
    }
    client.accept(response).await?;
    let url =
        format!("{}/function/{}", client.url(), name(&deployment.service, Some(&deployment.namespace))?);
    match json {
        true => print_json(&serde_json::json!({ "function": deployment.service, "url": url })),
        false => print(format!("deployed: {url}\n")),
    }
}

fn deployment(command: Deploy) -> Result<FunctionDeployment, Failure> {
    let namespace = command.namespace.unwrap_or_default();
    FunctionName::deployable(&command.name, &namespace).map_err(Failure::input)?;
    let mut annotations: std::collections::BTreeMap<String, String> =
        command.annotation.into_iter().collect();
    if command.idempotent {
        annotations.insert(annotation::IDEMPOTENT.to_owned(), "true".to_owned());
    }
    for (name, value) in [
        (annotation::CONCURRENCY, command.concurrency.map(|number| number.to_string())),
        (annotation::QUEUE, command.queue.map(|number| number.to_string())),
        (annotation::TIMEOUT, command.timeout),
    ] {
        annotations.extend(value.map(|value| (name.to_owned(), value)));
    }
    Ok(FunctionDeployment {
        service: command.name,
        image: command.image,
        namespace,
        env_vars: command.env.into_iter().collect(),
        labels: command.label.into_iter().collect(),
        annotations,
        secrets: command.secret,
        ..FunctionDeployment::default()
    })
}

fn name(service: &str, namespace: Option<&str>) -> Result<FunctionName, Failure> {
    FunctionName::new(service, namespace.unwrap_or_default()).map_err(Failure::input)
}

fn in_namespace(name: &FunctionName, before: char) -> String {
    match name.explicit_namespace() {
        "" => String::new(),
        // A name's characters need no encoding.
        namespace => format!("{before}namespace={namespace}"),
    }
}

/// Removes a function.
pub(super) async fn remove(command: &Function) -> Result<(), Failure> {
    let client = Client::new(&command.target)?;
    let name = name(&command.name, command.namespace.as_deref())?;
    let request = DeleteFunctionRequest {
        function_name: name.service().to_owned(),
        namespace: name.explicit_namespace().to_owned(),
    };
    let path = format!("/system/functions{}", in_namespace(&name, '?'));
    client.accept(client.send_json(Method::DELETE, &path, &request).await?).await?;
    match command.target.json {
        true => print_json(&serde_json::json!({ "removed": name.as_str() })),
        false => print(format!("removed: {name}\n")),
    }
}

/// Lists functions.
pub(super) async fn list(command: &List) -> Result<(), Failure> {
    let client = Client::new(&command.target)?;
    let namespace = match &command.namespace {
        // Checked as part of a name, so that it needs no encoding.
        Some(namespace) => in_namespace(&name("f", Some(namespace))?, '?'),
        None => String::new(),
    };
    let functions: Vec<FunctionStatus> = client.get(&format!("/system/functions{namespace}")).await?;
    match command.target.json {
        true => print_json(&functions),
        false if functions.is_empty() => print(format!("{} hosts no function\n", client.url())),
        false => print(list_table(&functions)),
    }
}

fn list_table(functions: &[FunctionStatus]) -> String {
    let rows = functions.iter().map(|function| {
        vec![
            function.name.clone(),
            function.image.clone(),
            format!("{:.0}", function.invocation_count),
            format!("{}/{}", function.available_replicas, function.replicas),
        ]
    });
    table(&["function", "image", "calls", "replicas"], &[2, 3], rows)
}

/// Shows a function.
pub(super) async fn describe(command: &Function) -> Result<(), Failure> {
    let client = Client::new(&command.target)?;
    let name = name(&command.name, command.namespace.as_deref())?;
    let path = format!("/system/function/{}?usage=1{}", name.service(), in_namespace(&name, '&'));
    let function: FunctionStatus = client.get(&path).await?;
    match command.target.json {
        true => print_json(&function),
        false => print(description(&function, client.url(), &name)),
    }
}

fn description(function: &FunctionStatus, url: &str, name: &FunctionName) -> String {
    let mut rows = vec![
        ("name", name.to_string()),
        ("image", function.image.clone()),
        ("url", format!("{url}/function/{name}")),
        ("replicas", format!("{} of {}", function.available_replicas, function.replicas)),
        ("calls", format!("{:.0}", function.invocation_count)),
        ("created", function.created_at.clone()),
        ("process", function.env_process.clone()),
        ("secrets", function.secrets.join(", ")),
    ];
    let pairs = |map: &std::collections::BTreeMap<String, String>| {
        map.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", ")
    };
    rows.push(("environment", pairs(&function.env_vars)));
    rows.push(("labels", pairs(&function.labels)));
    rows.push(("annotations", pairs(&function.annotations)));
    if let Some(usage) = function.usage {
        rows.push(("usage", format!("{:.0} m of a core, {:.0} bytes", usage.cpu, usage.total_memory_bytes)));
    }
    let said = rows.into_iter().filter(|(_, value)| !value.is_empty());
    said.map(|(name, value)| format!("{name:<12} {value}\n")).collect()
}

/// Shows a function's log.
pub(super) async fn logs(command: &Logs) -> Result<(), Failure> {
    let client = Client::new(&command.target)?;
    let name = name(&command.name, command.namespace.as_deref())?;
    let mut query = vec![("name", name.service().to_owned()), ("follow", command.follow.to_string())];
    if !name.explicit_namespace().is_empty() {
        query.push(("namespace", name.explicit_namespace().to_owned()));
    }
    query.extend(command.tail.map(|tail| ("tail", tail.to_string())));
    if let Some(since) = &command.since {
        let ago = units::duration(since).map_err(Failure::Input)?;
        let ago = Duration::from_nanos(ago.as_nanos().unsigned_abs());
        let from = SystemTime::now().checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH);
        query.push(("since", OffsetDateTime::from(from).format(&Rfc3339).map_err(Failure::other)?));
    }
    let response = client.ask(client.system(Method::GET, "/system/logs").query(&query)).await?;
    let bytes = response.bytes_stream().map_err(std::io::Error::other);
    let mut lines =
        FramedRead::new(StreamReader::new(Box::pin(bytes)), LinesCodec::new_with_max_length(1 << 20));
    while let Some(line) = lines.try_next().await.map_err(|error| Failure::Unreachable(error.to_string()))? {
        if command.target.json {
            print(line + "\n")?;
            continue;
        }
        let message: LogMessage = serde_json::from_str(&line).map_err(Failure::other)?;
        print(format!("{} {} {}\n", message.timestamp, message.instance, message.text.trim_end()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(text: &str) -> FunctionStatus {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn functions_are_listed_in_a_table() {
        let functions = [
            status(
                r#"{"name":"resize","image":"builtin/cpu","invocationCount":1234.0,"replicas":2,"availableReplicas":1}"#,
            ),
            status(r#"{"name":"f","image":"ghcr.io/acme/f:1.2","replicas":1,"availableReplicas":1}"#),
        ];
        insta::assert_snapshot!(list_table(&functions), @r"
        function  image               calls  replicas
        resize    builtin/cpu          1234       1/2
        f         ghcr.io/acme/f:1.2      0       1/1
        ");
    }

    #[test]
    fn a_description_leaves_out_what_is_not_set() {
        let function = status(
            r#"{"name":"resize","image":"builtin/cpu","namespace":"staging","invocationCount":3,"replicas":1,
            "availableReplicas":1,"createdAt":"2026-07-01T10:00:00Z","envVars":{"duration":"20ms"},
            "annotations":{"edge-faas.idempotent":"true"},"usage":{"cpu":1.5,"totalMemoryBytes":4096}}"#,
        );
        let name = FunctionName::new("resize", "staging").unwrap();
        insta::assert_snapshot!(description(&function, "http://127.0.0.1:8080", &name), @r"
        name         resize.staging
        image        builtin/cpu
        url          http://127.0.0.1:8080/function/resize.staging
        replicas     1 of 1
        calls        3
        created      2026-07-01T10:00:00Z
        environment  duration=20ms
        annotations  edge-faas.idempotent=true
        usage        2 m of a core, 4096 bytes
        ");
    }
}
