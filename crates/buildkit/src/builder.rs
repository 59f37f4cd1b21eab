//! A builder that is connected: what it is, and what it can do.

use std::cmp::Ordering;
use std::fmt;
use std::time::Duration;

use bollard_buildkit_proto::moby::buildkit::v1::control_client::ControlClient;
use bollard_buildkit_proto::moby::buildkit::v1::types::WorkerRecord;
use bollard_buildkit_proto::moby::buildkit::v1::{InfoRequest, ListWorkersRequest};
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::address::Address;
use crate::error::Error;
use crate::transport;

/// How long a builder may take to say what it is.
const PATIENCE: Duration = Duration::from_secs(30);

/// The label of workers that keep images where every exporter finds them. The worker inside a Docker engine with
/// graph drivers has none.
const SNAPSHOTTER: &str = "org.mobyproject.buildkit.worker.snapshotter";

/// A connected builder.
#[derive(Debug, Clone)]
pub struct Builder {
    /// Where it is.
    pub address: Address,
    /// What it is.
    pub about: About,
    channel: Channel,
}

/// What a builder says of itself.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// Its version; `None` before 0.11, which did not say.
    pub version: Option<Version>,
    /// The platforms that it builds for, its own first.
    pub platforms: Vec<String>,
    /// It has the exporters for images: `oci`, `docker`, `image`. A Docker engine without containerd's image store
    /// keeps what it builds, and hands it out by an API of its own.
    pub exports_images: bool,
}

/// A version of BuildKit, as far as it matters here: `v0.12.5` is 0.12.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// As the builder says it.
    pub text: String,
    major: u32,
    minor: u32,
}

impl Version {
    fn read(text: &str) -> Option<Self> {
        let mut numbers = text.trim_start_matches('v').split(['.', '-', '+']);
        let mut next = || numbers.next()?.parse().ok();
        Some(Self { major: next()?, minor: next()?, text: text.to_owned() })
    }

    fn is_told(&self) -> bool {
        (self.major, self.minor) != (0, 0)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Something that only builders of a version on can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feature {
    /// What it is, as in "`--ulimit` needs BuildKit 0.10".
    pub name: &'static str,
    /// The first version that has it.
    pub since: (u32, u32),
}

impl Builder {
    /// Connects, and asks what is there.
    ///
    /// # Errors
    /// If there is no way to it, or what answers is no BuildKit.
    pub async fn connect(address: &Address) -> Result<Self, Error> {
        Self::over(address, transport::connect(address).await?).await
    }

    /// Asks the builder behind `channel`, which is at `address`, what it is.
    ///
    /// # Errors
    /// If what answers is no BuildKit.
    pub async fn over(address: &Address, channel: Channel) -> Result<Self, Error> {
        let failed = |status: Status| Error::Ask { address: address.to_string(), source: status.into() };
        let asked = tokio::time::timeout(PATIENCE, ask(&channel)).await;
        let too_slow = |_| Status::deadline_exceeded(format!("no answer within {PATIENCE:?}"));
        let about = asked.map_err(too_slow).and_then(|about| about).map_err(failed)?;
        Ok(Self { address: address.clone(), about, channel })
    }

    /// The line to it.
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Whether it can do `feature`; an error that names the version that can.
    ///
    /// # Errors
    /// If the builder is older. One that does not say how old it is, is from before 0.11.
    pub fn require(&self, feature: Feature) -> Result<(), Error> {
        match self.about.has(feature) {
            true => Ok(()),
            false => Err(Error::TooOld {
                address: self.address.to_string(),
                feature: feature.name,
                since: format!("{}.{}", feature.since.0, feature.since.1),
                version: self.about.version.as_ref().map_or("older than 0.11".into(), Version::to_string),
            }),
        }
    }
}

impl About {
    /// Whether it can do `feature`. A version without numbers is somebody's own build of the newest source.
    pub fn has(&self, feature: Feature) -> bool {
        let since = |version: &Version| (version.major, version.minor).cmp(&feature.since) != Ordering::Less;
        match &self.version {
            Some(version) => since(version),
            None => feature.since < (0, 9),
        }
    }
}

async fn ask(channel: &Channel) -> Result<About, Status> {
    let mut control = ControlClient::new(channel.clone());
    let workers = control.list_workers(ListWorkersRequest::default()).await?.into_inner().record;
    let info = match control.info(InfoRequest {}).await {
        Ok(info) => info.into_inner().buildkit_version,
        Err(status) if status.code() == Code::Unimplemented => None,
        Err(status) => return Err(status),
    };
    let info = info.or_else(|| workers.iter().find_map(|worker| worker.buildkit_version.clone()));
    Ok(About {
        version: info.map(|info| {
            // Distributions build it without telling it its version, which is then `v0.0.0+unknown`.
            let unknown = || Version { text: info.version.clone(), major: u32::MAX, minor: 0 };
            Version::read(&info.version).filter(Version::is_told).unwrap_or_else(unknown)
        }),
        platforms: platforms(&workers),
        exports_images: workers.iter().any(|worker| worker.labels.contains_key(SNAPSHOTTER)),
    })
}

fn platforms(workers: &[WorkerRecord]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for platform in workers.iter().flat_map(|worker| &worker.platforms) {
        let parts = [&platform.os, &platform.architecture, &platform.variant];
        let parts: Vec<&str> =
            parts.into_iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        let name = parts.join("/");
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        let about = |text: Option<&str>| About { version: text.and_then(Version::read), ..About::default() };
        let feature = Feature { name: "x", since: (0, 12) };
        for (text, has) in [
            (Some("v0.12.0"), true),
            (Some("0.9.3"), false),
            (Some("v0.25.1-dev+unknown"), true),
            (Some("v1.0"), true),
            (None, false),
        ] {
            assert_eq!(about(text).has(feature), has, "{text:?}");
        }
        assert!(Version::read("snapshot").is_none());
    }
}
