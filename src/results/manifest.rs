//! `manifest.json`: what was run, with what, on what, and the hash of everything that came of it.

use super::hash::{FileEntry, run_hash, run_id_until};
use super::stop::Stopped;
use super::word::Source;
use crate::InputFile;
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};

/// The manifest's file name in the run folder. It is written last: a folder without it is not complete.
pub const MANIFEST: &str = "manifest.json";

/// The version of the files' columns and of the manifest that this code writes and reads.
pub const SCHEMA: u32 = 1;

/// What a run was and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the files' columns and of this manifest: [`SCHEMA`].
    pub schema: u32,
    /// The program that wrote it, with its version.
    pub program: Program,
    /// The command that makes the same files again, word by word.
    pub command: Vec<String>,
    /// The scenario's name.
    pub name: String,
    /// The identity of what was run: [`run_id_until`] of `scenario`, `seed` and the rule of `stopped`.
    pub run: String,
    /// The one hash of what came of it: [`run_hash`] of `files`.
    pub run_hash: String,
    /// Who ran it.
    pub backend: Source,
    /// The seed of all draws.
    pub seed: u64,
    /// Repetitions of each variant; with `stopped`, the most that any had.
    pub repetitions: u32,
    /// If a rule said how many repetitions each variant has: the rule, and how many it said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Stopped>,
    /// The cells of the sweep in the order of the rows; one empty text without a sweep.
    pub variants: Vec<String>,
    /// The scenario with everything that was left out filled in.
    pub scenario: serde_json::Value,
    /// The files that were read, the scenario's own first.
    pub inputs: Vec<InputFile>,
    /// The files that were written, sorted by name; not this one.
    pub files: Vec<FileEntry>,
    /// The machine.
    pub host: Host,
    /// What only a run of real nodes has to say of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub real: Option<RealNodes>,
    /// What the run cost. Differs from run to run: it is in no other file, and in no hash.
    pub cost: Cost,
}

/// The program that wrote a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// Its name: `sim`, `harness`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The git commit it was built from, if that is known.
    pub git_commit: Option<String>,
}

/// The machine a run ran on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Cores that the program could use.
    pub cores: u32,
    /// The processor's model, if known.
    pub cpu: Option<String>,
    /// Operating system and architecture.
    pub os: String,
}

/// How far a run of real nodes can be trusted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RealNodes {
    /// How links were shaped: `transport` (in the nodes), `netem` (in the kernel).
    pub links: String,
    /// The busiest that the machine was during a repetition: a share of all its cores' time.
    pub busiest: Option<f64>,
    /// The most that calls were late in a repetition, in microseconds: the 99th percentile of the time from due to sent.
    pub latest_us: i64,
    /// What makes the run doubtful, a sentence each; empty for a good one.
    pub doubts: Vec<String>,
    /// What the scenario asks for that real nodes cannot honour, and that was left out at the user's word.
    pub left_out: Vec<String>,
    /// What ran the functions of nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub openfaas: Option<OpenFaas>,
}

/// What ran the functions of real nodes, as it passed the conformance suite.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenFaas {
    /// `builtin` (the nodes), `gateway` (one beside each node), `external` (gateways that the user named).
    pub mode: String,
    /// Who runs functions, by its own word.
    pub provider: Option<String>,
    /// The release of the gateway, by its own word.
    pub version: Option<String>,
    /// The image of the gateways beside the nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The engine's id of that image: a tag may mean another one tomorrow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_id: Option<String>,
    /// The URLs of the gateways that the user named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gateways: Vec<String>,
}

/// What a run cost.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// Events handled, over all repetitions.
    pub events: u64,
    /// Kademlia requests and responses delivered, over all repetitions.
    pub messages: u64,
    /// Seconds of virtual time, over all repetitions; for real nodes, of real time.
    pub simulated_seconds: f64,
    /// Seconds that passed.
    pub wall_seconds: f64,
    /// Seconds of processor time; none where the system does not say.
    pub cpu_seconds: Option<f64>,
    /// The most memory that the process held, in bytes; none where the system does not say.
    pub peak_memory_bytes: Option<u64>,
}

