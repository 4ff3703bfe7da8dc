//! A gateway beside each node, and behind it a provider of ours: a node's program that has joined no network.

use super::engine::{Engine, failed};
use super::{Docker, HTTP_PORT, STATE};
use crate::failure::Failure;
use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures::stream::TryStreamExt;
use std::net::Ipv4Addr;

/// Where the third parts of the addresses of providers and of gateways begin.
const PROVIDERS: u32 = 100;
const GATEWAYS: u32 = 180;
/// A call may take as long as its deadline says, which is the node's to know.
const TIMEOUT: &str = "24h";

/// The two that stand beside a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beside {
    Provider,
    Gateway,
}

impl Engine {
    /// Pulls an image that the engine does not have.
    ///
    /// # Errors
    /// If it cannot be had.
    pub async fn pull_if_missing(&self, image: &str) -> Result<(), Failure> {
        match self.docker.inspect_image(image).await {
            Ok(_) => return Ok(()),
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => {}
            Err(error) => return Err(failed(format!("the image {image}"))(error)),
        }
        let options = CreateImageOptionsBuilder::new().from_image(image).build();
        let pulled =
            self.docker.create_image(Some(options), None, None).try_for_each(|_| async { Ok(()) }).await;
        pulled.map_err(|error| {
            let error = failed("pulling it")(error);
            Failure::Other(format!(
                "the image {image} is not on this engine, and cannot be had ({error}): `docker pull` it where there is a way \
                 to its registry, or name a local tag or a mirror's by --gateway-image"
            ))
        })
    }

    /// The engine's id of an image.
    ///
    /// # Errors
    /// If the engine does not have it.
    pub async fn image_id(&self, image: &str) -> Result<Option<String>, Failure> {
        let found = self.docker.inspect_image(image).await;
        found.map(|found| found.id).map_err(failed(format!("the image {image}")))
    }
}

impl Docker {
    /// The same, with a gateway of this image beside each node.
    #[must_use]
    pub fn with_gateways(self, gateway: Option<String>) -> Self {
        Docker { gateway, ..self }
    }

    pub(super) fn beside_name(&self, node: u32, which: Beside) -> String {
        let kind = match which {
            Beside::Provider => "provider",
            Beside::Gateway => "gateway",
        };
        format!("edge-faas-{}-{kind}-{node}", self.run).to_lowercase()
    }

    fn beside_ip(&self, node: u32, which: Beside) -> Ipv4Addr {
        let first = match which {
            Beside::Provider => PROVIDERS,
            Beside::Gateway => GATEWAYS,
        };
        self.ip_from(first, node)
    }

    /// The gateway beside a node.
    pub(super) fn gateway_url(&self, node: u32) -> Option<String> {
        self.gateway.as_ref().map(|_| format!("http://{}:{HTTP_PORT}", self.beside_ip(node, Beside::Gateway)))
    }

    /// The containers beside a node.
    fn beside(&self, node: u32) -> Vec<String> {
        let names = [Beside::Provider, Beside::Gateway].map(|which| self.beside_name(node, which));
        if self.gateway.is_some() { names.into() } else { Vec::new() }
    }

    /// All containers that go down and come up with a node.
    pub(super) fn machine(&self, node: u32) -> Vec<String> {
        [vec![self.name(node)], self.beside(node)].concat()
    }

    /// Those that have the cores of the node's class.
    pub(super) fn computing(&self, node: u32) -> Vec<String> {
        let provider = self.gateway.as_ref().map(|_| self.beside_name(node, Beside::Provider));
        std::iter::once(self.name(node)).chain(provider).collect()
    }

    /// Makes and starts what stands beside a node.
    pub(super) async fn start_beside(&self, node: u32) -> Result<(), Failure> {
        self.create_beside(node).await?;
        self.run_beside(node).await
    }

    /// Makes what stands beside a node.
    pub(super) async fn create_beside(&self, node: u32) -> Result<(), Failure> {
        let Some(gateway) = &self.gateway else { return Ok(()) };
        let provider = self.beside_ip(node, Beside::Provider);
        let words =
            ["node", "--state", STATE, "--listen", "/ip4/127.0.0.1/tcp/0", "--http"].map(str::to_owned);
        let mut command: Vec<String> = words.into();
        command.push(format!("0.0.0.0:{HTTP_PORT}"));
        let settings = [
            "http.open=true".to_owned(),
            // It joins no network: that is only done when it is told to.
            "experiment.enabled=true".to_owned(),
            format!("runtime.cores={}", self.plan.whole_cores(node)),
        ];
        command.extend(settings.into_iter().flat_map(|setting| ["--set".to_owned(), setting]));
        let limited = self.limited(node, self.network.clone());
        let body = self.at(provider, self.container(command, limited));
        let what = format!("node {node}: the container of its provider");
        self.create_container(&self.beside_name(node, Beside::Provider), &what, body).await?;
        let environment = [
            ("functions_provider_url", format!("http://{provider}:{HTTP_PORT}/")),
            // A provider of ours answers the gateway's questions for counts.
            ("faas_prometheus_host", provider.to_string()),
            ("faas_prometheus_port", HTTP_PORT.to_string()),
            ("function_namespace", "openfaas-fn".to_owned()),
            ("direct_functions", "false".to_owned()),
            ("basic_auth", "false".to_owned()),
            ("scale_from_zero", "false".to_owned()),
            ("read_timeout", TIMEOUT.to_owned()),
            ("write_timeout", TIMEOUT.to_owned()),
            ("upstream_timeout", TIMEOUT.to_owned()),
        ];
        let host = HostConfig { network_mode: Some(self.network.clone()), ..HostConfig::default() };
        let body = ContainerCreateBody {
            image: Some(gateway.clone()),
            cmd: None,
            env: Some(environment.map(|(key, value)| format!("{key}={value}")).into()),
            ..self.container(Vec::new(), host)
        };
        let body = self.at(self.beside_ip(node, Beside::Gateway), body);
        let what = format!("node {node}: the container of its gateway");
        self.create_container(&self.beside_name(node, Beside::Gateway), &what, body).await
    }

    /// Starts what stands beside a node.
    pub(super) async fn run_beside(&self, node: u32) -> Result<(), Failure> {
        for name in self.beside(node) {
            self.start_container(&name, &format!("node {node}: {name}")).await?;
        }
        Ok(())
    }
}
