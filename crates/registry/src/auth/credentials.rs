//! Where credentials come from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use secrecy::SecretString;

/// What proves who we are.
#[derive(Clone)]
pub enum Login {
    /// An account and its password or access token.
    Password {
        /// The account.
        username: String,
        /// The password.
        password: SecretString,
    },
    /// A refresh token for the registry's token server (`identitytoken`).
    Identity(SecretString),
    /// A finished bearer token (`registrytoken`).
    Bearer(SecretString),
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password { username, .. } => write!(f, "Password({username})"),
            Self::Identity(_) => f.write_str("Identity"),
            Self::Bearer(_) => f.write_str("Bearer"),
        }
    }
}

/// The logins known: those given for a host, then those of docker's configuration.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    given: BTreeMap<String, Login>,
    docker_config: Vec<PathBuf>,
}

/// Credentials that should be there and cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The file cannot be read or makes no sense.
    #[error("reading credentials from `{}` failed", path.display())]
    Config {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The credential helper failed.
    #[error("credential helper `docker-credential-{helper}` failed for {registry}: {message}")]
    Helper {
        /// The helper's short name.
        helper: String,
        /// For which registry.
        registry: String,
        /// What it said.
        message: String,
    },
}

impl Credentials {
    /// Adds the login for a registry host.
    #[must_use]
    pub fn with(mut self, registry: impl Into<String>, login: Login) -> Self {
        self.given.insert(registry.into(), login);
        self
    }

    /// Adds a `config.json` as docker writes it (or an `auth.json` as podman does). A missing file is an
    /// empty one; of several, the first that knows the registry counts.
    #[must_use]
    pub fn with_docker_config(mut self, path: impl Into<PathBuf>) -> Self {
        self.docker_config.push(path.into());
        self
    }
}
