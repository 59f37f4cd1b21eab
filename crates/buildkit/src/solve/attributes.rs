//! A build in the words of the frontend `dockerfile.v0` (moby/buildkit, `frontend/dockerui/config.go`).

use std::collections::BTreeMap;
use std::net::IpAddr;

use wharf_dockerfile::{Network, NoCache};
use wharf_oci::Platform;

/// The flags of a build that decide what is built.
#[derive(Debug, Clone, Default)]
pub struct Frontend {
    /// The Dockerfile's name in its directory.
    pub dockerfile: String,
    /// The context's URL, where it is not the files that are called `context`.
    pub context: Option<String>,
    /// The Dockerfile is among the files that are called `dockerfile`, although the context is elsewhere.
    pub own_dockerfile: bool,
    /// `--target`.
    pub target: Option<String>,
    /// `--build-arg`.
    pub args: BTreeMap<String, String>,
    /// `--label`.
    pub labels: BTreeMap<String, String>,
    /// `--platform`.
    pub platforms: Vec<Platform>,
    /// `--no-cache` and `--no-cache-filter`.
    pub no_cache: NoCache,
    /// `--pull`.
    pub pull: bool,
    /// `--network`.
    pub network: Network,
    /// `--add-host`.
    pub hosts: Vec<(String, IpAddr)>,
    /// `--shm-size`, in bytes.
    pub shm_size: Option<u64>,
    /// `--ulimit`: name, soft and hard limit, `-1` for none.
    pub ulimits: Vec<(String, i64, i64)>,
    /// `--build-context`: the name as typed, and where it is, as the frontend writes it.
    pub contexts: BTreeMap<String, String>,
    /// `--provenance`, `--sbom` and `--attest`: kind and options.
    pub attestations: BTreeMap<String, String>,
}

impl Frontend {
    /// The attributes.
    pub fn attributes(&self) -> BTreeMap<String, String> {
        let mut said = BTreeMap::new();
        let mut say = |key: &str, value: String| drop(said.insert(key.to_owned(), value));
        say("filename", self.dockerfile.clone());
        if let Some(context) = &self.context {
            say("context", context.clone());
        }
        if self.own_dockerfile {
            say("dockerfilekey", "dockerfile".into());
        }
        if let Some(target) = &self.target {
            say("target", target.clone());
        }
        match &self.no_cache {
            NoCache::Off => {}
            NoCache::All => say("no-cache", String::new()),
            NoCache::Stages(stages) => say("no-cache", stages.join(",")),
        }
        if self.pull {
            say("image-resolve-mode", "pull".into());
        }
        match self.network {
            Network::Default => {}
            Network::None => say("force-network-mode", "none".into()),
            Network::Host => say("force-network-mode", "host".into()),
        }
        if !self.platforms.is_empty() {
            say("platform", joined(self.platforms.iter().map(Platform::to_string)));
        }
        if !self.hosts.is_empty() {
            say("add-hosts", joined(self.hosts.iter().map(|(name, address)| format!("{name}={address}"))));
        }
        if let Some(size) = self.shm_size {
            say("shm-size", size.to_string());
        }
        if !self.ulimits.is_empty() {
            say(
                "ulimit",
                joined(self.ulimits.iter().map(|(name, soft, hard)| format!("{name}={soft}:{hard}"))),
            );
        }
        if !self.contexts.is_empty() {
            // Tells an old frontend to hand the build on to one that knows named contexts.
            say("frontend.caps", "moby.buildkit.frontend.contexts+forward".into());
        }
        let mut say_all = |prefix: &str, pairs: &BTreeMap<String, String>| {
            pairs.iter().for_each(|(name, value)| say(&format!("{prefix}:{name}"), value.clone()));
        };
        say_all("build-arg", &self.args);
        say_all("label", &self.labels);
        say_all("context", &self.contexts);
        say_all("attest", &self.attestations);
        said
    }
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_said_in_the_frontends_words() {
        let frontend = Frontend {
            dockerfile: "Dockerfile".into(),
            target: Some("prod".into()),
            args: [("A".into(), "1".into())].into(),
            labels: [("b".into(), "2".into())].into(),
            platforms: vec!["linux/amd64".parse().unwrap(), "linux/arm64".parse().unwrap()],
            no_cache: NoCache::Stages(vec!["x".into(), "y".into()]),
            pull: true,
            network: Network::None,
            hosts: vec![("db".into(), "10.0.0.1".parse().unwrap())],
            shm_size: Some(64),
            ulimits: vec![("nofile".into(), 1, -1)],
            contexts: [("src".into(), "local:src".into())].into(),
            attestations: [("provenance".into(), "mode=max".into())].into(),
            ..Frontend::default()
        };
        let said = frontend.attributes();
        let said: Vec<String> = said.iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(
            said,
            [
                "add-hosts=db=10.0.0.1",
                "attest:provenance=mode=max",
                "build-arg:A=1",
                "context:src=local:src",
                "filename=Dockerfile",
                "force-network-mode=none",
                "frontend.caps=moby.buildkit.frontend.contexts+forward",
                "image-resolve-mode=pull",
                "label:b=2",
                "no-cache=x,y",
                "platform=linux/amd64,linux/arm64",
                "shm-size=64",
                "target=prod",
                "ulimit=nofile=1:-1",
            ]
        );
        let plain = Frontend { dockerfile: "D".into(), no_cache: NoCache::All, ..Frontend::default() };
        assert_eq!(plain.attributes().len(), 2);
        assert_eq!(plain.attributes()["no-cache"], "");
    }
}
