//! Several builders that share one build: `linux/amd64=tcp://a:1234,linux/arm64=tcp://b:1234`. Each builds the
//! platforms that stand before its address; one without any builds the rest. Where several are for the same, one of
//! them does it, and the others stand by.

use std::collections::BTreeMap;
use std::str::FromStr;

use wharf_oci::Platform;

use crate::address::{Address, AddressError, Tcp, Tls};
use crate::rendezvous;

/// The builders of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fleet(Vec<Member>);

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// What it builds; everything else where this is empty.
    pub platforms: Vec<Platform>,
    /// Where it is.
    pub address: Address,
}

/// A part of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// What is built; whatever the builder takes for its own where this is empty.
    pub platforms: Vec<Platform>,
    /// Who may build it, in the order in which they are asked.
    pub builders: Vec<Address>,
}

/// A platform that no builder is for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no builder is for {0}")]
pub struct Unserved(pub Platform);

impl Fleet {
    /// The builders of these members.
    pub fn new(members: Vec<Member>) -> Self {
        let mut all: Vec<Member> = Vec::new();
        for member in members {
            match all.iter_mut().find(|known| known.address == member.address) {
                Some(known) if known.platforms.is_empty() || member.platforms.is_empty() => {
                    known.platforms.clear()
                }
                Some(known) => known.platforms.extend(member.platforms),
                None => all.push(member),
            }
        }
        Self(all)
    }

    /// All builders.
    pub fn members(&self) -> &[Member] {
        &self.0
    }

    /// The same builders with these certificates, where they listen on ports and have none.
    #[must_use]
    pub fn secured(self, with: &Tls) -> Self {
        let secure = |member: Member| Member { address: member.address.secured(with), ..member };
        Self(self.0.into_iter().map(secure).collect())
    }

    /// Who builds what: platforms that the same builders are for, are built together. Of several builders that are for
    /// a platform, `key` decides whom it would have first, so that a project keeps its cache. A build that names no
    /// platform is for the first builder and those like it, which know best what they run on.
    ///
    /// # Errors
    /// A platform that nobody is for.
    pub fn share(&self, platforms: &[Platform], key: &str) -> Result<Vec<Share>, Unserved> {
        if platforms.is_empty() {
            let first = self.0.first().map(|first| first.platforms.as_slice()).unwrap_or_default();
            let builders = self.ordered(key, |member| member.platforms == first);
            return Ok(vec![Share { platforms: Vec::new(), builders }]);
        }
        let mut shares: Vec<Share> = Vec::new();
        for platform in platforms {
            let mut builders = self.ordered(key, |member| member.platforms.contains(platform));
            if builders.is_empty() {
                builders = self.ordered(key, |member| member.platforms.is_empty());
            }
            if builders.is_empty() {
                return Err(Unserved(platform.clone()));
            }
            match shares.iter_mut().find(|share| share.builders == builders) {
                Some(share) => share.platforms.push(platform.clone()),
                None => shares.push(Share { platforms: vec![platform.clone()], builders }),
            }
        }
        Ok(shares)
    }

    fn ordered(&self, key: &str, is_meant: impl Fn(&Member) -> bool) -> Vec<Address> {
        let meant: BTreeMap<String, &Address> = (self.0.iter())
            .filter(|member| is_meant(member))
            .map(|member| (name(&member.address), &member.address))
            .collect();
        let order = rendezvous::order(key, meant.keys().map(String::as_str));
        order.into_iter().map(|name| meant[name].clone()).collect()
    }
}

impl FromStr for Fleet {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        // Selectors have commas and equals signs, too: only what looks like an address begins a new one.
        let mut pieces: Vec<String> = Vec::new();
        for piece in text.split(',') {
            match pieces.last_mut() {
                // A selector may have a key of this form.
                Some(last) if is_only_platform(piece) && !last.contains("kube://") => {
                    let text = piece.trim().to_owned();
                    let why = format!("is a platform without a builder; `{text}=tcp://…` names one");
                    return Err(AddressError { text, why });
                }
                Some(last) if !begins(piece) => {
                    last.push(',');
                    last.push_str(piece);
                }
                _ => pieces.push(piece.to_owned()),
            }
        }
        let members: Result<Vec<Member>, AddressError> =
            pieces.iter().map(|piece| member(piece.trim())).collect();
        Ok(Self::new(members?))
    }
}

/// What a builder is known by, wherever a machine has the certificates for it.
fn name(address: &Address) -> String {
    match address {
        Address::Tcp(at) => Address::Tcp(Tcp { tls: None, ..at.clone() }).to_string(),
        other => other.to_string(),
    }
}

fn begins(piece: &str) -> bool {
    let piece = piece.trim_start();
    let address = platform(piece).map_or(piece, |(_, address)| address);
    address.starts_with("buildx:")
        || address.split_once("://").is_some_and(|(scheme, _)| {
            !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
        })
}

fn member(piece: &str) -> Result<Member, AddressError> {
    match platform(piece) {
        Some((platform, address)) => Ok(Member { platforms: vec![platform], address: address.parse()? }),
        None => Ok(Member { platforms: Vec::new(), address: piece.parse()? }),
    }
}

