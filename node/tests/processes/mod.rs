//! Whole nodes as processes of their own: what a test can kill, stop and weigh.
#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(unreachable_pub)]

use rustix::process::{Pid, Signal};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A program that is ended when the test is, however that comes.
pub struct Running {
    child: Child,
    /// What it said when it was up.
    pub said: Value,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Running {
    /// Starts `edge-faas` with nothing of this machine's environment, and waits for the JSON that it prints when it is up.
    pub fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("edge-faas"));
        command
            .env_clear()
            .env("RUST_LOG", "error")
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        let mut child = command.spawn().expect("edge-faas starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let mut running = Running { child, said: Value::Null };
        let mut text = String::new();
        while running.said.is_null() {
            text += &lines.next().expect("it prints what it is").expect("text");
            running.said = serde_json::from_str(&text).unwrap_or_default();
        }
        running
    }

    /// A node on any free ports of the loopback interface, which begins with others.
    pub fn node(knows: &[&Running], more: &[&str]) -> Self {
        let known: Vec<String> = knows.iter().map(|other| other.address()).collect();
        let mut arguments =
            vec!["node", "--listen", "/ip4/127.0.0.1/tcp/0", "--http", "127.0.0.1:0", "--json"];
        for address in &known {
            arguments.extend(["--bootstrap", address]);
        }
        arguments.extend(more);
        Self::start(&arguments)
    }

    /// The URL of a node's HTTP API.
    pub fn url(&self) -> &str {
        self.said["http"].as_str().expect("a URL")
    }

    /// A node's peer id.
    pub fn id(&self) -> &str {
        self.said["id"].as_str().expect("an id")
    }

    /// Where others reach a node, its id at the end.
    pub fn address(&self) -> String {
        let first = &self.said["addresses"][0];
        first.as_str().expect("an address").to_owned()
    }

    /// `kill -9`, if it still runs.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        rustix::process::kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// Tells it to stop and waits until it has; its exit code.
    pub fn stop(mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        self.child.wait().expect("it ran").code()
    }

    /// A count of KiB in its `/proc/…/status`: `VmRSS` (memory it holds), `VmHWM` (the most that it held).
    pub fn kib(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(self.proc("status")).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        number.unwrap_or_else(|| panic!("no {field} in {status}"))
    }

    /// Its open descriptors.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(self.proc("fd")).expect("it runs").count()
    }

    /// Seconds of processor time it has used.
    pub fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(self.proc("stat")).expect("it runs");
        // After the name in brackets; user and system time are fields 14 and 15, in hundredths of a second.
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0
    }

    fn proc(&self, file: &str) -> std::path::PathBuf {
        Path::new("/proc").join(self.child.id().to_string()).join(file)
    }
}
