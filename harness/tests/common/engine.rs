//! A Docker engine that does nothing but answer as one does that something is wrong with.

use parking_lot::Mutex;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A status and a message.
pub type Refusal = (u16, &'static str);

/// How it answers.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// The version of the API that it speaks.
    pub api: &'static str,
    /// What becomes of who wants an image built; it has it all the same, as a build leaves behind what it had.
    pub build: Option<Refusal>,
    /// What becomes of who wants a network.
    pub network: Option<Refusal>,
    /// What becomes of who wants a container.
    pub container: Option<Refusal>,
}

impl Default for Manner {
    fn default() -> Self {
        Manner { api: "1.41", build: None, network: None, container: None }
    }
}

#[derive(Debug, Default)]
struct State {
    requests: Vec<String>,
    images: Vec<String>,
    networks: Vec<String>,
}

/// An engine on a socket of its own, until the test ends.
#[derive(Debug)]
pub struct FakeEngine {
    socket: PathBuf,
    state: Arc<Mutex<State>>,
}

impl FakeEngine {
    /// Starts one in this folder.
    pub fn start(folder: &Path, manner: Manner) -> Self {
        let socket = folder.join("engine.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, state) = (stream.unwrap(), shared.clone());
                std::thread::spawn(move || serve(stream, &state, manner));
            }
        });
        FakeEngine { socket, state }
    }

    /// Where it is.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The requests that it got whose path contains `part`.
    pub fn asked(&self, part: &str) -> Vec<String> {
        let state = self.state.lock();
        state.requests.iter().filter(|request| request.contains(part)).cloned().collect()
    }

    /// What it still has.
    pub fn left(&self) -> Vec<String> {
        let state = self.state.lock();
        state.images.iter().chain(&state.networks).cloned().collect()
    }
}

/// Answers one request and closes the connection.
fn serve(stream: UnixStream, state: &Mutex<State>, manner: Manner) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    let (mut length, mut chunked) = (0u64, false);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
            break;
        }
        let lower = line.to_lowercase();
        if let Some(bytes) = lower.strip_prefix("content-length:") {
            length = bytes.trim().parse().unwrap();
        }
        chunked |= lower.starts_with("transfer-encoding:") && lower.contains("chunked");
        head.push_str(&line);
    }
    let mut words = head.split_whitespace();
    let (Some(method), Some(path)) = (words.next(), words.next()) else { return };
    while chunked {
        let mut size = String::new();
        reader.read_line(&mut size).unwrap();
        let size = u64::from_str_radix(size.trim(), 16).unwrap();
        skip(&mut reader, size + 2);
        chunked = size > 0;
    }
    skip(&mut reader, length);
    let (status, body) = answer(method, path, &mut state.lock(), manner);
    let head = format!(
        "HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let mut stream = stream;
    // Who asked may have gone away.
    let _ = stream.write_all((head + &body).as_bytes());
}

fn skip(reader: &mut impl Read, bytes: u64) {
    std::io::copy(&mut reader.take(bytes), &mut std::io::sink()).unwrap();
}

fn answer(method: &str, path: &str, state: &mut State, manner: Manner) -> (u16, String) {
    state.requests.push(format!("{method} {path}"));
    let path = path.split('?').next().unwrap_or(path);
    let path = match path.strip_prefix("/v1.").and_then(|rest| rest.split_once('/')) {
        Some((_, path)) => format!("/{path}"),
        None => path.to_owned(),
    };
    let refuse = |(status, message): Refusal| (status, serde_json::json!({ "message": message }).to_string());
    match (method, path.as_str()) {
        ("GET" | "HEAD", "/_ping") => (200, "OK".to_owned()),
        ("GET", "/version") => (200, serde_json::json!({ "ApiVersion": manner.api }).to_string()),
        ("POST", "/build") => {
            state.images.push("sha256:0".to_owned());
            manner.build.map_or_else(|| (200, "{\"stream\":\"done\"}\n".to_owned()), refuse)
        }
        ("GET", "/images/json") => {
            let image = |id: &String| {
                serde_json::json!({
                    "Id": id, "ParentId": "", "RepoTags": [], "RepoDigests": [], "Created": 0, "Size": 0,
                    "SharedSize": 0, "Labels": {}, "Containers": 0
                })
            };
            (200, serde_json::Value::from(state.images.iter().map(image).collect::<Vec<_>>()).to_string())
        }
        ("GET", "/networks") => {
            let network = |id: &String| serde_json::json!({ "Id": id, "Name": id });
            (200, serde_json::Value::from(state.networks.iter().map(network).collect::<Vec<_>>()).to_string())
        }
        ("GET", "/containers/json") => (200, "[]".to_owned()),
        ("POST", "/networks/create") => match manner.network {
            Some(refusal) => refuse(refusal),
            None => {
                state.networks.push("network".to_owned());
                (201, "{\"Id\":\"network\",\"Warning\":\"\"}".to_owned())
            }
        },
        ("POST", "/containers/create") => {
            manner.container.map_or_else(|| (201, "{\"Id\":\"0\",\"Warnings\":[]}".to_owned()), refuse)
        }
        ("DELETE", path) if path.starts_with("/images/") => {
            state.images.clear();
            (200, "[]".to_owned())
        }
        ("DELETE", path) if path.starts_with("/networks/") => {
            state.networks.clear();
            (204, String::new())
        }
        _ => refuse((501, "this engine does not know that")),
    }
}
