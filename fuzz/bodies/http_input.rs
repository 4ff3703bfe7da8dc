//! What users and administrators send to a node: paths, names, items of manycalls, deployments, settings.

use edge_faas_node::http::read_item;
use edge_faas_node::openfaas::{
    FunctionDeployment, FunctionName, FunctionStatus, LogMessage, Secret, SystemInfo,
};
use edge_faas_node::path;
use edge_faas_node::settings::Settings;

/// Reads bytes as everything that they might be. Nothing panics, and what passes as a path stays in its function.
pub(crate) fn http_input(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (path, query) = match text.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (text.as_ref(), None),
    };
    if path::check(path, query).is_ok() {
        assert!(stays_inside(path), "{path:?}");
    }
    if let Ok(name) = FunctionName::parse(&text) {
        assert!(!name.as_str().contains(['/', '\\', '%']) && !name.as_str().starts_with('.'), "{name}");
        assert_eq!(FunctionName::parse(name.as_str()), Ok(name));
    }
    if let Ok(item) = read_item(&text) {
        assert!(stays_inside(&item.path), "{:?}", item.path);
    }
    // What is passed on is what was read.
    if let Ok(deployment) = serde_json::from_slice::<FunctionDeployment>(data) {
        let again = serde_json::to_vec(&deployment).expect("it has a JSON");
        assert_eq!(serde_json::from_slice::<FunctionDeployment>(&again).ok(), Some(deployment));
    }
    if let Ok(status) = serde_json::from_slice::<FunctionStatus>(data) {
        serde_json::to_vec(&status).expect("it has a JSON");
    }
    let _ = serde_json::from_slice::<Secret>(data);
    let _ = serde_json::from_slice::<SystemInfo>(data);
    let _ = serde_json::from_slice::<LogMessage>(data);
    let _ = Settings::default().read(&text);
    if let Some((key, value)) = text.split_once('=') {
        let _ = Settings::default().set(key, value);
    }
}

/// Walks a path as servers do that decode it up to three times and take a backslash for a slash.
fn stays_inside(path: &str) -> bool {
    let mut reading = path.to_owned();
    for _ in 0..4 {
        let mut depth = 0_i64;
        for segment in reading.replace('\\', "/").split('/') {
            depth += match segment {
                "" | "." => 0,
                ".." => -1,
                _ => 1,
            };
            if depth < 0 {
                return false;
            }
        }
        reading = decode(&reading);
    }
    true
}

/// Decodes `%xx` by hand, so that the check is not held against its own decoder.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let hex = bytes.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        match hex.filter(|pair| byte == b'%' && pair.bytes().all(|digit| digit.is_ascii_hexdigit())) {
            Some(pair) => {
                decoded.push(u8::from_str_radix(pair, 16).unwrap_or(byte));
                at += 3;
            }
            None => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
