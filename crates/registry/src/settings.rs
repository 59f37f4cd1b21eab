//! How a client behaves; the binary fills this in from flags, files and the environment.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretSlice;

use crate::Credentials;

/// Everything a [`Client`](crate::Client) does not decide itself.
#[derive(Debug, Clone)]
pub struct Settings {
    /// For a registry host (`docker.io`) the places to read from instead, in order; the registry itself comes
    /// last. `http://host:port` or `https://host[:port]`, with an optional path that goes before the
    /// repository. Plain HTTP written here is allowed for that mirror.
    pub mirrors: BTreeMap<String, Vec<String>>,
    /// For a registry host (`docker.io`) where it really is, for reads and writes alike, as a line in
    /// `/etc/hosts` would say it: `host[:port]` or a URL, with an optional path that goes before the repository.
    /// Credentials and errors keep to the registry's own name.
    pub locations: BTreeMap<String, String>,
    /// Hosts (`host` or `host:port`) that may be spoken to without TLS when they do not offer it. Loopback
    /// always may.
    pub plain_http: BTreeSet<String>,
    /// Certificates (PEM, any number in each) to trust besides the system's.
    pub extra_ca: Vec<Vec<u8>>,
    /// Certificates for single hosts (`host` or `host:port`).
    pub tls: BTreeMap<String, HostTls>,
    /// Where requests go through.
    pub proxies: Proxies,
    /// Who to be.
    pub credentials: Credentials,
    /// How often a request or transfer is tried again in a row without any progress.
    pub retries: u32,
    /// The wait before the first retry; it doubles from one to the next, with jitter.
    pub backoff: Duration,
    /// How many blobs travel at once to or from one registry.
    pub parallelism: usize,
    /// The same for single hosts.
    pub limits: BTreeMap<String, usize>,
    /// A connection on which nothing moves for this long is given up and tried again.
    pub stall: Duration,
    /// The time allowed for one push or pull in all.
    pub deadline: Option<Duration>,
    /// A directory for notes on uploads under way, so that a process after this one goes on with what was left
    /// unfinished. Without it, an upload ends with its process.
    pub uploads: Option<PathBuf>,
    /// The `User-Agent`.
    pub user_agent: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mirrors: BTreeMap::new(),
            locations: BTreeMap::new(),
            plain_http: BTreeSet::new(),
            extra_ca: Vec::new(),
            tls: BTreeMap::new(),
            proxies: Proxies::default(),
            credentials: Credentials::default(),
            retries: 5,
            backoff: Duration::from_millis(250),
            parallelism: 4,
            limits: BTreeMap::new(),
            stall: Duration::from_secs(60),
            deadline: None,
            uploads: None,
            user_agent: concat!("wharf/", env!("CARGO_PKG_VERSION")).into(),
        }
    }
}

/// Certificates for one host. Both are PEM.
#[derive(Clone, Default)]
pub struct HostTls {
    /// Authorities to trust for it besides the others.
    pub authorities: Vec<Vec<u8>>,
    /// Our own certificate, the chain after it, and its private key.
    pub identity: Option<(Vec<u8>, SecretSlice<u8>)>,
}

impl std::fmt::Debug for HostTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostTls").field("identity", &self.identity.is_some()).finish_non_exhaustive()
    }
}

/// Proxies by the scheme of the request. Loopback is always spoken to directly.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    /// For `http://`.
    pub http: Option<String>,
    /// For `https://`.
    pub https: Option<String>,
    /// Hosts, domains and networks that need none, comma-separated, as in `NO_PROXY`.
    pub none_for: String,
}

/// Settings that make no sense.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The text is not a URL of the form asked for.
    #[error("`{url}` is not a {what} URL")]
    Url {
        /// `mirror`, `location` or `proxy`.
        what: &'static str,
        /// What was given, without a password.
        url: String,
    },
    /// The certificates cannot be read.
    #[error("a certificate of the settings, or its key, cannot be used: {0}")]
    Certificate(String),
    /// The HTTP client cannot be made.
    #[error("the HTTP client cannot be set up")]
    Http(#[source] reqwest::Error),
}
