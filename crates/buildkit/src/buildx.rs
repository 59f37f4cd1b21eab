//! What `docker buildx` keeps of a builder: `instances/NAME` and `current` in its directory (docker/buildx, `store`).

use std::path::PathBuf;

use serde::Deserialize;
use wharf_oci::Platform;

use crate::address::{Address, Tcp, Tls};
use crate::fleet::{Fleet, Member};

/// A builder as buildx keeps it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Instance {
    /// Its name.
    pub name: String,
    /// How its nodes are reached: `remote`, `docker-container`, `docker`, `kubernetes`, `cloud`.
    pub driver: String,
    /// Its nodes.
    #[serde(default)]
    nodes: Vec<Node>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Node {
    name: String,
    #[serde(default)]
    endpoint: String,
    #[serde(default)]
    platforms: Option<Vec<Said>>,
    #[serde(default)]
    driver_opts: Option<std::collections::BTreeMap<String, String>>,
}

/// A platform as OCI documents write it.
#[derive(Debug, Clone, Deserialize)]
struct Said {
    os: String,
    architecture: String,
    #[serde(default)]
    variant: Option<String>,
}

/// Which builder is used where none is named.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Current {
    /// Its name; empty for the default one.
    #[serde(default)]
    pub name: String,
}

impl Instance {
    /// Reads the file of an instance.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(text)
    }

    /// Its nodes as builders. `engine` gives the socket of a Docker engine by the name of a docker context.
    ///
    /// # Errors
    /// Why wharf cannot use it.
    pub fn fleet(&self, engine: impl Fn(&str) -> Result<PathBuf, String>) -> Result<Fleet, String> {
        let members: Result<Vec<Member>, String> =
            self.nodes.iter().map(|node| self.member(node, &engine)).collect();
        match members? {
            members if members.is_empty() => Err(format!("the buildx builder {} has no nodes", self.name)),
            mut members => {
                // What a single node may build is for it to say.
                if let [only] = members.as_mut_slice() {
                    only.platforms.clear();
                }
                Ok(Fleet::new(members))
            }
        }
    }

    fn member(
        &self,
        node: &Node,
        engine: &impl Fn(&str) -> Result<PathBuf, String>,
    ) -> Result<Member, String> {
        let address = match self.driver.as_str() {
            "remote" => node.remote()?,
            "docker-container" => Address::Container {
                name: format!("buildx_buildkit_{}", node.name),
                socket: node.engine(engine)?,
            },
            "docker" => Address::Engine(node.engine(engine)?),
            other => {
                return Err(format!(
                    "the buildx builder {} has the driver `{other}`; name its pods with kube:// instead",
                    self.name
                ));
            }
        };
        let platforms = node.platforms.iter().flatten().map(|said| {
            Platform::new(
                &said.os,
                &said.architecture,
                said.variant.as_deref().filter(|variant| !variant.is_empty()),
            )
        });
        Ok(Member { platforms: platforms.collect(), address })
    }
}

impl Node {
    fn remote(&self) -> Result<Address, String> {
        let mut address: Address = self.endpoint.parse().map_err(|error| format!("{error}"))?;
        if let Address::Tcp(Tcp { tls, .. }) = &mut address {
            let option = |key: &str| self.driver_opts.as_ref().and_then(|all| all.get(key)).cloned();
            let file = |key: &str| option(key).map(PathBuf::from);
            let given = Tls {
                authority: file("cacert"),
                certificate: file("cert"),
                key: file("key"),
                server_name: option("servername"),
            };
            *tls = Some(given).filter(|given| *given != Tls::default());
        }
        Ok(address)
    }

    /// The socket of the engine: the endpoint itself, or what the docker context of that name says.
    fn engine(&self, engine: impl Fn(&str) -> Result<PathBuf, String>) -> Result<PathBuf, String> {
        match self.endpoint.split_once("://") {
            Some(("unix", path)) => Ok(path.into()),
            Some(_) => Err(format!("the engine at {} is not on this machine", self.endpoint)),
            None => engine(&self.endpoint),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fleet(text: &str) -> Result<String, String> {
        let instance = Instance::parse(text.as_bytes()).map_err(|error| error.to_string())?;
        let fleet = instance.fleet(|context| Ok(format!("/{context}.sock").into()))?;
        let line = |member: &Member| {
            let platforms: Vec<String> = member.platforms.iter().map(Platform::to_string).collect();
            format!("{}={}", platforms.join("+"), member.address)
        };
        Ok(fleet.members().iter().map(line).collect::<Vec<_>>().join(", "))
    }

    #[test]
    fn nodes_are_builders() {
        let remote = r#"{"Name":"farm","Driver":"remote","Nodes":[
            {"Name":"farm0","Endpoint":"tcp://a:1234","Platforms":[{"architecture":"amd64","os":"linux"}],
             "DriverOpts":{"cacert":"/ca.pem","cert":"/c.pem","key":"/k.pem","servername":"b"},"Flags":null},
            {"Name":"farm1","Endpoint":"unix:///run/b.sock",
             "Platforms":[{"architecture":"arm64","os":"linux"},{"architecture":"arm","os":"linux","variant":"v7"}]}],
            "Dynamic":false}"#;
        assert_eq!(
            fleet(remote).unwrap(),
            "linux/amd64=tcp://a:1234?cacert=/ca.pem&cert=/c.pem&key=/k.pem&servername=b, \
             linux/arm64+linux/arm/v7=unix:///run/b.sock"
        );
        let container = r#"{"Name":"ci","Driver":"docker-container","Nodes":[
            {"Name":"ci0","Endpoint":"default","Platforms":[{"architecture":"amd64","os":"linux"}],"DriverOpts":null}]}"#;
        assert_eq!(fleet(container).unwrap(), "=docker-container://buildx_buildkit_ci0?socket=/default.sock");
        let plain = r#"{"Name":"d","Driver":"docker","Nodes":[{"Name":"d","Endpoint":"unix:///s","Platforms":null}]}"#;
        assert_eq!(fleet(plain).unwrap(), "=docker:///s");
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let error = |driver: &str, endpoint: &str| {
            let text = format!(
                r#"{{"Name":"x","Driver":"{driver}","Nodes":[{{"Name":"x0","Endpoint":"{endpoint}"}}]}}"#
            );
            fleet(&text).unwrap_err()
        };
        assert!(error("kubernetes", "").contains("kube://"));
        assert!(error("docker-container", "ssh://b").contains("not on this machine"));
        assert!(error("remote", "nowhere").contains("no scheme"));
        assert!(fleet(r#"{"Name":"x","Driver":"remote"}"#).unwrap_err().contains("no nodes"));
        assert!(fleet("{").is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,80}", driver in ".{0,10}", endpoint in "[a-z:/.]{0,20}") {
            drop(Instance::parse(text.as_bytes()));
            let said = serde_json::json!({
                "Name": "x", "Driver": driver, "Nodes": [{ "Name": "x0", "Endpoint": endpoint }],
            });
            drop(fleet(&said.to_string()));
        }
    }
}
