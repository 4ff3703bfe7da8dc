//! The OpenFaaS API as it is spoken: JSON bodies, names, paths and headers.
//!
//! What gateways and providers really send differs from their OpenAPI text; these types read all of them. Fields that
//! we do not know are kept where a message is passed on, and ignored elsewhere, as the originals do.

mod deployment;
pub mod header;
mod log;
mod name;
mod secret;
mod status;

pub use deployment::{DeleteFunctionRequest, FunctionDeployment, Resources, ScaleServiceRequest};
pub use log::{LogMessage, LogQuery};
pub use name::{DEFAULT_NAMESPACE, FunctionName, NameError};
pub use secret::Secret;
pub use status::{FunctionStatus, Provider, SystemInfo, Usage, Version};

use serde::{Deserialize, Deserializer};

/// Reads `null` as the default: Go writes empty maps and lists so.
fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
