//! The local Docker engine, and what is there by the harness' label.

use crate::failure::Failure;
use bollard::errors::Error;
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListImagesOptionsBuilder, ListNetworksOptionsBuilder,
    RemoveContainerOptionsBuilder, RemoveImageOptionsBuilder,
};
use futures::stream::{self, TryStreamExt};
use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// The label of everything that the harness makes; its value is the run.
pub const LABEL: &str = "org.edge-faas.harness";
/// The oldest API that has what is needed: that of Engine 20.10.
const API_MIN: (usize, usize) = (1, 41);
/// Containers that are taken away at once.
const AT_ONCE: usize = 8;

/// The local Docker engine.
#[derive(Clone, Debug)]
pub struct Engine {
    pub(super) docker: bollard::Docker,
}

/// What is there by the harness' label.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// Containers by id.
    pub containers: Vec<String>,
    /// Networks by id.
    pub networks: Vec<String>,
    /// Images by id.
    pub images: Vec<String>,
}

impl Leftovers {
    /// True if there is nothing.
    pub fn is_empty(&self) -> bool {
        self.containers.is_empty() && self.networks.is_empty() && self.images.is_empty()
    }
}

/// An error of the engine's, in its own words.
pub(super) fn failed(what: impl std::fmt::Display) -> impl FnOnce(Error) -> Failure {
    move |error| match error {
        Error::DockerResponseServerError { message, .. } => Failure::Other(format!("{what}: {message}")),
        other => Failure::Other(format!("{what}: {other}")),
    }
}

/// True where it is gone already, or not in the state that it is to be brought out of.
fn is_moot(error: &Error) -> bool {
    matches!(error, Error::DockerResponseServerError { status_code: 304 | 404 | 409, .. })
}

pub(super) fn unless_moot(what: String, result: Result<(), Error>) -> Result<(), Failure> {
    match result {
        Err(error) if !is_moot(&error) => Err(failed(what)(error)),
        _ => Ok(()),
    }
}

impl Engine {
    /// The engine that `DOCKER_HOST` names, else the one of this machine.
    ///
    /// # Errors
    /// If there is none, or it is too old.
    pub async fn connect() -> Result<Self, Failure> {
        let place = match std::env::var("DOCKER_HOST") {
            Ok(host) => format!(" at DOCKER_HOST={host}"),
            Err(_) => String::new(),
        };
        let none = |error: Error| {
            Failure::Other(format!(
                "no Docker engine answers{place} ({error}): start it, or use --backend process or memory"
            ))
        };
        let docker = bollard::Docker::connect_with_defaults().map_err(none)?;
        docker.ping().await.map_err(none)?;
        let docker = docker.negotiate_version().await.map_err(none)?;
        let version = docker.client_version();
        if (version.major_version, version.minor_version) < API_MIN {
            return Err(Failure::Other(format!(
                "the Docker engine speaks API {}.{}; Engine 20.10 (API {}.{}) or later is needed: upgrade it, or use --backend \
                 process or memory",
                version.major_version, version.minor_version, API_MIN.0, API_MIN.1
            )));
        }
        Ok(Engine { docker })
    }

    /// What the engine is, for people.
    ///
    /// # Errors
    /// If it does not say.
    pub async fn describe(&self) -> Result<String, Failure> {
        let version = self.docker.version().await.map_err(failed("the engine's version"))?;
        Ok(format!(
            "Docker Engine {}, API {}",
            version.version.unwrap_or_default(),
            self.docker.client_version()
        ))
    }

    /// What is there of run `run`; `None`: of all runs that do not run any more.
    ///
    /// # Errors
    /// If the engine does not say.
    pub async fn leftovers(&self, run: Option<&str>) -> Result<Leftovers, Failure> {
        let label = run.map_or_else(|| LABEL.to_owned(), |run| format!("{LABEL}={run}"));
        let filters = HashMap::from([("label", vec![label.as_str()])]);
        let containers = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let containers = self.docker.list_containers(Some(containers)).await.map_err(failed("containers"))?;
        let networks = ListNetworksOptionsBuilder::new().filters(&filters).build();
        let networks = self.docker.list_networks(Some(networks)).await.map_err(failed("networks"))?;
        let images = ListImagesOptionsBuilder::new().all(true).filters(&filters).build();
        let images = self.docker.list_images(Some(images)).await.map_err(failed("images"))?;
        // Asked for all, those of runs that run are not left over.
        let left = |labels: Option<&HashMap<String, String>>| {
            run.is_some() || !labels.and_then(|labels| labels.get(LABEL)).is_some_and(|run| is_running(run))
        };
        let containers = containers.into_iter().filter(|container| left(container.labels.as_ref()));
        let networks = networks.into_iter().filter(|network| left(network.labels.as_ref()));
        let images = images.into_iter().filter(|image| left(Some(&image.labels)));
        Ok(Leftovers {
            containers: containers.filter_map(|container| container.id).collect(),
            networks: networks.filter_map(|network| network.id).collect(),
            images: images.map(|image| image.id).collect(),
        })
    }

    /// The runs that have containers: a name for each container.
    ///
    /// # Errors
    /// If the engine does not say.
    pub async fn runs(&self) -> Result<Vec<String>, Failure> {
        let filters = HashMap::from([("label", vec![LABEL])]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let containers = self.docker.list_containers(Some(options)).await.map_err(failed("containers"))?;
        Ok(containers.into_iter().filter_map(|container| container.labels?.remove(LABEL)).collect())
    }

    /// Takes away what is there of run `run`; `None`: of all runs that do not run any more. Returns what was taken away.
    ///
    /// # Errors
    /// If something will not go.
    pub async fn clean(&self, run: Option<&str>) -> Result<Vec<String>, Failure> {
        let found = self.leftovers(run).await?;
        self.remove_containers(&found.containers).await?;
        for id in &found.networks {
            unless_moot(format!("network {id}"), self.docker.remove_network(id).await)?;
        }
        for id in &found.images {
            let options = RemoveImageOptionsBuilder::new().force(true).build();
            let removed = self.docker.remove_image(id, Some(options), None).await;
            unless_moot(format!("image {id}"), removed.map(drop))?;
        }
        let named =
            |kind: &'static str, ids: Vec<String>| ids.into_iter().map(move |id| format!("{kind} {id}"));
        Ok(named("container", found.containers)
            .chain(named("network", found.networks))
            .chain(named("image", found.images))
            .collect())
    }

    pub(super) async fn remove_containers(&self, ids: &[String]) -> Result<(), Failure> {
        stream::iter(ids.iter().map(Ok))
            .try_for_each_concurrent(AT_ONCE, |id| async move {
                let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
                unless_moot(format!("container {id}"), self.docker.remove_container(id, Some(options)).await)
            })
            .await
    }
}

/// A name for a run that no other has: it ends in this process' number.
pub fn run_name() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}-{}", now.as_millis(), std::process::id())
}

/// Whether the process that made a run of this name still runs.
fn is_running(run: &str) -> bool {
    let process = run.rsplit_once('-').map(|(_, process)| process);
    let command = process.and_then(|process| std::fs::read(format!("/proc/{process}/cmdline")).ok());
    command.is_some_and(|command| String::from_utf8_lossy(&command).contains("harness"))
}
