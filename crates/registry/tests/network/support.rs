//! What the tests of transfers have in common.

use std::time::Duration;

use tempfile::TempDir;
use wharf_depot::{Access, Options, Users};
use wharf_oci::Reference;
use wharf_registry::{Client, Layout, Settings};
use wharf_testkit::{DebianRegistry, Doorman, FaultyRegistry};

/// A registry of either make.
#[derive(Debug)]
pub(crate) enum Registry {
    Ours(FaultyRegistry),
    Debian(DebianRegistry),
}

impl Registry {
    pub(crate) fn host(&self) -> String {
        match self {
            Self::Ours(registry) => registry.host(),
            Self::Debian(registry) => registry.host(),
        }
    }
}

/// The two makes, with the same doorman.
pub(crate) struct Both;

impl Both {
    pub(crate) fn start(doorman: &Doorman<'_>) -> Vec<Registry> {
        let ours = match doorman {
            Doorman::Nobody => FaultyRegistry::start(),
            Doorman::Password(account, password) => {
                let line = Users::line(account, &(*password).into(), 4).unwrap();
                let access = Access::Users(Users::parse(&line).unwrap());
                FaultyRegistry::with(Options { access, ..Options::default() }, None)
            }
            Doorman::Tokens(server) => FaultyRegistry::with_tokens((*server).clone()),
            Doorman::Certificates { .. } => unreachable!("the faulty registry speaks no TLS"),
        };
        let debian = DebianRegistry::start(doorman).map(Registry::Debian);
        std::iter::once(Registry::Ours(ours)).chain(debian).collect()
    }
}

/// Settings under which a test that fails does not wait.
pub(crate) fn settings() -> Settings {
    Settings { backoff: Duration::from_millis(1), stall: Duration::from_secs(20), ..Settings::default() }
}

pub(crate) fn client() -> Client {
    client_with(settings())
}

pub(crate) fn client_with(settings: Settings) -> Client {
    Client::new(settings).unwrap()
}

pub(crate) fn layout() -> (TempDir, Layout) {
    let directory = tempfile::tempdir().unwrap();
    let layout = Layout::open(directory.path().join("store")).unwrap();
    (directory, layout)
}

pub(crate) fn reference(host: &str, repository: &str) -> Reference {
    format!("{host}/{repository}").parse().unwrap()
}

pub(crate) fn tags(tags: &[&str]) -> Vec<String> {
    tags.iter().map(|&tag| tag.into()).collect()
}

/// Runs the futures at the same time.
pub(crate) async fn together<T>(work: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<T> {
    futures_util::future::join_all(work).await
}