/// Why a manifest could not be read or does not hold.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The bytes could not be read.
    #[error("{MANIFEST}: {0}")]
    Io(#[source] io::Error),
    /// It is no manifest: bad JSON, or a field that is missing, unknown or of a wrong type. The cause says the
    /// line and column, and the field.
    #[error("{MANIFEST}: {0}")]
    Syntax(#[source] serde_json::Error),
    /// It is of another version.
    #[error(
        "{MANIFEST}: schema = {found} is not one this version reads (it reads {SCHEMA}); use the version of the program that wrote it: {program}"
    )]
    Schema {
        /// The version found.
        found: u64,
        /// The program that wrote it, as far as the manifest says.
        program: String,
    },
    /// Its parts contradict each other.
    #[error(
        "{MANIFEST}: {what} is {found}, but what the manifest says makes it {computed}: it was changed after the run"
    )]
    Changed {
        /// Which field.
        what: &'static str,
        /// What it says.
        found: String,
        /// What it should say.
        computed: String,
    },
}

impl Manifest {
    /// Writes the manifest, indented, with a line end.
    ///
    /// # Errors
    /// If `file` cannot take it.
    pub fn write(&self, mut file: impl Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut file, self)?;
        file.write_all(b"\n")?;
        file.flush()
    }

    /// Reads a manifest and checks that its two hashes are those of what it says.
    ///
    /// # Errors
    /// If it is no manifest of [`SCHEMA`], or was changed.
    pub fn read(mut file: impl Read) -> Result<Self, ManifestError> {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(ManifestError::Io)?;
        let manifest: Manifest = serde_json::from_slice(&bytes)
            .map_err(|error| other_schema(&bytes).unwrap_or(ManifestError::Syntax(error)))?;
        if manifest.schema != SCHEMA {
            let Program { name, version, .. } = &manifest.program;
            return Err(ManifestError::Schema {
                found: manifest.schema.into(),
                program: format!("{name} {version}"),
            });
        }
        let rule = manifest.stopped.as_ref().map(|stopped| &stopped.rule);
        let hashes = [
            ("run", &manifest.run, run_id_until(&manifest.scenario, manifest.seed, rule)),
            ("run_hash", &manifest.run_hash, run_hash(&manifest.files)),
        ];
        for (what, found, computed) in hashes {
            if *found != computed {
                return Err(ManifestError::Changed { what, found: found.clone(), computed });
            }
        }
        Ok(manifest)
    }

    /// The name of the run's folder under `results/<name>/`: `<seed>-<first 8 digits of run>`, so that the same
    /// scenario with another seed or setting is another folder.
    pub fn folder_name(run: &str, seed: u64) -> String {
        format!("{seed}-{}", run.get(..8).unwrap_or(run))
    }
}

