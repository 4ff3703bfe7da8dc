//! What runs the functions of nodes: the nodes themselves, a gateway beside each, or gateways that the user names.

use crate::conformance::{self, Gateway};
use crate::failure::Failure;
use crate::node::{self, NodeClient};
use crate::plan::Plan;
use crate::unsupported::Complaint;
use edge_faas_core::results::OpenFaas;
use edge_faas_core::scenario::Scenario;
use edge_faas_core::scenario::schema::FaultAction;
use edge_faas_node::openfaas::FunctionDeployment;
use reqwest::Client;
use std::path::PathBuf;
use std::time::Duration;

/// The image of the official gateway that was tried.
pub const GATEWAY_IMAGE: &str = "ghcr.io/openfaas/gateway:0.27.14";
/// Images that are functions inside a node.
const BUILTIN: &str = "builtin/";
/// The label of functions that the harness deploys on gateways of others.
const LABEL: &str = "org.edge-faas.harness";
/// How often a node asks its gateway what it hosts.
const POLL: &str = "1s";
/// How long a function of the conformance suite may take to be ready: its image may have to be pulled first.
const READY: Duration = Duration::from_secs(60);

/// An image and the process in it, for images of the classic watchdog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The image.
    pub name: String,
    /// The process.
    pub process: Option<String>,
}

/// Gateways that the user names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct External {
    /// Their URLs: the first is that of the first node that hosts functions, and so on.
    pub gateways: Vec<String>,
    /// Who may administrate them.
    pub user: String,
    /// The file with the password; `None`: nobody is asked for one.
    pub password_file: Option<PathBuf>,
    /// What functions are, if not those inside a node.
    pub function: Option<Image>,
    /// A function that answers with the body of its request, for the conformance suite.
    pub echo: Image,
}

/// What runs the functions of nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// The nodes themselves.
    #[default]
    Builtin,
    /// A gateway of this image beside each node, in front of a provider of ours.
    Gateway(String),
    /// Gateways that the user names.
    External(External),
}

impl External {
    /// The gateway of a node: each that hosts functions has one of its own.
    fn of(&self, plan: &Plan, node: u32) -> Option<&String> {
        self.gateways.get(plan.hosts().position(|host| host == node)?)
    }

    fn credentials(&self) -> Result<Option<(String, String)>, Failure> {
        self.password_file.as_ref().map(|file| Ok((self.user.clone(), read_password(file)?))).transpose()
    }

    /// The gateways of all nodes that host functions, by their URLs.
    fn clients(&self, plan: &Plan) -> Result<Vec<(&str, NodeClient)>, Failure> {
        let (client, credentials) = (node::client()?, self.credentials()?);
        let used = plan.hosts().zip(&self.gateways);
        Ok(used.map(|(_, url)| (url.as_str(), administrator(&client, url, credentials.clone()))).collect())
    }
}

/// A gateway as who may administrate it talks to it.
fn administrator(client: &Client, url: &str, credentials: Option<(String, String)>) -> NodeClient {
    NodeClient::new(client, url.trim_end_matches('/').to_owned()).with_credentials(credentials)
}

/// The password in a file, without the end of its line.
///
/// # Errors
/// If it cannot be read.
pub fn read_password(file: &std::path::Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::Input(format!("{}: the password cannot be read: {error}", file.display()))
    })?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

