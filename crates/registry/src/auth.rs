//! Who we are to a registry: credentials, challenges, tokens.

mod authenticator;
mod challenge;
mod cloud;
mod credentials;
mod delegate;
mod docker_config;
mod helper;
mod keeping;
mod scope;

pub(crate) use authenticator::{Access, Authenticator, Line};
pub use challenge::Challenge;
pub use cloud::{AwsKeys, AwsProfiles, AwsQuestion, Surroundings};
pub use credentials::{Credentials, CredentialsError, Login};
pub use docker_config::DockerConfig;
pub use keeping::{forget_with_helper, keep_with_helper};
pub(crate) use scope::Scopes;
