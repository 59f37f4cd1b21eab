//! Logins that clouds give to whoever runs on them or holds their keys, without the clouds' own programs.
//!
//! Each cloud has a module that says for a registry's host whether it is that cloud's, and then walks the places
//! where the cloud's own tools look for keys, in their order. Nothing here reads the environment: what it says is
//! handed in as [`Surroundings`].

mod aws;
mod azure;
mod exchange;
mod github;
mod google;

pub use aws::{AwsKeys, AwsProfiles, AwsQuestion};

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{CredentialsError, Login};

/// How long a cloud may take to answer a question.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a machine's own metadata server may take to answer the call: where there is none, nobody answers.
const METADATA_PATIENCE: Duration = Duration::from_secs(1);

/// What the process knows of its surroundings: environment variables and the home directory.
#[derive(Clone, Default)]
pub struct Surroundings {
    variables: BTreeMap<String, String>,
    home: Option<PathBuf>,
}

/// The values may be secret, so only the names show.
impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").field("variables", &self.variables.keys()).finish_non_exhaustive()
    }
}

impl Surroundings {
    /// The beginnings of the variables that clouds' tools read.
    pub const PREFIXES: [&str; 9] = [
        "AWS_",
        "GOOGLE_",
        "GCE_",
        "CLOUDSDK_",
        "AZURE_",
        "IDENTITY_",
        "MSI_",
        "GITHUB_",
        "ACTIONS_ID_TOKEN_",
    ];

    /// Surroundings of these variables, of which empty ones count as not set, and this home directory.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>, home: Option<PathBuf>) -> Self {
        let variables = variables.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        Self { variables, home }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    fn is_on(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true") || value == "1")
    }

    /// A file under the home directory.
    fn at_home(&self, path: &str) -> Option<PathBuf> {
        Some(self.home.as_ref()?.join(path))
    }
}

/// A login, and for how long it is good.
#[derive(Debug, Clone)]
pub(crate) struct Lent {
    pub(crate) login: Login,
    pub(crate) life: Option<Duration>,
}

/// Everything that asking a cloud needs.
#[derive(Clone, Copy)]
struct Asking<'a> {
    registry: &'a str,
    /// Where the registry is spoken to, for clouds whose exchange is the registry's own.
    base: &'a url::Url,
    http: &'a reqwest::Client,
    around: &'a Surroundings,
}

impl Asking<'_> {
    /// The failure of a step, such as `asking AWS for a token`.
    fn failed(&self, step: impl Into<String>, message: impl Into<String>) -> CredentialsError {
        CredentialsError::Cloud { registry: self.registry.into(), step: step.into(), message: message.into() }
    }

    fn read(&self, path: &Path) -> Result<String, CredentialsError> {
        std::fs::read_to_string(path)
            .map_err(|error| self.failed(format!("reading `{}`", path.display()), error.to_string()))
    }

    /// A file that need not be there.
    fn read_if_there(&self, path: &Path) -> Result<Option<String>, CredentialsError> {
        if path.exists() { self.read(path).map(Some) } else { Ok(None) }
    }
}

/// The login that the registry's cloud gives us; `None` where the registry is no cloud's, or we are nobody there.
pub(crate) async fn lend(
    registry: &str,
    base: &url::Url,
    http: &reqwest::Client,
    around: &Surroundings,
) -> Result<Option<Lent>, CredentialsError> {
    let asking = Asking { registry, base, http, around };
    if let Some(place) = aws::place(registry) {
        return aws::lend(asking, &place).await;
    }
    if google::is_at(registry) {
        return google::lend(asking).await;
    }
    if azure::is_at(registry) {
        return azure::lend(asking).await;
    }
    Ok(github::lend(registry, around))
}