impl Mode {
    /// Its name on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Mode::Builtin => "builtin",
            Mode::Gateway(_) => "gateway",
            Mode::External(_) => "external",
        }
    }

    /// Refuses what cannot be run so.
    ///
    /// # Errors
    /// Too few gateways, or one for two nodes.
    pub fn check(&self, plan: &Plan) -> Result<(), Failure> {
        let Mode::External(external) = self else { return Ok(()) };
        external.credentials()?;
        let hosts = plan.hosts().count();
        if external.gateways.len() < hosts {
            return Err(Failure::Input(format!(
                "{hosts} nodes host functions, and {} gateways are named: each of them needs one of its own (--gateway URL)",
                external.gateways.len()
            )));
        }
        let mut sorted = external.gateways.clone();
        sorted.sort();
        match sorted.windows(2).find(|two| two[0] == two[1]) {
            Some(two) => Err(Failure::Input(format!(
                "{}: is named twice: two nodes would host what it hosts; each needs a gateway of its own",
                two[0]
            ))),
            None => Ok(()),
        }
    }

    /// What functions behind gateways of the user's cannot honour.
    pub fn complaints(&self, scenario: &Scenario) -> Vec<Complaint> {
        let Mode::External(external) = self else { return Vec::new() };
        let faults = scenario.faults.iter().enumerate();
        let mut found: Vec<Complaint> = faults
            .filter_map(|(number, fault)| {
                let why = match &fault.action {
                    FaultAction::Kill { fresh: true, .. }
                    | FaultAction::PowerOff { fresh: true, .. }
                    | FaultAction::Restart { fresh: true, .. } => {
                        "a node that comes back fresh hosts nothing, but the functions stay at the gateway that you named"
                    }
                    FaultAction::Slow { .. } => "functions run at the gateway that you named, whose machine is not slowed",
                    _ => return None,
                };
                Some(format!("fault.{number}: {why}"))
            })
            .collect();
        let Some(image) = external.function.as_ref().filter(|image| !image.name.starts_with(BUILTIN)) else {
            return found;
        };
        let of = |function: &edge_faas_core::scenario::schema::Function| {
            format!(
                "function.{}.service_time: {} takes what it takes (--function-image)",
                function.name, image.name
            )
        };
        found.extend(scenario.functions.iter().map(of));
        found
    }

    /// The settings of a node, besides those of the plan; `beside`: the gateway that was brought up for it.
    ///
    /// # Errors
    /// If a password cannot be read.
    pub fn settings(
        &self,
        plan: &Plan,
        node: u32,
        beside: Option<String>,
    ) -> Result<Vec<(String, String)>, Failure> {
        let (url, password) = match self {
            Mode::Builtin => return Ok(Vec::new()),
            Mode::Gateway(_) => (beside, None),
            Mode::External(external) => (
                external.of(plan, node).cloned(),
                external.password_file.as_ref().map(|file| (external, file)),
            ),
        };
        let Some(url) = url else { return Ok(Vec::new()) };
        let quoted = |text: &str| format!("{text:?}");
        let mut settings = vec![
            ("runtime.kind", quoted("openfaas")),
            ("runtime.gateway", quoted(&url)),
            ("runtime.poll_interval", quoted(POLL)),
        ];
        if let Some((external, file)) = password {
            let file = std::path::absolute(file).map_err(Failure::other)?;
            settings.push(("runtime.gateway_user", quoted(&external.user)));
            settings.push(("runtime.gateway_password_file", quoted(&file.display().to_string())));
        }
        Ok(settings.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    /// The deployment of function `index` of the plan.
    pub fn deployment(&self, plan: &Plan, index: u32) -> Option<FunctionDeployment> {
        let mut deployment = plan.deployment(index)?;
        if let Mode::External(external) = self {
            deployment.labels.insert(LABEL.to_owned(), "run".to_owned());
            if let Some(image) = &external.function {
                deployment.image.clone_from(&image.name);
                deployment.env_process = image.process.clone().unwrap_or_default();
            }
        }
        Some(deployment)
    }

    /// Makes sure that no function of somebody else's on the user's gateways would be replaced, and takes away those that
    /// a run left that was killed.
    ///
    /// # Errors
    /// If there is one, or a gateway does not answer.
    pub async fn prepare(&self, plan: &Plan) -> Result<(), Failure> {
        let Mode::External(external) = self else { return Ok(()) };
        for (url, gateway) in external.clients(plan)? {
            for function in gateway.functions().await? {
                if !plan.functions.contains(&function.name) {
                    continue;
                }
                if !function.labels.contains_key(LABEL) {
                    return Err(Failure::Input(format!(
                        "{url} hosts a function {}, which the scenario has, too: remove it there, or name the scenario's \
                         otherwise",
                        function.name
                    )));
                }
                gateway.remove(&function.name).await?;
            }
        }
        Ok(())
    }

    /// Takes away what was deployed on the user's gateways.
    ///
    /// # Errors
    /// If a gateway does not let it go.
    pub async fn clear(&self, plan: &Plan) -> Result<(), Failure> {
        let Mode::External(external) = self else { return Ok(()) };
        for (_, gateway) in external.clients(plan)? {
            let ours = gateway.functions().await?.into_iter();
            for function in ours.filter(|function| function.labels.contains_key(LABEL)) {
                gateway.remove(&function.name).await?;
            }
        }
        Ok(())
    }

    /// Runs the conformance suite against what runs the functions of a node: `own` is the node's own API, `beside` the
    /// gateway that was brought up for it; `patience`: how long a function may take to be ready, if the user says. Returns
    /// what the manifest says of it.
    ///
    /// # Errors
    /// The checks that failed.
    pub async fn conform(
        &self,
        client: &Client,
        plan: &Plan,
        node: u32,
        own: String,
        beside: Option<String>,
        patience: Option<Duration>,
    ) -> Result<OpenFaas, Failure> {
        let builtin = || Image { name: format!("{BUILTIN}echo"), process: None };
        let (url, credentials, echo) = match self {
            Mode::Builtin => (own, None, builtin()),
            Mode::Gateway(_) => (beside.unwrap_or(own), None, builtin()),
            Mode::External(external) => (
                external.of(plan, node).cloned().unwrap_or(own),
                external.credentials()?,
                external.echo.clone(),
            ),
        };
        let (image, process, patience) = (echo.name, echo.process, patience.unwrap_or(READY));
        let gateway =
            Gateway { url: url.clone(), credentials: credentials.clone(), image, process, patience };
        let checks = conformance::run(gateway).await?;
        let failed = checks.iter().filter_map(|check| Some((check.name, check.result.as_ref().err()?)));
        let failed: Vec<String> = failed.map(|(name, error)| format!("{name}: {error}")).collect();
        if !failed.is_empty() {
            return Err(Failure::Other(format!(
                "{url} does not behave as an OpenFaaS gateway: `harness conformance` tells more\n  {}",
                failed.join("\n  ")
            )));
        }
        let info = administrator(client, &url, credentials).info().await?;
        let text = |path: &str| {
            let text = info.pointer(path).and_then(serde_json::Value::as_str).map(str::to_owned);
            // The official gateway says nothing of a provider of ours, whose answer has the form of a gateway's.
            text.filter(|text| !text.is_empty())
        };
        Ok(OpenFaas {
            mode: self.name().to_owned(),
            provider: text("/provider/provider"),
            version: text("/version/release").or_else(|| text("/provider/version/release")),
            image: match self {
                Mode::Gateway(image) => Some(image.clone()),
                _ => None,
            },
            image_id: None,
            gateways: match self {
                Mode::External(external) => external.gateways.clone(),
                _ => Vec::new(),
            },
        })
    }
}
