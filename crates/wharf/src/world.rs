//! What commands work with: the store, the registries' client, the sandbox, the view of progress, the time.
//!
//! Made once per process. Entering the sandbox comes first, while the process has one thread.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use wharf_build::Share;
use wharf_registry::{Client, Credentials, Layout, Login, Proxies};
use wharf_sandbox::Sandbox;

use crate::cli::Globals;
use crate::exit::{Exit, Failure};
use crate::output::progress::Progress;
use crate::settings::{certificates, host};

/// The surroundings of one command.
pub(crate) struct World {
    /// What was typed for every verb.
    pub(crate) globals: Globals,
    /// How progress is shown.
    pub(crate) progress: Progress,
    /// Where images, caches and state live.
    pub(crate) data_dir: PathBuf,
    /// The images on this machine.
    pub(crate) store: Layout,
    /// Speaks to registries.
    pub(crate) client: Client,
    /// Where async work runs.
    pub(crate) runtime: tokio::runtime::Runtime,
    sandbox: Option<Sandbox>,
    /// Nobody prunes the data directory meanwhile.
    share: Mutex<Option<Share>>,
}

impl World {
    /// The world of a command that starts no processes.
    pub(crate) fn open(globals: &Globals) -> Result<Self, Failure> {
        let uid = rustix::process::getuid().as_raw();
        Self::with(globals, uid, None)
    }

    /// The world of a command that builds or runs: the process moves into namespaces of its own. Must be
    /// called before any thread is started.
    pub(crate) fn sandboxed(globals: &Globals) -> Result<Self, Failure> {
        let sandbox = wharf_sandbox::enter().map_err(|error| {
            Failure::from(error).hint("`wharf doctor` says what this host allows and what would change it")
        })?;
        let uid = sandbox.caller().0;
        Self::with(globals, uid, Some(sandbox))
    }

    fn with(globals: &Globals, uid: u32, sandbox: Option<Sandbox>) -> Result<Self, Failure> {
        let data_dir = host::data_dir(globals, uid);
        let mut settings = client_settings(&host::read(globals)?)?;
        settings.uploads = Some(data_dir.join("uploads"));
        let store = Layout::open(data_dir.join("store"))
            .with_context(|| format!("opening the image store in {}", data_dir.display()))?
            .noting_use();
        let share = wharf_build::Engine::share(&data_dir)
            .with_context(|| format!("locking the data directory {}", data_dir.display()))?;
        Ok(Self {
            globals: globals.clone(),
            progress: Progress::new(globals),
            store,
            client: Client::new(settings).map_err(|error| Failure::new(Exit::Usage, error))?,
            runtime: tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?,
            data_dir,
            sandbox,
            share: Mutex::new(Some(share)),
        })
    }

    /// A client that is somebody else to one registry.
    pub(crate) fn client_as(&self, registry: &str, login: Login) -> Result<Client, Failure> {
        let mut settings = client_settings(&host::read(&self.globals)?)?;
        settings.credentials = Credentials::default().with(registry, login);
        Client::new(settings).map_err(|error| Failure::new(Exit::Usage, error))
    }

    /// From here on nothing in the data directory is used that another command may prune.
    pub(crate) fn release(&self) {
        drop(self.share.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// The login that the registry's cloud gives whoever we are there.
    pub(crate) fn native_login(&self, registry: &str) -> Result<Option<Login>, Failure> {
        let settings = client_settings(&host::read(&self.globals)?)?;
        let http =
            wharf_registry::http_client(&settings).map_err(|error| Failure::new(Exit::Usage, error))?;
        Ok(self.runtime.block_on(settings.credentials.native(registry, &http))?)
    }

    /// The sandbox of a command that asked for one.
    pub(crate) fn sandbox(&self) -> &Sandbox {
        match &self.sandbox {
            Some(sandbox) => sandbox,
            None => unreachable!("the command did not ask for a sandbox"),
        }
    }
}

/// A client as this machine's settings want it, for a command that needs no store.
pub(crate) fn client(globals: &Globals) -> Result<Client, Failure> {
    let settings = client_settings(&host::read(globals)?)?;
    Client::new(settings).map_err(|error| Failure::new(Exit::Usage, error))
}

/// The current time; `WHARF_NOW` (RFC 3339) stands in for it in tests.
pub(crate) fn now() -> Timestamp {
    let fixed = std::env::var("WHARF_NOW").ok().and_then(|text| text.parse().ok());
    fixed.unwrap_or_else(Timestamp::now)
}

/// How registries are reached, from the host's settings and the environment.
fn client_settings(host: &host::Host) -> Result<wharf_registry::Settings, Failure> {
    let mut settings = wharf_registry::Settings { proxies: proxies(), ..wharf_registry::Settings::default() };
    let transfers = &host.transfers;
    settings.parallelism = transfers.parallelism.unwrap_or(settings.parallelism);
    settings.retries = transfers.retries.unwrap_or(settings.retries);
    settings.deadline = transfers.deadline.map(Duration::from_secs);
    settings.stall = transfers.stall.map_or(settings.stall, Duration::from_secs);
    settings.tls = certificates::read_all(&host::certificate_directories())?;
    for (name, registry) in &host.registries {
        let mirrors = registry.mirrors.iter().map(|mirror| as_url(mirror)).collect();
        settings.mirrors.insert(name.clone(), mirrors);
        if let Some(location) = &registry.location {
            settings.locations.insert(name.clone(), location.clone());
        }
        if registry.plain_http {
            settings.plain_http.insert(name.clone());
        }
        settings.limits.extend(registry.parallelism.map(|limit| (name.clone(), limit)));
        if let Some(ca) = &registry.ca {
            settings.tls.entry(name.clone()).or_default().authorities.push(read(ca)?);
        }
        match (&registry.client_cert, &registry.client_key) {
            (Some(certificate), Some(key)) => {
                let identity = (read(certificate)?, read(key)?.into());
                settings.tls.entry(name.clone()).or_default().identity = Some(identity);
            }
            (None, None) => {}
            _ => {
                return Err(Failure::usage(format!(
                    "[registries.\"{name}\"] names only one of `client-cert` and `client-key`"
                )));
            }
        }
    }
    settings.credentials = credentials();
    Ok(settings)
}

/// The logins of this machine: those of files in the order in which podman and docker read them, then those of the
/// registry's cloud.
fn credentials() -> Credentials {
    let mut credentials = Credentials::default();
    for file in host::auth_files() {
        credentials = credentials.with_docker_config(file);
    }
    if let Some(text) = host::variable("DOCKER_AUTH_CONFIG") {
        credentials = credentials.with_config_text(text.into());
    }
    credentials.with_surroundings(host::surroundings())
}

/// A mirror may be written as `host:port`; it is then spoken to with TLS.
fn as_url(mirror: &str) -> String {
    if mirror.contains("://") { mirror.to_owned() } else { format!("https://{mirror}") }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    Ok(std::fs::read(path).with_context(|| format!("reading certificates from {}", path.display()))?)
}

/// The proxies that the environment names.
pub(crate) fn proxies() -> Proxies {
    let either = |upper: &str| host::variable(&upper.to_lowercase()).or_else(|| host::variable(upper));
    Proxies {
        http: either("HTTP_PROXY"),
        https: either("HTTPS_PROXY"),
        none_for: either("NO_PROXY").unwrap_or_default(),
    }
}
