//! Where a builder is, as a person writes it. What stands after the `?` is read as in a URL.
//!
//! | written | means |
//! |---|---|
//! | `unix:///SOCKET` | a buildkitd of this machine |
//! | `docker://[/SOCKET]` | the BuildKit inside a Docker engine |
//! | `docker-container://NAME[?socket=/SOCKET]` | a buildkitd in a container of a Docker engine |
//! | `tcp://HOST:PORT[?cacert=&cert=&key=&servername=]` | a buildkitd that listens on a port |
//! | `ssh://[USER@]HOST[:PORT][/SOCKET][?via=docker\|buildctl]` | either of them on a machine with SSH |
//! | `kube-pod://POD[?namespace=&container=&context=]` | a buildkitd in a pod |
//! | `kube://[NAMESPACE]?selector=[&container=&context=]` | one of the pods that a selector finds |
//! | `buildx:[NAME]` | what `docker buildx` knows by that name, or uses now |

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use url::form_urlencoded;

/// Where Docker's engine listens when nothing else is said.
pub const ENGINE_SOCKET: &str = "/var/run/docker.sock";

const SCHEMES: &str = "unix, docker, docker-container, tcp, ssh, kube-pod, kube, buildx";

/// The address of a builder.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Address {
    /// A buildkitd that listens on a socket of this machine.
    Unix(PathBuf),
    /// The BuildKit inside a Docker engine, through the engine's socket.
    Engine(PathBuf),
    /// A buildkitd in a container.
    Container {
        /// The container.
        name: String,
        /// The socket of the engine that runs it.
        socket: PathBuf,
    },
    /// A buildkitd that listens on a port.
    Tcp(Tcp),
    /// A builder on another machine, over SSH.
    Ssh(Ssh),
    /// A buildkitd in a pod.
    Pod(Pod),
    /// One of several pods.
    Pods(Pods),
    /// What `docker buildx` knows by a name; `None` is what it uses now.
    Buildx(Option<String>),
}

/// A port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tcp {
    /// The machine.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Certificates; without them nothing is encrypted.
    pub tls: Option<Tls>,
}

/// The certificates for a port.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// Who is trusted: a file of certificates; else those that the system trusts.
    pub authority: Option<PathBuf>,
    /// Our own certificate.
    pub certificate: Option<PathBuf>,
    /// Its private key.
    pub key: Option<PathBuf>,
    /// The name in the builder's certificate, where it is not the host.
    pub server_name: Option<String>,
}

/// A machine with SSH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ssh {
    /// Who we are there.
    pub user: Option<String>,
    /// The machine.
    pub host: String,
    /// The port of its SSH server.
    pub port: Option<u16>,
    /// The builder's socket over there.
    pub socket: Option<PathBuf>,
    /// What leads to the builder; else what is found.
    pub via: Option<Via>,
}

/// What leads to a builder on another machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// `docker system dial-stdio`, to the BuildKit inside an engine.
    Docker,
    /// `buildctl dial-stdio`, to a buildkitd.
    Buildctl,
}

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub place: KubePlace,
}

/// Pods that a selector finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pods {
    /// The selector by labels.
    pub selector: String,
    /// Where they are.
    pub place: KubePlace,
}

/// A place in a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KubePlace {
    /// The namespace; else that of the context.
    pub namespace: Option<String>,
    /// The container; else the pod's default one.
    pub container: Option<String>,
    /// The context of the kubeconfig; else the current one.
    pub context: Option<String>,
}

/// An address that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the builder's address `{text}` {why}")]
pub struct AddressError {
    /// The address as given.
    pub text: String,
    /// What is wrong with it.
    pub why: String,
}

impl Address {
    /// The same address with these certificates, where it is a port without any.
    #[must_use]
    pub fn secured(mut self, with: &Tls) -> Self {
        if let Self::Tcp(Tcp { tls: tls @ None, .. }) = &mut self
            && *with != Tls::default()
        {
            *tls = Some(with.clone());
        }
        self
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).map_err(|why| AddressError { text: text.to_owned(), why })
    }
}

