//! Nodes as containers of the local Docker engine: an image of the static binary and nothing else, one bridge with a
//! subnet of its own, static addresses. Everything carries a label, by which it is taken away.
//!
//! A node's address is that of a container beside the node's, which only waits. So the address outlives the node, as a
//! machine's outlives its processes: who dials a dead node is refused, instead of waiting for an answer of nobody.

mod engine;
mod gateway;
mod image;

pub use engine::{Engine, LABEL, Leftovers, run_name};

use super::{Backend, HTTP_PORT, NODE_PORT, NodeSettings};
use crate::failure::Failure;
use crate::plan::Plan;
use bollard::errors::Error;
use bollard::models::{
    ContainerCreateBody, ContainerUpdateBody, EndpointIpamConfig, EndpointSettings, HostConfig, Ipam,
    IpamConfig, NetworkCreateRequest, NetworkingConfig,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, KillContainerOptionsBuilder, ListContainersOptionsBuilder,
    LogsOptionsBuilder,
};
use edge_faas_core::results::Source;
use engine::{failed, unless_moot};
use futures::stream::StreamExt;
use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

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

/// Nodes as containers.
#[derive(Debug)]
pub struct Docker {
    engine: Engine,
    plan: Arc<Plan>,
    image: String,
    run: String,
    network: String,
    second: u8,
    /// The image of the gateway beside each node; `None`: nodes run functions themselves.
    gateway: Option<String>,
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
                    return Ok(Docker {
                        engine,
                        plan,
                        image,
                        run: run.to_owned(),
                        network,
                        second,
                        gateway: None,
                    });
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

    /// The container that has the node's address, and lives as long as the run.
    fn sandbox(&self, node: u32) -> String {
        format!("{}-address", self.name(node))
    }

    fn ip(&self, node: u32) -> Ipv4Addr {
        self.ip_from(1, node)
    }

    /// The address of a node among those whose third part begins at `first`.
    fn ip_from(&self, first: u32, node: u32) -> Ipv4Addr {
        Ipv4Addr::new(10, self.second, (first + node / LAST).min(255) as u8, (1 + node % LAST) as u8)
    }

    /// What the node's container may have of the processor in a period; a limit above the machine's is none.
    fn quota(&self, node: u32, share: f64) -> i64 {
        let quota = self.plan.cores(node) * share * PERIOD as f64;
        (quota as i64).max(QUOTA_MIN)
    }

    /// Gives a container an address of its own on the run's network.
    fn at(&self, ip: Ipv4Addr, body: ContainerCreateBody) -> ContainerCreateBody {
        let endpoint = EndpointSettings {
            ipam_config: Some(EndpointIpamConfig {
                ipv4_address: Some(ip.to_string()),
                ..EndpointIpamConfig::default()
            }),
            ..EndpointSettings::default()
        };
        let endpoints = HashMap::from([(self.network.clone(), endpoint)]);
        ContainerCreateBody {
            networking_config: Some(NetworkingConfig { endpoints_config: Some(endpoints) }),
            ..body
        }
    }

    /// A container that has what the node's class has of the processor.
    fn limited(&self, node: u32, network_mode: String) -> HostConfig {
        HostConfig {
            network_mode: Some(network_mode),
            cpu_period: Some(PERIOD),
            cpu_quota: Some(self.quota(node, 1.0)),
            ..HostConfig::default()
        }
    }

    /// Brings a node's address up.
    async fn start_sandbox(&self, node: u32) -> Result<(), Failure> {
        let host = HostConfig { network_mode: Some(self.network.clone()), ..HostConfig::default() };
        let body = self.at(self.ip(node), self.container(vec!["pause".to_owned()], host));
        let (name, what) = (self.sandbox(node), format!("node {node}: the container of its address"));
        self.create_container(&name, &what, body).await?;
        self.start_container(&name, &what).await
    }

    /// Makes a node's own container, which is where its limits are.
    async fn create(&self, node: u32, settings: &NodeSettings) -> Result<(), Failure> {
        let mut command: Vec<String> = ["node", "--state", STATE, "--http"].map(str::to_owned).into();
        command.push(format!("0.0.0.0:{HTTP_PORT}"));
        command.extend(["--listen".to_owned(), self.address(node)]);
        // Only this machine reaches the bridge, and only for as long as the run takes.
        for (key, value) in settings.iter().chain([&("http.open".to_owned(), "true".to_owned())]) {
            command.extend(["--set".to_owned(), format!("{key}={value}")]);
        }
        let host = HostConfig {
            memory: self.plan.class(node).map(|class| i64::try_from(class.memory).unwrap_or(i64::MAX)),
            ..self.limited(node, format!("container:{}", self.sandbox(node)))
        };
        let body = self.container(command, host);
        self.create_container(&self.name(node), &format!("node {node}: its container"), body).await
    }

