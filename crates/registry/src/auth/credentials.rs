//! Where credentials come from.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::cloud::{self, Lent, Surroundings};
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
    /// A configuration as text, after the files.
    config_text: Option<SecretString>,
    around: Option<Surroundings>,
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
    /// The cloud that the registry belongs to gives no login.
    #[error("{step} failed, for {registry}: {message}")]
    Cloud {
        /// For which registry.
        registry: String,
        /// What was being done.
        step: String,
        /// Why it failed, without anything secret.
        message: String,
    },
    /// The configuration that was handed in as text makes no sense.
    #[error("the registry credentials in {place} are not valid at line {line}, column {column}")]
    Text {
        /// Where the text comes from.
        place: &'static str,
        /// The line.
        line: usize,
        /// The column.
        column: usize,
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

    /// Adds a `config.json` as text, as the variable `DOCKER_AUTH_CONFIG` holds it. It counts after the files.
    #[must_use]
    pub fn with_config_text(mut self, text: SecretString) -> Self {
        self.config_text = Some(text);
        self
    }

    /// Where no login is known, asks the cloud that the registry belongs to, as whoever these surroundings make
    /// us there.
    #[must_use]
    pub fn with_surroundings(mut self, around: Surroundings) -> Self {
        self.around = Some(around);
        self
    }

    /// The login that the registry's cloud gives us, whatever the files say.
    pub async fn native(
        &self,
        registry: &str,
        http: &reqwest::Client,
    ) -> Result<Option<Login>, CredentialsError> {
        let Some(around) = &self.around else { return Ok(None) };
        let Ok(base) = url::Url::parse(&format!("https://{registry}/")) else { return Ok(None) };
        Ok(cloud::lend(registry, &base, http, around).await?.map(|lent| lent.login))
    }

    /// Looks for credential helpers in these directories (as in `PATH`) instead of the process's own.
    #[must_use]
    pub fn with_helper_path(mut self, path: impl Into<OsString>) -> Self {
        self.helper_path = Some(path.into());
        self
    }

    /// The login for `repository` of `registry`, if any is known. `base` is where the registry is spoken to.
    pub(crate) async fn lookup(
        &self,
        registry: &str,
        repository: &str,
        base: &url::Url,
        http: &reqwest::Client,
    ) -> Result<Option<Lent>, CredentialsError> {
        let kept = |login| Some(Lent { login, life: None });
        if let Some(login) = self.given.get(registry) {
            return Ok(kept(login.clone()));
        }
        let configs = self.docker_config.iter().map(|path| read(path));
        for config in configs.chain(self.config_text.iter().map(parse)) {
            let config = config?;
            if let Some((helper, key)) = config.helper(registry)
                && let Some(login) = helper::get(helper, &key, self.helper_path.as_deref()).await?
            {
                return Ok(kept(login));
            }
            if let Some(login) = config.login(registry, repository) {
                return Ok(kept(login));
            }
        }
        match &self.around {
            Some(around) => cloud::lend(registry, base, http, around).await,
            None => Ok(None),
        }
    }
}

fn parse(text: &SecretString) -> Result<DockerConfig, CredentialsError> {
    DockerConfig::parse(text.expose_secret().as_bytes()).map_err(|error| CredentialsError::Text {
        place: "`DOCKER_AUTH_CONFIG`",
        line: error.line(),
        column: error.column(),
    })
}

pub(super) fn read(path: &Path) -> Result<DockerConfig, CredentialsError> {
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