fn parse(text: &str) -> Result<Address, String> {
    if let Some(name) = text.strip_prefix("buildx:") {
        let name = name.trim_start_matches("//");
        return match name.is_empty() {
            true => Ok(Address::Buildx(None)),
            false => Ok(Address::Buildx(Some(named("builder", name)?))),
        };
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(format!("has no scheme, such as `tcp://buildkitd:1234` (known: {SCHEMES})"));
    };
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut query = Query::parse(query);
    let address = match scheme {
        "unix" => Address::Unix(socket(place, "unix:///run/buildkit/buildkitd.sock")?),
        "docker" if place.is_empty() => Address::Engine(ENGINE_SOCKET.into()),
        "docker" => Address::Engine(socket(place, "docker:///run/docker.sock")?),
        "docker-container" => Address::Container {
            name: named("container", place)?,
            socket: query
                .take("socket")
                .map_or(Ok(ENGINE_SOCKET.into()), |text| socket(&text, "socket=/run/docker.sock"))?,
        },
        "tcp" => Address::Tcp(tcp(place, &mut query)?),
        "ssh" => Address::Ssh(ssh(place, &mut query)?),
        "kube-pod" => Address::Pod(Pod { name: kube_name("pod", place)?, place: kube(None, &mut query)? }),
        "kube" => {
            let namespace = Some(place).filter(|name| !name.is_empty());
            let selector = query.take("selector").filter(|selector| !selector.is_empty());
            let selector = selector.ok_or("needs a selector: kube://NAMESPACE?selector=app=buildkitd")?;
            Address::Pods(Pods { selector, place: kube(namespace, &mut query)? })
        }
        other => return Err(format!("has the scheme `{other}` (known: {SCHEMES})")),
    };
    query.is_used_up()?;
    Ok(address)
}

fn tcp(place: &str, query: &mut Query) -> Result<Tcp, String> {
    let (host, port) = host_and_port(place)?;
    let port = port.ok_or("needs a port: tcp://HOST:1234")?;
    let tls = Tls {
        authority: query.take("cacert").map(Into::into),
        certificate: query.take("cert").map(Into::into),
        key: query.take("key").map(Into::into),
        server_name: query.take("servername"),
    };
    if tls.certificate.is_some() != tls.key.is_some() {
        return Err("names only one of a certificate (`cert`) and its key (`key`)".into());
    }
    Ok(Tcp { host, port, tls: (tls != Tls::default()).then_some(tls) })
}

fn ssh(place: &str, query: &mut Query) -> Result<Ssh, String> {
    let (machine, path) = place.find('/').map_or((place, ""), |at| place.split_at(at));
    let (user, machine) = match machine.rsplit_once('@') {
        Some((user, machine)) => (Some(named("user", user)?), machine),
        None => (None, machine),
    };
    let (host, port) = host_and_port(machine)?;
    let via = match query.take("via").as_deref() {
        None => None,
        Some("docker") => Some(Via::Docker),
        Some("buildctl") => Some(Via::Buildctl),
        Some(other) => return Err(format!("says via={other}, and docker and buildctl are known")),
    };
    let socket = Some(path.trim_end_matches('/')).filter(|path| !path.is_empty()).map(PathBuf::from);
    Ok(Ssh { user, host, port, socket, via })
}

fn kube(namespace: Option<&str>, query: &mut Query) -> Result<KubePlace, String> {
    let namespace = namespace.map(str::to_owned).or_else(|| query.take("namespace"));
    let container = query.take("container");
    for (what, name) in [("namespace", &namespace), ("container", &container)] {
        if let Some(name) = name {
            kube_name(what, name)?;
        }
    }
    Ok(KubePlace { namespace, container, context: query.take("context") })
}

fn socket(place: &str, example: &str) -> Result<PathBuf, String> {
    match place.starts_with('/') {
        true => Ok(place.into()),
        false => Err(format!("needs the whole path of a socket: {example}")),
    }
}