    async fn run_node(&self, node: u32) -> Result<(), Failure> {
        self.start_container(&self.name(node), &format!("node {node}: its container")).await
    }

    /// A container of the run's image that runs this command.
    fn container(&self, command: Vec<String>, host: HostConfig) -> ContainerCreateBody {
        ContainerCreateBody {
            image: Some(self.image.clone()),
            cmd: Some(command),
            labels: Some(HashMap::from([(LABEL.to_owned(), self.run.clone())])),
            host_config: Some(host),
            ..ContainerCreateBody::default()
        }
    }

    /// The last lines of a node's log: so many, or `all`.
    async fn said(&self, node: u32, lines: &str) -> String {
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).tail(lines).build();
        let lines = self.engine.docker.logs(&self.name(node), Some(options));
        lines.filter_map(|line| async { line.ok().map(|line| line.to_string()) }).collect().await
    }

    async fn create_container(
        &self,
        name: &str,
        what: &str,
        body: ContainerCreateBody,
    ) -> Result<(), Failure> {
        let options = CreateContainerOptionsBuilder::new().name(name).build();
        let created = self.engine.docker.create_container(Some(options), body).await;
        created.map(drop).map_err(|error| {
            let gone = matches!(error, Error::DockerResponseServerError { status_code: 404, .. });
            let failure = failed(format!("{what} cannot be made"))(error);
            match failure {
                Failure::Other(message) if gone => Failure::Other(format!(
                    "{message}. Image and network of the run were there when it began: something took them away, such as \
                     `docker system prune` or `harness clean`; run it again without"
                )),
                failure => failure,
            }
        })
    }

    async fn start_container(&self, name: &str, what: &str) -> Result<(), Failure> {
        let started = self.engine.docker.start_container(name, None).await;
        started.map_err(failed(format!("{what} does not start")))
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

    fn gateway(&self, node: u32) -> Option<String> {
        self.gateway_url(node)
    }

    fn address(&self, node: u32) -> String {
        format!("/ip4/{}/tcp/{NODE_PORT}", self.ip(node))
    }

    async fn start(&self, node: u32, settings: &NodeSettings) -> Result<(), Failure> {
        self.start_sandbox(node).await?;
        self.start_beside(node).await?;
        self.create(node, settings).await?;
        self.run_node(node).await
    }

    async fn kill(&self, node: u32) -> Result<(), Failure> {
        for name in self.machine(node) {
            let options = KillContainerOptionsBuilder::new().signal("SIGKILL").build();
            let killed = self.engine.docker.kill_container(&name, Some(options)).await;
            unless_moot(format!("node {node}"), killed)?;
        }
        Ok(())
    }

    async fn power_off(&self, node: u32) -> Result<(), Failure> {
        for name in self.machine(node) {
            unless_moot(format!("node {node}"), self.engine.docker.pause_container(&name).await)?;
        }
        Ok(())
    }

    async fn restart(&self, node: u32, settings: &NodeSettings, fresh: bool) -> Result<(), Failure> {
        // The engine wakes one that is silent only after the signal: it says nothing any more.
        self.kill(node).await?;
        if fresh {
            self.engine.remove_containers(&self.machine(node)).await?;
            self.create_beside(node).await?;
            self.create(node, settings).await?;
        }
        self.run_beside(node).await?;
        self.run_node(node).await
    }

    async fn set_share(&self, node: u32, share: f64) -> Result<bool, Failure> {
        let body = ContainerUpdateBody {
            cpu_period: Some(PERIOD),
            cpu_quota: Some(self.quota(node, share)),
            ..ContainerUpdateBody::default()
        };
        for name in self.computing(node) {
            let updated = self.engine.docker.update_container(&name, body.clone()).await;
            updated.map_err(failed(format!("node {node}: its share of the processor")))?;
        }
        Ok(true)
    }

    async fn has_ended(&self, node: u32) -> bool {
        let container = self.engine.docker.inspect_container(&self.name(node), None).await;
        let state = container.ok().and_then(|container| container.state);
        state.is_some_and(|state| state.running == Some(false))
    }

    async fn last_words(&self, node: u32) -> String {
        self.said(node, LAST_WORDS).await
    }

    async fn log(&self, node: u32) -> Vec<u8> {
        self.said(node, "all").await.into_bytes()
    }

    fn keep(&self) {
        // The engine runs them, and `harness clean` knows their label.
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
