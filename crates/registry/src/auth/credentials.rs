//! Where credentials come from.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::docker_config::DockerConfig;
use super::helper;

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
    helper_path: Option<OsString>,
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

    /// Looks for credential helpers in these directories (as in `PATH`) instead of the process's own.
    #[must_use]
    pub fn with_helper_path(mut self, path: impl Into<OsString>) -> Self {
        self.helper_path = Some(path.into());
        self
    }

    /// The login for `repository` of `registry`, if any is known.
    pub(crate) async fn lookup(
        &self,
        registry: &str,
        repository: &str,
    ) -> Result<Option<Login>, CredentialsError> {
        if let Some(login) = self.given.get(registry) {
            return Ok(Some(login.clone()));
        }
        for path in &self.docker_config {
            let config = read(path)?;
            if let Some((helper, key)) = config.helper(registry)
                && let Some(login) = helper::ask(helper, &key, self.helper_path.as_deref()).await?
            {
                return Ok(Some(login));
            }
            if let Some(login) = config.login(registry, repository) {
                return Ok(Some(login));
            }
        }
        Ok(None)
    }
}

fn read(path: &Path) -> Result<DockerConfig, CredentialsError> {
    let failed = |source| CredentialsError::Config { path: path.into(), source };
    match std::fs::read(path) {
        // An error of serde_json would quote the file, and with it a secret; its position is enough.
        Ok(text) => DockerConfig::parse(&text).map_err(|error| {
            let position = format!("not valid at line {}, column {}", error.line(), error.column());
            failed(std::io::Error::new(std::io::ErrorKind::InvalidData, position))
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(DockerConfig::default()),
        Err(error) => Err(failed(error)),
    }
}
