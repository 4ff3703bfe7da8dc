//! Nodes as containers of the local Docker engine: an image of the static binary and nothing else, one bridge with a
//! subnet of its own, static addresses. Everything carries a label, by which it is taken away.

use super::{Backend, HTTP_PORT, NODE_PORT, NodeSettings};
use crate::failure::Failure;
use crate::plan::Plan;
use bollard::errors::Error;
use bollard::models::{
    ContainerCreateBody, ContainerUpdateBody, EndpointIpamConfig, EndpointSettings, HostConfig, Ipam,
    IpamConfig, NetworkCreateRequest, NetworkingConfig,
};
use bollard::query_parameters::{
    BuildImageOptionsBuilder, CreateContainerOptionsBuilder, KillContainerOptionsBuilder,
    ListContainersOptionsBuilder, ListImagesOptionsBuilder, ListNetworksOptionsBuilder, LogsOptionsBuilder,
    RemoveContainerOptionsBuilder, RemoveImageOptionsBuilder,
};
use edge_faas_core::results::Source;
use futures::stream::{self, StreamExt, TryStreamExt};
use std::collections::HashMap;
use std::io::Read;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// The label of everything that the harness makes; its value is the run.
pub const LABEL: &str = "org.edge-faas.harness";
/// The oldest API that has what is needed: that of Engine 20.10.
const API_MIN: (usize, usize) = (1, 41);
/// The second parts of the subnets 10.x.0.0/16 that runs try.
const SECOND: std::ops::RangeInclusive<u8> = 180..=239;
/// The period in which a container's share of the processor is counted, in microseconds, as the kernel has it by default.
const PERIOD: i64 = 100_000;
/// The least that the kernel gives a container in a period.
const QUOTA_MIN: i64 = 1_000;
/// Addresses of the last part, without 0 and 255.
const LAST: u32 = 250;
/// Where a node keeps its identity in its container.
const STATE: &str = "/state";
/// Lines of a node's log that its last words are.
const LAST_WORDS: &str = "5";
/// Containers that are taken away at once.
const AT_ONCE: usize = 8;