/// `HOST[:PORT]`, an IPv6 address in brackets.
fn host_and_port(place: &str) -> Result<(String, Option<u16>), String> {
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or("has a bracket that does not close")?;
            (
                host,
                if port.is_empty() {
                    None
                } else {
                    Some(port.strip_prefix(':').ok_or("has text after a bracket")?)
                },
            )
        }
        None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    let good = |c: char| c.is_ascii_alphanumeric() || ".-_:%".contains(c);
    // A host that begins with a dash is an option to some program.
    if host.is_empty() || host.starts_with('-') || !host.chars().all(good) {
        return Err(format!("has `{host}` where a host is expected"));
    }
    let port = port.map(|port| port.parse().map_err(|_| format!("has `{port}` where a port is expected")));
    Ok((host.to_owned(), port.transpose()?))
}

/// A name as Docker and SSH have them.
fn named(what: &str, name: &str) -> Result<String, String> {
    let good = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    match name.chars().all(good) && name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
        true => Ok(name.to_owned()),
        false => Err(format!("has `{name}` where the name of a {what} is expected")),
    }
}

/// A name as Kubernetes has them (RFC 1123).
fn kube_name(what: &str, name: &str) -> Result<String, String> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    match !name.is_empty() && name.chars().all(good) {
        true => Ok(name.to_owned()),
        false => Err(format!("has `{name}` where the name of a {what} is expected")),
    }
}

/// What stands after the `?`.
struct Query(Vec<(String, String)>);

