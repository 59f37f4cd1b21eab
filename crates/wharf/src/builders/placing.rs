//! Who of several builders is for which platform, where the person who named them did not say: `docker buildx create
//! --append` puts machines of several kinds under one name, and asks each what it is.

use anyhow::anyhow;
use futures_util::future::join_all;
use wharf_buildkit::Builder;
use wharf_buildkit::address::Address;
use wharf_buildkit::fleet::{Fleet, Member};
use wharf_oci::Platform;

use super::{candidates, failed};
use crate::exit::Failure;
use crate::output::error;

/// The same builders, with the platforms of a build given to those that run them. Nobody is asked where one alone is
/// meant, or every one was named for platforms.
pub(crate) async fn placed(
    fleet: Fleet,
    wanted: &[Platform],
    note: &(dyn Fn(&str) + Sync),
) -> Result<Fleet, Failure> {
    let silent: Vec<&Member> = fleet.members().iter().filter(|member| member.platforms.is_empty()).collect();
    if wanted.is_empty() || silent.len() < 2 {
        return Ok(fleet);
    }
    let asked = join_all(silent.iter().map(|member| offered(&member.address))).await;
    let mut known = Vec::new();
    for (member, offered) in silent.iter().zip(asked) {
        match offered {
            Ok(offered) => known.push(((*member).clone(), offered)),
            Err(failure) => note(&format!("{}; it is left out", error::chain(failure.error.as_ref()))),
        }
    }
    if known.is_empty() {
        return Err(anyhow!("none of the builders answers").into());
    }
    let named = fleet.members().iter().filter(|member| !member.platforms.is_empty()).cloned();
    Ok(Fleet::new(named.chain(assigned(known, wanted)).collect()))
}

/// A platform is for those whose own it is, else for those that emulate it. What nobody says to have, all may try: a
/// Dockerfile that runs nothing builds for any platform.
fn assigned(known: Vec<(Member, Vec<Platform>)>, wanted: &[Platform]) -> Vec<Member> {
    let is_own = |offered: &[Platform], platform: &Platform| {
        let own = offered.first().map(|own| own.architecture.as_str());
        offered.contains(platform) && own == Some(platform.architecture.as_str())
    };
    let mut members: Vec<Member> = known.iter().map(|(member, _)| member.clone()).collect();
    for platform in wanted {
        let own = |offered: &Vec<Platform>| is_own(offered, platform);
        let any = |offered: &Vec<Platform>| offered.contains(platform);
        let choose = |is_meant: &dyn Fn(&Vec<Platform>) -> bool| -> Vec<usize> {
            (0..known.len()).filter(|at| is_meant(&known[*at].1)).collect()
        };
        let chosen = [choose(&own), choose(&any)].into_iter().find(|chosen| !chosen.is_empty());
        for at in chosen.unwrap_or_else(|| (0..known.len()).collect()) {
            members[at].platforms.push(platform.clone());
        }
    }
    members.retain(|member| !member.platforms.is_empty());
    members
}

/// The platforms of a builder, its own first.
async fn offered(address: &Address) -> Result<Vec<Platform>, Failure> {
    let places = candidates(address, "").await?;
    let place = places.first().ok_or_else(|| anyhow!("there is no builder at {address}"))?;
    let channel = place.connect().await.map_err(failed)?;
    let builder = Builder::over(&place.address, channel).await.map_err(failed)?;
    Ok(builder.about.platforms.iter().filter_map(|platform| platform.parse().ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_go_to_machines_of_their_kind() {
        let member = |address: &str, offered: &str| {
            let member = Member { platforms: Vec::new(), address: address.parse().unwrap() };
            (member, offered.split(' ').map(|platform| platform.parse().unwrap()).collect::<Vec<Platform>>())
        };
        let known = vec![
            member("tcp://a:1", "linux/amd64 linux/386 linux/arm64"),
            member("tcp://b:1", "linux/arm64 linux/arm/v7"),
            member("tcp://c:1", "linux/amd64"),
        ];
        let wanted: Vec<Platform> = ["linux/amd64", "linux/arm64", "linux/386", "linux/s390x"]
            .map(|platform| platform.parse().unwrap())
            .into();
        let lines: Vec<String> = assigned(known, &wanted)
            .iter()
            .map(|member| {
                let platforms: Vec<String> = member.platforms.iter().map(Platform::to_string).collect();
                format!("{} {}", member.address, platforms.join(" "))
            })
            .collect();
        assert_eq!(
            lines,
            [
                "tcp://a:1 linux/amd64 linux/386 linux/s390x",
                "tcp://b:1 linux/arm64 linux/s390x",
                "tcp://c:1 linux/amd64 linux/s390x",
            ]
        );
    }
}
