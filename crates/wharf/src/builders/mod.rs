//! Builders elsewhere: which are meant, how they are reached, and who of several is asked first.
//!
//! What a person writes names a builder in one of many ways (`wharf_buildkit::address`). Here it becomes a list of
//! places to try: one for most addresses, every ready pod for `kube://`, in the order in which the image's name would
//! have them. The libraries read neither the environment nor other programs' files, so this is done here.

pub(crate) mod buildx;
mod cluster;
pub(crate) mod flags;
mod placing;

use std::sync::Arc;

use anyhow::anyhow;
use wharf_buildkit::address::{Address, Pod};
use wharf_buildkit::fleet::{Fleet, Member};
use wharf_buildkit::transport::{self, Channel, Cluster};

pub(crate) use placing::placed;

use crate::exit::Failure;

/// A place where a builder may be.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    /// Where that is.
    pub(crate) address: Address,
    /// The cluster that it is in, and the namespace, where it is a pod.
    inside: Option<(Arc<Cluster>, String)>,
}

/// The builders that are meant, with those of buildx by their own addresses.
pub(crate) fn resolved(fleet: &Fleet) -> Result<Fleet, Failure> {
    let mut members = Vec::new();
    for member in fleet.members() {
        let Address::Buildx(name) = &member.address else {
            members.push(member.clone());
            continue;
        };
        let found = buildx::fleet(name.as_deref())?;
        members.extend(found.members().iter().cloned().map(|node| match member.platforms.is_empty() {
            true => node,
            false => Member { platforms: member.platforms.clone(), ..node },
        }));
    }
    Ok(Fleet::new(members))
}

/// Where to try one builder, in order; `key` names the project, which so keeps its builder as long as that is there.
pub(crate) async fn candidates(address: &Address, key: &str) -> Result<Vec<Candidate>, Failure> {
    match address {
        Address::Pod(pod) => {
            let (cluster, namespace) = cluster::of(&pod.place)?;
            Ok(vec![Candidate { address: address.clone(), inside: Some((Arc::new(cluster), namespace)) }])
        }
        Address::Pods(pods) => {
            let (cluster, namespace) = cluster::of(&pods.place)?;
            let ready = cluster::ready(&pods.place, &pods.selector).await?;
            if ready.is_empty() {
                let error = anyhow!("no pod of {namespace} that `{}` selects is ready", pods.selector);
                let hint = format!("kubectl --namespace {namespace} get pods --selector '{}'", pods.selector);
                return Err(Failure::from(error).hint(hint));
            }
            let cluster = Arc::new(cluster);
            let names = wharf_buildkit::rendezvous::order(key, ready.iter().map(String::as_str));
            let candidate = |name: &str| {
                let mut place = pods.place.clone();
                place.namespace = Some(namespace.clone());
                let address = Address::Pod(Pod { name: name.to_owned(), place });
                Candidate { address, inside: Some((cluster.clone(), namespace.clone())) }
            };
            Ok(names.into_iter().map(candidate).collect())
        }
        Address::Buildx(_) => Err(anyhow!("{address} was not looked up").into()),
        _ => Ok(vec![Candidate { address: address.clone(), inside: None }]),
    }
}

impl Candidate {
    /// Opens a channel to it.
    pub(crate) async fn connect(&self) -> Result<Channel, wharf_buildkit::Error> {
        match (&self.address, &self.inside) {
            (Address::Pod(pod), Some((cluster, namespace))) => {
                transport::connect_by(&self.address, transport::exec(cluster, pod, namespace)).await
            }
            _ => transport::connect(&self.address).await,
        }
    }
}

/// A builder's failure with the advice that fits its cause.
pub(crate) fn failed(error: wharf_buildkit::Error) -> Failure {
    let chain = crate::output::error::chain(&error);
    let hint = [
        ("certificate expired", "renew the certificate that has expired"),
        ("CertificateExpired", "renew the certificate in --tlscert"),
        ("UnknownIssuer", "--tlscacert must hold the authority that signed the builder's certificate"),
        ("BadSignature", "--tlscacert must hold the authority that signed the builder's certificate"),
        ("UnknownCA", "--tlscert must be signed by the authority that the builder trusts"),
        ("DecryptError", "--tlscert must be signed by the authority that the builder trusts"),
        ("BadCertificate", "--tlscert must be signed by the authority that the builder trusts"),
        ("CertificateRequired", "the builder wants to know who comes: --tlscert and --tlskey"),
        ("not valid for name", "--tlsservername says by which name the builder's certificate goes"),
        (
            "InvalidContentType",
            "the builder does not speak TLS there: leave the certificates out, or take its other port",
        ),
        (
            "without a word",
            "a builder that wants TLS ends like this, too: --tlscacert, --tlscert and --tlskey",
        ),
        ("refused", "is the builder running, and is the address right?"),
        ("No such file or directory", "is the builder running, and is the address right?"),
        ("Permission denied (os", "this user may not use the socket; the group of the socket may"),
    ]
    .into_iter()
    .find(|(sign, _)| chain.contains(sign));
    let failure = Failure::from(error);
    match hint {
        Some((_, hint)) => failure.hint(hint),
        None => failure,
    }
}