impl Query {
    fn parse(text: &str) -> Self {
        Self(form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    fn take(&mut self, key: &str) -> Option<String> {
        let at = self.0.iter().position(|(name, _)| name == key)?;
        Some(self.0.remove(at).1)
    }

    fn is_used_up(&self) -> Result<(), String> {
        match self.0.first() {
            Some((key, _)) => {
                Err(format!("says `{key}`, which this kind of address does not know, or says it twice"))
            }
            None => Ok(()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut query = Vec::new();
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display())?,
            Self::Engine(path) => write!(f, "docker://{}", path.display())?,
            Self::Container { name, socket } => {
                write!(f, "docker-container://{name}")?;
                let other = (*socket != *ENGINE_SOCKET).then(|| socket.display().to_string());
                query.push(("socket", other));
            }
            Self::Tcp(at) => {
                write!(f, "tcp://{}:{}", bracketed(&at.host), at.port)?;
                let tls = at.tls.clone().unwrap_or_default();
                let shown = |path: Option<PathBuf>| path.map(|path| path.display().to_string());
                query.extend([("cacert", shown(tls.authority)), ("cert", shown(tls.certificate))]);
                query.extend([("key", shown(tls.key)), ("servername", tls.server_name)]);
            }
            Self::Ssh(at) => {
                f.write_str("ssh://")?;
                if let Some(user) = &at.user {
                    write!(f, "{user}@")?;
                }
                f.write_str(&bracketed(&at.host))?;
                if let Some(port) = at.port {
                    write!(f, ":{port}")?;
                }
                if let Some(socket) = &at.socket {
                    write!(f, "{}", socket.display())?;
                }
                let via = at.via.map(|via| if via == Via::Docker { "docker" } else { "buildctl" });
                query.push(("via", via.map(str::to_owned)));
            }
            Self::Pod(pod) => {
                write!(f, "kube-pod://{}", pod.name)?;
                query.push(("namespace", pod.place.namespace.clone()));
                query.extend(pod.place.rest());
            }
            Self::Pods(pods) => {
                write!(f, "kube://{}", pods.place.namespace.as_deref().unwrap_or_default())?;
                query.push(("selector", Some(pods.selector.clone())));
                query.extend(pods.place.rest());
            }
            Self::Buildx(name) => write!(f, "buildx:{}", name.as_deref().unwrap_or_default())?,
        }
        let said = query.into_iter().filter_map(|(key, value)| value.map(|value| (key, value)));
        for (n, (key, value)) in said.enumerate() {
            // As people write it: what a query must not hold is escaped, and no more.
            let value = value.replace('%', "%25").replace('&', "%26").replace('+', "%2B").replace('#', "%23");
            write!(f, "{}{key}={}", if n == 0 { '?' } else { '&' }, value.replace(' ', "+"))?;
        }
        Ok(())
    }
}

impl KubePlace {
    fn rest(&self) -> [(&'static str, Option<String>); 2] {
        [("container", self.container.clone()), ("context", self.context.clone())]
    }
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_shown_alike() {
        for text in [
            "unix:///run/buildkit/buildkitd.sock",
            "docker:///run/docker.sock",
            "docker-container://buildx_buildkit_ci0",
            "docker-container://b?socket=/run/docker.sock",
            "tcp://buildkitd:1234",
            "tcp://[::1]:1234?cacert=ca.pem&cert=cert.pem&key=key.pem&servername=b.example",
            "tcp://b:1?cacert=a%26b+c",
            "ssh://ci@build.example:2222/run/docker.sock?via=docker",
            "ssh://build.example",
            "kube-pod://buildkitd-0?namespace=ci&container=buildkitd&context=prod",
            "kube://ci?selector=app=buildkitd,tier in (a, b)&context=prod",
            "kube://?selector=app=buildkitd",
            "buildx:ci",
            "buildx:",
        ] {
            let read: Address = text.parse().unwrap();
            assert_eq!(read.to_string().replace("tier+in+(a,+b)", "tier in (a, b)"), text);
            assert_eq!(read.to_string().parse::<Address>().unwrap(), read);
        }
        assert_eq!("docker://".parse::<Address>().unwrap().to_string(), "docker:///var/run/docker.sock");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, why) in [
            ("", "no scheme"),
            ("unix", "no scheme"),
            ("unix://relative", "whole path"),
            ("docker://relative", "whole path"),
            ("docker-container://", "name of a container"),
            ("carrier-pigeon://x", "carrier-pigeon"),
            ("tcp://b", "needs a port"),
            ("tcp://b:70000", "`70000`"),
            ("tcp://-oProxyCommand=x:1", "where a host"),
            ("tcp://:1", "where a host"),
            ("tcp://[::1:1", "does not close"),
            ("tcp://b:1?cert=c", "only one"),
            ("tcp://b:1?ca=c", "`ca`"),
            ("ssh://-l@b", "name of a user"),
            ("ssh://b?via=telnet", "telnet"),
            ("kube-pod://A_b", "name of a pod"),
            ("kube-pod://a?namespace=..%2f", "name of a namespace"),
            ("kube://ci", "selector"),
            ("unix:///s?x=1", "`x`"),
            ("buildx:../../etc", "name of a builder"),
        ] {
            let error = text.parse::<Address>().unwrap_err();
            assert!(error.why.contains(why), "{error}");
        }
    }

    #[test]
    fn certificates_are_for_ports_without_any() {
        let with = Tls { authority: Some("ca.pem".into()), ..Tls::default() };
        let secured = |text: &str| text.parse::<Address>().unwrap().secured(&with).to_string();
        assert_eq!(secured("tcp://b:1"), "tcp://b:1?cacert=ca.pem");
        assert_eq!(secured("tcp://b:1?servername=c"), "tcp://b:1?servername=c");
        assert_eq!(secured("docker:///s"), "docker:///s");
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,80}") {
            drop(text.parse::<Address>());
        }

        #[test]
        fn what_is_read_is_shown_so_that_it_reads_the_same(
            scheme in "unix|docker|docker-container|tcp|ssh|kube-pod|kube",
            rest in "[a-z0-9./:@?=&%+\\[\\]-]{0,40}",
        ) {
            if let Ok(address) = format!("{scheme}://{rest}").parse::<Address>() {
                proptest::prop_assert_eq!(address.to_string().parse::<Address>(), Ok(address));
            }
        }
    }
}