fn is_only_platform(piece: &str) -> bool {
    let piece = piece.trim();
    piece.starts_with("linux/") && piece.parse::<Platform>().is_ok()
}

/// `OS/ARCH=` at the beginning. A bare architecture is none, as it may be a key of a selector.
fn platform(piece: &str) -> Option<(Platform, &str)> {
    let (platform, address) = piece.split_once('=')?;
    Some((platform.parse().ok().filter(|_| platform.contains('/') && !platform.contains(':'))?, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fleet(text: &str) -> Fleet {
        text.parse().unwrap()
    }

    fn shared(fleet: &Fleet, platforms: &str) -> Vec<String> {
        let platforms: Vec<Platform> =
            platforms.split_terminator(' ').map(|platform| platform.parse().unwrap()).collect();
        let line = |share: Share| {
            let platforms: Vec<String> = share.platforms.iter().map(Platform::to_string).collect();
            let builders: Vec<String> = share.builders.iter().map(Address::to_string).collect();
            format!("{} {}", builders.join("|"), platforms.join(" "))
        };
        fleet.share(&platforms, "org/app").unwrap().into_iter().map(line).collect()
    }

    #[test]
    fn each_platform_goes_to_its_builder() {
        let two = fleet("linux/amd64=tcp://a:1,linux/arm64=tcp://b:1");
        assert_eq!(
            shared(&two, "linux/arm64 linux/amd64"),
            ["tcp://b:1 linux/arm64", "tcp://a:1 linux/amd64"]
        );
        assert_eq!(shared(&two, "linux/arm64"), ["tcp://b:1 linux/arm64"]);
        assert_eq!(shared(&two, ""), ["tcp://a:1 "]);
        let error = two.share(&["linux/s390x".parse().unwrap()], "").unwrap_err();
        assert_eq!(error.to_string(), "no builder is for linux/s390x");

        let rest = fleet("linux/arm64=tcp://b:1, tcp://a:1");
        assert_eq!(
            shared(&rest, "linux/amd64 linux/arm64 linux/s390x"),
            ["tcp://a:1 linux/amd64 linux/s390x", "tcp://b:1 linux/arm64"]
        );
    }

    #[test]
    fn one_builder_for_two_platforms_is_one() {
        let one = fleet("linux/amd64=tcp://a:1,linux/386=tcp://a:1");
        assert_eq!(shared(&one, "linux/amd64 linux/386"), ["tcp://a:1 linux/amd64 linux/386"]);
    }

    #[test]
    fn of_several_alike_the_key_decides_and_the_others_stand_by() {
        let alike = fleet("tcp://a:1,tcp://b:1,tcp://c:1");
        let order = |key: &str| alike.share(&[], key).unwrap()[0].builders.clone();
        assert_eq!(order("org/app").len(), 3);
        assert_eq!(
            order("org/app"),
            fleet("tcp://c:1,tcp://a:1,tcp://b:1").share(&[], "org/app").unwrap()[0].builders
        );
        let secured = alike.clone().secured(&Tls { authority: Some("ca.pem".into()), ..Tls::default() });
        let secured = secured.share(&[], "org/app").unwrap();
        assert!(secured[0].builders[0].to_string().starts_with(&order("org/app")[0].to_string()));
        let first: std::collections::BTreeSet<String> =
            (0..50).map(|n| order(&format!("org/app-{n}"))[0].to_string()).collect();
        assert_eq!(first.len(), 3, "projects spread");
        let two = fleet("linux/amd64=tcp://a:1,linux/amd64=tcp://b:1,linux/arm64=tcp://c:1");
        let shares =
            two.share(&["linux/amd64".parse().unwrap(), "linux/arm64".parse().unwrap()], "").unwrap();
        assert_eq!(shares.iter().map(|share| share.builders.len()).collect::<Vec<_>>(), [2, 1]);
    }

    #[test]
    fn selectors_keep_their_commas() {
        let one = fleet("kube://ci?selector=app=buildkitd,tier in (a,b),zone=eu");
        assert_eq!(one.members().len(), 1);
        let two = fleet("linux/amd64=kube://ci?selector=a=b,c/d=e,linux/arm64=buildx:arm");
        let addresses: Vec<String> = two.members().iter().map(|member| member.address.to_string()).collect();
        assert_eq!(addresses, ["kube://ci?selector=a=b,c/d=e", "buildx:arm"]);
    }

    #[test]
    fn a_platform_without_a_builder_is_named() {
        let error = "linux/amd64=tcp://a:1,linux/arm64".parse::<Fleet>().unwrap_err();
        assert!(error.to_string().contains("`linux/arm64` is a platform without a builder"), "{error}");
        assert!("kube://ci?selector=a=b,linux/arm64".parse::<Fleet>().is_ok(), "a key of a selector");
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[a-z0-9/:=,. ]{0,60}") {
            drop(text.parse::<Fleet>());
        }
    }
}
