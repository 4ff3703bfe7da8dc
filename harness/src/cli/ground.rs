//! What nodes are made from, for all repetitions of a command.

use super::args::BackendKind;
use crate::backend::{Backend, Docker, Engine, Memory, Process, run_name};
use crate::failure::Failure;
use crate::openfaas::Mode;
use crate::plan::Plan;
use edge_faas_core::results::Source;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// What rows say of the backend that made them.
pub(super) fn source(backend: BackendKind) -> Source {
    match backend {
        BackendKind::Docker => Source::Docker,
        BackendKind::Process => Source::Process,
        BackendKind::Memory => Source::Memory,
    }
}

/// The program of a node: what was asked for, else what lies beside this program, else what is on the path.
pub(super) fn node_program(asked: Option<&Path>) -> Result<PathBuf, Failure> {
    let missing = |what: String| {
        Failure::Input(format!(
            "{what}; `cargo build -p edge-faas-node` builds the program of a node, --node FILE (or EDGE_FAAS_NODE) names it"
        ))
    };
    let named = std::env::var_os("EDGE_FAAS_NODE").map(PathBuf::from);
    if let Some(asked) = asked.map(Path::to_owned).or(named) {
        return match asked.is_file() {
            true => Ok(asked),
            false => Err(missing(format!("{}: there is no such program", asked.display()))),
        };
    }
    let beside = std::env::current_exe().ok().and_then(|this| Some(this.parent()?.join("edge-faas")));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join("edge-faas"));
    let found = beside.into_iter().chain(on_path).find(|program| program.is_file());
    found.ok_or_else(|| {
        missing("the program `edge-faas` is neither beside this one nor on the path".to_owned())
    })
}

/// What the backends of all repetitions are made from.
pub(super) enum Ground {
    Memory,
    Process(PathBuf),
    /// With the image, the run's name for its label, and the image of gateways.
    Docker(Engine, String, String, Option<String>),
}

impl Ground {
    pub(super) async fn new(
        backend: BackendKind,
        node: Option<&Path>,
        openfaas: &Mode,
        stop: &CancellationToken,
    ) -> Result<Self, Failure> {
        if backend == BackendKind::Memory {
            return Ok(Ground::Memory);
        }
        let program = node_program(node)?;
        if backend == BackendKind::Process {
            return Ok(Ground::Process(program));
        }
        let engine = Engine::connect().await?;
        let gateway = match openfaas {
            Mode::Gateway(image) => Some(image.clone()),
            _ => None,
        };
        if let Some(image) = &gateway {
            engine.pull_if_missing(image).await?;
        }
        let run = run_name();
        let image = tokio::select! {
            biased;
            () = stop.cancelled() => Err(Failure::Interrupted),
            image = engine.build_image(&program, &run) => image,
        };
        match image {
            Ok(image) => Ok(Ground::Docker(engine, image, run, gateway)),
            Err(error) => {
                // What there is of it.
                engine.clean(Some(&run)).await?;
                Err(error)
            }
        }
    }

    pub(super) async fn backend(&self, plan: &Arc<Plan>) -> Result<Arc<dyn Backend>, Failure> {
        Ok(match self {
            Ground::Memory => Arc::new(Memory::new()?),
            Ground::Process(program) => Arc::new(Process::new(program)?),
            Ground::Docker(engine, image, run, gateway) => {
                let docker = Docker::new(engine.clone(), image.clone(), run, plan.clone()).await?;
                Arc::new(docker.with_gateways(gateway.clone()))
            }
        })
    }

    /// The engine's id of the image of gateways.
    pub(super) async fn gateway_id(&self) -> Result<Option<String>, Failure> {
        match self {
            Ground::Docker(engine, _, _, Some(gateway)) => engine.image_id(gateway).await,
            _ => Ok(None),
        }
    }

    /// Takes away what is left, however the run ended.
    pub(super) async fn clear(&self) -> Result<(), Failure> {
        match self {
            Ground::Docker(engine, _, run, _) => engine.clean(Some(run)).await.map(drop),
            Ground::Memory | Ground::Process(_) => Ok(()),
        }
    }
}

/// Cancelled when the user, or the system, ends the program.
pub(super) fn stopping() -> Result<CancellationToken, Failure> {
    let stop = CancellationToken::new();
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
        let mut signals = signal(kind).map_err(|error| Failure::Other(format!("signals: {error}")))?;
        let stop = stop.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                stop.cancel();
            }
        });
    }
    Ok(stop)
}