/// The local Docker engine.
#[derive(Clone, Debug)]
pub struct Engine {
    docker: bollard::Docker,
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
fn failed(what: impl std::fmt::Display) -> impl FnOnce(Error) -> Failure {
    move |error| match error {
        Error::DockerResponseServerError { message, .. } => Failure::Other(format!("{what}: {message}")),
        other => Failure::Other(format!("{what}: {other}")),
    }
}

/// True where it is gone already, or not in the state that it is to be brought out of.
fn is_moot(error: &Error) -> bool {
    matches!(error, Error::DockerResponseServerError { status_code: 304 | 404 | 409, .. })
}

fn unless_moot(what: String, result: Result<(), Error>) -> Result<(), Failure> {
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
        let none = |error: Error| {
            Failure::Other(format!(
                "no Docker engine answers ({error}): start it, or use --backend process or memory"
            ))
        };
        let docker = bollard::Docker::connect_with_defaults().map_err(none)?;
        docker.ping().await.map_err(none)?;
        let docker = docker.negotiate_version().await.map_err(none)?;
        let version = docker.client_version();
        if (version.major_version, version.minor_version) < API_MIN {
            return Err(Failure::Other(format!(
                "the Docker engine speaks API {}.{}; Engine 20.10 (API {}.{}) or later is needed",
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

    async fn remove_containers(&self, ids: &[String]) -> Result<(), Failure> {
        stream::iter(ids.iter().map(Ok))
            .try_for_each_concurrent(AT_ONCE, |id| async move {
                let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
                unless_moot(format!("container {id}"), self.docker.remove_container(id, Some(options)).await)
            })
            .await
    }

    /// Makes an image of the program of a node, and nothing else, for run `run`.
    ///
    /// # Errors
    /// If the program is not linked statically, or the engine does not make the image.
    pub async fn build_image(&self, program: &Path, run: &str) -> Result<String, Failure> {
        check_static(program)?;
        let context = context(program)
            .map_err(|error| Failure::Other(format!("{}: cannot be packed: {error}", program.display())))?;
        let tag = format!("edge-faas-harness:{run}").to_lowercase();
        let options = BuildImageOptionsBuilder::new()
            .dockerfile("Dockerfile")
            .t(&tag)
            .labels(&HashMap::from([(LABEL, run)]))
            .rm(true)
            .forcerm(true)
            .build();
        let steps = self.docker.build_image(options, None, Some(bollard::body_full(context.into())));
        steps.try_for_each(|_| async { Ok(()) }).await.map_err(failed("the nodes' image cannot be built"))?;
        Ok(tag)
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

/// Refuses a program that would look for libraries in an image that has none.
fn check_static(program: &Path) -> Result<(), Failure> {
    let wrong = |why: &str| {
        Err(Failure::Input(format!(
            "{}: {why}; scripts/build-static-node builds a program of a node that runs in an empty image",
            program.display()
        )))
    };
    let mut head = vec![0; 4_096];
    let read = std::fs::File::open(program).and_then(|mut file| file.read(&mut head));
    match read {
        Err(error) => wrong(&format!("cannot be read ({error})")),
        Ok(_) if !head.starts_with(b"\x7fELF") => wrong("is no program of Linux"),
        Ok(_) if interpreted(&head) => wrong("is linked dynamically"),
        Ok(_) => Ok(()),
    }
}

/// Whether the head of a 64-bit ELF file names a program interpreter (ELF-64, program header of type `PT_INTERP`).
fn interpreted(head: &[u8]) -> bool {
    const PT_INTERP: u32 = 3;
    let number = |at: usize, size: usize| -> Option<u64> {
        let bytes = head.get(at..at + size)?;
        Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    };
    let headers = || {
        let (start, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
        Some((0..count).filter_map(move |index| number((start + index * size) as usize, 4)))
    };
    headers().is_some_and(|mut kinds| kinds.any(|kind| kind == u64::from(PT_INTERP)))
}

/// What the image is built from.
fn context(program: &Path) -> std::io::Result<Vec<u8>> {
    const DOCKERFILE: &str = "FROM scratch\nCOPY edge-faas /edge-faas\nENTRYPOINT [\"/edge-faas\"]\n";
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(DOCKERFILE.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, "Dockerfile", DOCKERFILE.as_bytes())?;
    let mut header = tar::Header::new_gnu();
    let file = std::fs::File::open(program)?;
    header.set_size(file.metadata()?.len());
    header.set_mode(0o755);
    archive.append_data(&mut header, "edge-faas", file)?;
    archive.into_inner()
}

/// Nodes as containers.
#[derive(Debug)]
pub struct Docker {
    engine: Engine,
    plan: Arc<Plan>,
    image: String,
    run: String,
    network: String,
    second: u8,
}

impl Docker {
    /// Containers of this image, for run `run`.
    ///
    /// # Errors
    /// If no network can be made for them.
    pub async fn new(engine: Engine, image: String, run: &str, plan: Arc<Plan>) -> Result<Self, Failure> {
        let network = format!("edge-faas-harness-{run}").to_lowercase();
        let mut last = None;
        for second in SECOND {
            let pool = IpamConfig { subnet: Some(format!("10.{second}.0.0/16")), ..IpamConfig::default() };
            let request = NetworkCreateRequest {
                name: network.clone(),
                driver: Some("bridge".to_owned()),
                ipam: Some(Ipam { config: Some(vec![pool]), ..Ipam::default() }),
                labels: Some(HashMap::from([(LABEL.to_owned(), run.to_owned())])),
                ..NetworkCreateRequest::default()
            };
            match engine.docker.create_network(request).await {
                Ok(_) => {
                    return Ok(Docker { engine, plan, image, run: run.to_owned(), network, second });
                }
                // Somebody has that subnet: the next one.
                Err(Error::DockerResponseServerError { status_code: 403 | 409, message }) => {
                    last = Some(message)
                }
                Err(error) => return Err(failed("a network for the nodes")(error)),
            }
        }
        Err(Failure::Other(format!(
            "no subnet from 10.{}.0.0/16 to 10.{}.0.0/16 is free ({}): `harness clean` takes away what runs left, \
             `docker network prune` what nobody uses",
            SECOND.start(),
            SECOND.end(),
            last.unwrap_or_default()
        )))
    }

    fn name(&self, node: u32) -> String {
        format!("edge-faas-{}-node-{node}", self.run).to_lowercase()
    }

    fn ip(&self, node: u32) -> Ipv4Addr {
        Ipv4Addr::new(10, self.second, (1 + node / LAST).min(255) as u8, (1 + node % LAST) as u8)
    }

    /// What the node's container may have of the processor in a period; a limit above the machine's is none.
    fn quota(&self, node: u32, share: f64) -> i64 {
        let quota = self.plan.cores(node) * share * PERIOD as f64;
        (quota as i64).max(QUOTA_MIN)
    }

    async fn create(&self, node: u32, settings: &NodeSettings) -> Result<(), Failure> {
        let mut command: Vec<String> = ["node", "--state", STATE, "--http"].map(str::to_owned).into();
        command.push(format!("0.0.0.0:{HTTP_PORT}"));
        command.extend(["--listen".to_owned(), self.address(node)]);
        // Only this machine reaches the bridge, and only for as long as the run takes.
        for (key, value) in settings.iter().chain([&("http.open".to_owned(), "true".to_owned())]) {
            command.extend(["--set".to_owned(), format!("{key}={value}")]);
        }
        let memory = self.plan.class(node).map(|class| i64::try_from(class.memory).unwrap_or(i64::MAX));
        let endpoint = EndpointSettings {
            ipam_config: Some(EndpointIpamConfig {
                ipv4_address: Some(self.ip(node).to_string()),
                ..EndpointIpamConfig::default()
            }),
            ..EndpointSettings::default()
        };
        let body = ContainerCreateBody {
            image: Some(self.image.clone()),
            cmd: Some(command),
            labels: Some(HashMap::from([(LABEL.to_owned(), self.run.clone())])),
            host_config: Some(HostConfig {
                network_mode: Some(self.network.clone()),
                memory,
                cpu_period: Some(PERIOD),
                cpu_quota: Some(self.quota(node, 1.0)),
                ..HostConfig::default()
            }),
            networking_config: Some(NetworkingConfig {
                endpoints_config: Some(HashMap::from([(self.network.clone(), endpoint)])),
            }),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptionsBuilder::new().name(&self.name(node)).build();
        let created = self.engine.docker.create_container(Some(options), body).await;
        created.map(drop).map_err(failed(format!("node {node}: its container cannot be made")))
    }

    async fn run_container(&self, node: u32) -> Result<(), Failure> {
        let started = self.engine.docker.start_container(&self.name(node), None).await;
        started.map_err(failed(format!("node {node}: its container does not start")))
    }
}

#[async_trait::async_trait]
impl Backend for Docker {
    fn source(&self) -> Source {
        Source::Docker
    }

    fn http(&self, node: u32) -> String {
        format!("http://{}:{HTTP_PORT}", self.ip(node))
    }

    fn address(&self, node: u32) -> String {
        format!("/ip4/{}/tcp/{NODE_PORT}", self.ip(node))
    }

    async fn start(&self, node: u32, settings: &NodeSettings) -> Result<(), Failure> {
        self.create(node, settings).await?;
        self.run_container(node).await
    }

    async fn kill(&self, node: u32) -> Result<(), Failure> {
        let options = KillContainerOptionsBuilder::new().signal("SIGKILL").build();
        let killed = self.engine.docker.kill_container(&self.name(node), Some(options)).await;
        unless_moot(format!("node {node}"), killed)
    }

    async fn power_off(&self, node: u32) -> Result<(), Failure> {
        unless_moot(format!("node {node}"), self.engine.docker.pause_container(&self.name(node)).await)
    }

    async fn restart(&self, node: u32, settings: &NodeSettings, fresh: bool) -> Result<(), Failure> {
        // One that is silent has to be woken to be killed.
        let woken = self.engine.docker.unpause_container(&self.name(node)).await;
        if let Err(error) = woken
            && !is_moot(&error)
            && !matches!(error, Error::DockerResponseServerError { status_code: 500, .. })
        {
            return Err(failed(format!("node {node}"))(error));
        }
        self.kill(node).await?;
        if fresh {
            self.engine.remove_containers(&[self.name(node)]).await?;
            self.create(node, settings).await?;
        }
        self.run_container(node).await
    }

    async fn set_share(&self, node: u32, share: f64) -> Result<bool, Failure> {
        let body = ContainerUpdateBody {
            cpu_period: Some(PERIOD),
            cpu_quota: Some(self.quota(node, share)),
            ..ContainerUpdateBody::default()
        };
        let updated = self.engine.docker.update_container(&self.name(node), body).await;
        updated.map_err(failed(format!("node {node}: its share of the processor")))?;
        Ok(true)
    }

    async fn has_ended(&self, node: u32) -> bool {
        let container = self.engine.docker.inspect_container(&self.name(node), None).await;
        let state = container.ok().and_then(|container| container.state);
        state.is_some_and(|state| state.running == Some(false))
    }

    async fn last_words(&self, node: u32) -> String {
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).tail(LAST_WORDS).build();
        let lines = self.engine.docker.logs(&self.name(node), Some(options));
        lines.filter_map(|line| async { line.ok().map(|line| line.to_string()) }).collect().await
    }

    async fn tear_down(&self) -> Result<(), Failure> {
        let label = format!("{LABEL}={}", self.run);
        let filters = HashMap::from([("label", vec![label.as_str()])]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let containers =
            self.engine.docker.list_containers(Some(options)).await.map_err(failed("containers"))?;
        let ids: Vec<String> = containers.into_iter().filter_map(|container| container.id).collect();
        self.engine.remove_containers(&ids).await?;
        unless_moot(self.network.clone(), self.engine.docker.remove_network(&self.network).await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_needs_libraries_is_told_from_one_that_does_not() {
        let elf = |kinds: &[u32]| {
            let mut head = vec![0; 64 + 56 * kinds.len()];
            head[..4].copy_from_slice(b"\x7fELF");
            head[32] = 64;
            head[54] = 56;
            head[56] = kinds.len() as u8;
            for (index, kind) in kinds.iter().enumerate() {
                head[64 + 56 * index..][..4].copy_from_slice(&kind.to_le_bytes());
            }
            head
        };
        assert!(interpreted(&elf(&[6, 3, 1])));
        assert!(!interpreted(&elf(&[6, 1, 2])));
        assert!(!interpreted(b"\x7fELF"));
        assert!(check_static(Path::new("/etc/hostname")).is_err());
    }

    #[test]
    fn the_image_is_built_from_the_program_and_nothing_else() {
        let program = std::env::current_exe().unwrap();
        let bytes = context(&program).unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let names: Vec<String> = archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        assert_eq!(names, ["Dockerfile", "edge-faas"]);
    }
}
