//! What commands take that work on a builder elsewhere.

use std::path::PathBuf;

use wharf_buildkit::address::Tls;
use wharf_buildkit::fleet::Fleet;

use crate::exit::{Failure, OrFail};

/// Which builder, and by which certificates.
#[derive(Debug, Clone, Default, clap::Args)]
#[group(skip)]
pub(crate) struct Flags {
    /// Build on BuildKit elsewhere: `tcp://HOST:PORT`, `unix://SOCKET`, `docker://`, `docker-container://NAME`,
    /// `ssh://HOST`, `kube-pod://POD?namespace=…`, `kube://NAMESPACE?selector=…` or `buildx:NAME`; several with commas
    /// between them, each with `OS/ARCH=` before it where it is for a platform; `default` builds here
    #[arg(long, value_name = "ADDRESS", env = "WHARF_BUILDER")]
    pub(crate) builder: Option<String>,
    #[command(flatten)]
    tls: TlsFlags,
}

/// Certificates for builders that listen on a port, in docker's words.
#[derive(Debug, Clone, Default, clap::Args)]
#[group(skip)]
pub(crate) struct TlsFlags {
    /// Trust a `tcp://` builder whose certificate is by this authority
    #[arg(long, value_name = "FILE")]
    tlscacert: Option<PathBuf>,
    /// Our certificate for a `tcp://` builder
    #[arg(long, value_name = "FILE", requires = "tlskey")]
    tlscert: Option<PathBuf>,
    /// The private key of that certificate
    #[arg(long, value_name = "FILE", requires = "tlscert")]
    tlskey: Option<PathBuf>,
    /// The name in the certificate of a `tcp://` builder, where that is not its host
    #[arg(long, value_name = "NAME")]
    tlsservername: Option<String>,
}

impl Flags {
    /// The builder that is meant: what the flag or the environment says, else what the project says. `None` builds
    /// here.
    pub(crate) fn elsewhere(&self, project: Option<&str>) -> Option<Elsewhere> {
        match self.builder.as_deref().or(project) {
            None | Some("" | "default") => None,
            Some(address) => Some(Elsewhere { address: address.to_owned(), tls: self.tls.clone() }),
        }
    }
}

/// A builder as it was named, with the certificates for it.
#[derive(Debug, Clone)]
pub(crate) struct Elsewhere {
    /// What was typed.
    pub(crate) address: String,
    tls: TlsFlags,
}

/// By its address; certificates are files that only the flags name.
impl serde::Serialize for Elsewhere {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.address)
    }
}

impl Elsewhere {
    /// The builders that it names.
    pub(crate) fn fleet(&self) -> Result<Fleet, Failure> {
        self.tls.fleet(&self.address)
    }
}

impl TlsFlags {
    /// The builders that a text names, with these certificates.
    pub(crate) fn fleet(&self, text: &str) -> Result<Fleet, Failure> {
        let fleet: Fleet = text.parse().or_usage()?;
        let tls = Tls {
            authority: self.tlscacert.clone(),
            certificate: self.tlscert.clone(),
            key: self.tlskey.clone(),
            server_name: self.tlsservername.clone(),
        };
        super::resolved(&fleet.secured(&tls))
    }
}
