//! The options that say what runs the functions of nodes.

use super::args::BackendKind;
use crate::failure::Failure;
use crate::openfaas::{External, GATEWAY_IMAGE, Image, Mode};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// What runs the functions of nodes.
#[derive(Debug, Args)]
pub(super) struct OpenFaas {
    /// What runs the functions of nodes.
    #[arg(long, value_enum, default_value_t = OpenFaasKind::Builtin)]
    openfaas: OpenFaasKind,
    /// With `--openfaas gateway`: the image of the gateway; a local tag, or one of a mirror. Pulled if the engine does not have it.
    #[arg(long, value_name = "IMAGE", default_value = GATEWAY_IMAGE)]
    gateway_image: String,
    /// You have read and accept OpenFaaS' end-user licence (https://github.com/openfaas/faas/blob/master/EULA.md), which is
    /// what the official images of the gateway come under. Needed for `--openfaas gateway`.
    #[arg(long)]
    accept_openfaas_eula: bool,
    /// With `--openfaas external`: the URL of a gateway, once for each node that hosts functions, in the order of nodes.
    #[arg(long, value_name = "URL")]
    gateway: Vec<String>,
    /// With `--openfaas external`: who may administrate the gateways.
    #[arg(long, value_name = "NAME", default_value = "admin")]
    gateway_user: String,
    /// With `--openfaas external`: the file with the password at the gateways; without, nobody is asked for one.
    #[arg(long, value_name = "FILE")]
    gateway_password_file: Option<PathBuf>,
    /// With `--openfaas external`: the image of all functions. Without, they are those inside a node of ours, as a provider
    /// of ours behind the gateways has them.
    #[arg(long, value_name = "IMAGE")]
    function_image: Option<String>,
    /// With `--function-image`: the process in it, for images of the classic watchdog.
    #[arg(long, value_name = "COMMAND")]
    function_process: Option<String>,
    /// With `--openfaas external`: an image whose function answers with the body of its request, for the conformance suite.
    #[arg(long, value_name = "IMAGE", default_value = "builtin/echo")]
    echo_image: String,
    /// With `--echo-image`: the process in it, for images of the classic watchdog (`cat`).
    #[arg(long, value_name = "COMMAND")]
    echo_process: Option<String>,
}

/// What runs the functions of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OpenFaasKind {
    /// The nodes themselves.
    Builtin,
    /// The official OpenFaaS gateway beside each node, in front of a provider of ours. Needs `--backend docker`.
    Gateway,
    /// Gateways that you name: OpenFaaS, faasd, or nodes of ours.
    External,
}

impl OpenFaas {
    /// What was asked for.
    ///
    /// # Errors
    /// What does not go together.
    pub(super) fn mode(&self, backend: BackendKind) -> Result<Mode, Failure> {
        let named = !self.gateway.is_empty() || self.function_image.is_some();
        match self.openfaas {
            OpenFaasKind::Builtin if named => {
                Err(Failure::input("--gateway and --function-image are for --openfaas external"))
            }
            OpenFaasKind::Builtin => Ok(Mode::Builtin),
            OpenFaasKind::Gateway if backend != BackendKind::Docker => Err(Failure::input(
                "--openfaas gateway runs gateways as containers: it needs --backend docker; --openfaas external takes \
                 gateways that run elsewhere",
            )),
            OpenFaasKind::Gateway if !self.accept_openfaas_eula => Err(Failure::input(
                "--openfaas gateway runs OpenFaaS' own gateway, whose licence is yours to accept: read \
                 https://github.com/openfaas/faas/blob/master/EULA.md (commercial use is limited) and add \
                 --accept-openfaas-eula; --openfaas builtin needs no OpenFaaS",
            )),
            OpenFaasKind::Gateway => Ok(Mode::Gateway(self.gateway_image.clone())),
            OpenFaasKind::External => Ok(Mode::External(External {
                gateways: self.gateway.clone(),
                user: self.gateway_user.clone(),
                password_file: self.gateway_password_file.clone(),
                function: self
                    .function_image
                    .clone()
                    .map(|name| Image { name, process: self.function_process.clone() }),
                echo: Image { name: self.echo_image.clone(), process: self.echo_process.clone() },
            })),
        }
    }

    /// These options as words of a command line.
    pub(super) fn words(&self) -> Vec<String> {
        let kind = match self.openfaas {
            OpenFaasKind::Builtin => return Vec::new(),
            OpenFaasKind::Gateway => "gateway",
            OpenFaasKind::External => "external",
        };
        let mut words = vec!["--openfaas".to_owned(), kind.to_owned()];
        if self.openfaas == OpenFaasKind::Gateway {
            words.extend(["--gateway-image".to_owned(), self.gateway_image.clone()]);
            words.push("--accept-openfaas-eula".to_owned());
            return words;
        }
        words.extend(self.gateway.iter().flat_map(|url| ["--gateway".to_owned(), url.clone()]));
        let password = self.gateway_password_file.as_ref().map(|file| file.display().to_string());
        let pairs = [
            ("--gateway-user", Some(self.gateway_user.clone())),
            ("--gateway-password-file", password),
            ("--function-image", self.function_image.clone()),
            ("--function-process", self.function_process.clone()),
            ("--echo-image", Some(self.echo_image.clone())),
            ("--echo-process", self.echo_process.clone()),
        ];
        for (option, value) in pairs {
            words.extend(value.into_iter().flat_map(|value| [option.to_owned(), value]));
        }
        words
    }
}
