//! Who we are to a registry: credentials, challenges, tokens.

mod authenticator;
mod challenge;
mod credentials;
mod docker_config;
mod helper;
mod scope;

pub(crate) use authenticator::{Access, Authenticator};
pub use challenge::Challenge;
pub use credentials::{Credentials, CredentialsError, Login};
pub(crate) use scope::Scopes;