/// If the only thing that a manifest can be understood to say is that it is of another version, the error that says so.
fn other_schema(bytes: &[u8]) -> Option<ManifestError> {
    let value: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    let found = value.get("schema")?.as_u64().filter(|found| *found != u64::from(SCHEMA))?;
    let program = value.get("program");
    let word = |key| program?.get(key)?.as_str();
    let program = format!("{} {}", word("name").unwrap_or("unknown"), word("version").unwrap_or(""));
    Some(ManifestError::Schema { found, program: program.trim_end().into() })
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::hash::run_id;
    use super::super::stop::StoppingRule;
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    pub(crate) fn manifest(seed: u64, name: String, files: Vec<FileEntry>) -> Manifest {
        let scenario = json!({"name": name, "network": {"nodes": 1000, "loss": 0.001}});
        Manifest {
            schema: SCHEMA,
            program: Program { name: "sim".into(), version: "0.1.0".into(), git_commit: None },
            command: vec!["sim".into(), "scenarios/1000-nodes.toml".into()],
            name,
            run: run_id(&scenario, seed),
            run_hash: run_hash(&files),
            backend: Source::Sim,
            seed,
            repetitions: 3,
            stopped: None,
            variants: vec![String::new()],
            scenario,
            inputs: vec![InputFile {
                path: "scenarios/1000-nodes.toml".into(),
                sha256: "00".repeat(32),
                bytes: 9,
            }],
            files,
            host: Host { cores: 2, cpu: None, os: "linux x86_64".into() },
            real: None,
            cost: Cost { events: 7, wall_seconds: 0.1, ..Cost::default() },
        }
    }

    fn text(manifest: &Manifest) -> String {
        let mut bytes = Vec::new();
        manifest.write(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    proptest! {
        #[test]
        fn a_manifest_is_read_back(number in any::<f64>(), seed in any::<u64>(), name in ".*", bytes in any::<u64>(), rows in any::<Option<u64>>()) {
            let file = FileEntry { name: name.clone(), sha256: "ab".repeat(32), bytes, rows };
            let mut manifest = manifest(seed, name, vec![file]);
            // Every digit of a number must come back, or the run's identity would change by reading it.
            manifest.scenario["number"] = json!(number);
            manifest.run = run_id(&manifest.scenario, seed);
            prop_assert_eq!(Manifest::read(text(&manifest).as_bytes()).unwrap(), manifest);
        }
    }

    #[test]
    fn mistakes_say_where_and_what_would_be_right() {
        let good = text(&manifest(42, "x".into(), vec![]));
        let error = |text: &str| Manifest::read(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(error(""), "manifest.json: EOF while parsing a value at line 1 column 0");
        assert!(error(&good[..good.len() / 2]).starts_with("manifest.json: EOF while parsing"));
        assert!(error(&good.replace("\"sim\",\n  \"seed\"", "\"simulator\",\n  \"seed\"")).contains(
            "unknown variant `simulator`, expected one of `sim`, `memory`, `process`, `docker` at line"
        ));
        assert!(
            error(&good.replace("\"seed\"", "\"sead\"")).contains("unknown field `sead`, expected one of")
        );
        let newer = good.replace("\"schema\": 1", "\"schema\": 2").replace("\"host\"", "\"machine\"");
        assert_eq!(
            error(&newer),
            "manifest.json: schema = 2 is not one this version reads (it reads 1); use the version of the program that wrote it: sim 0.1.0"
        );
        assert!(error(&good.replace("\"schema\": 1", "\"schema\": 2")).contains("schema = 2"));
        assert!(error(&good.replace("\"nodes\": 1000", "\"nodes\": 999")).contains("run is "));
        assert!(
            error(&good.replace("\"seed\": 42", "\"seed\": 43")).contains("it was changed after the run")
        );
    }

    #[test]
    fn a_stopping_rule_is_part_of_what_was_run() {
        let mut manifest = manifest(42, "x".into(), vec![]);
        let rule = StoppingRule::parse("latency_p95 ±5%", 20).unwrap();
        manifest.stopped = Some(Stopped { rule: rule.clone(), repetitions: vec![7] });
        assert!(Manifest::read(text(&manifest).as_bytes()).unwrap_err().to_string().contains("run is "));
        manifest.run = run_id_until(&manifest.scenario, 42, Some(&rule));
        assert_eq!(Manifest::read(text(&manifest).as_bytes()).unwrap(), manifest);
        let other = text(&manifest).replace("\"most\": 20", "\"most\": 21");
        assert!(Manifest::read(other.as_bytes()).unwrap_err().to_string().contains("run is "));
    }

    #[test]
    fn the_folder_is_named_by_seed_and_run() {
        assert_eq!(Manifest::folder_name("5c1f09e2a7b3d840", 42), "42-5c1f09e2");
        assert_eq!(Manifest::folder_name("5c", 42), "42-5c");
    }
}
