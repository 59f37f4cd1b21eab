//! Amazon's registries, private and public: a token for twelve hours, asked for with a signed request.

mod chain;
mod ecr;
mod profile;
mod question;
mod remote;
mod sign;
mod sso;

pub use profile::Profiles as AwsProfiles;
pub use question::Question as AwsQuestion;
pub use sign::Keys as AwsKeys;

use super::{Asking, Lent};
use crate::auth::CredentialsError;

/// Which registry of Amazon's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A private one: account and region are in its name.
    Private {
        /// Twelve digits.
        account: String,
        region: String,
        /// `amazonaws.com` or a partition's own domain.
        domain: String,
    },
    /// `public.ecr.aws`.
    Public,
}

/// The place that `registry` is, if it is one of Amazon's:
/// `ACCOUNT.dkr.ecr[-fips].REGION.amazonaws.com[.cn]` and the names of newer partitions.
pub(super) fn place(registry: &str) -> Option<Place> {
    if registry == "public.ecr.aws" {
        return Some(Place::Public);
    }
    let (account, rest) = registry.split_once(".dkr.").or_else(|| registry.split_once(".dkr-"))?;
    let rest = rest.strip_prefix("ecr.").or_else(|| rest.strip_prefix("ecr-fips."))?;
    let (region, domain) = rest.split_once('.')?;
    let known =
        ["amazonaws.com", "amazonaws.com.cn", "amazonaws.eu", "on.aws", "on.amazonwebservices.com.cn"];
    let valid = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()) && known.contains(&domain);
    valid.then(|| Place::Private { account: account.into(), region: region.into(), domain: domain.into() })
}

/// The login for `place`, by the first keys of the chain; `None` where there are none.
pub(super) async fn lend(asking: Asking<'_>, place: &Place) -> Result<Option<Lent>, CredentialsError> {
    let region = match place {
        Place::Private { region, .. } => region.as_str(),
        Place::Public => "us-east-1",
    };
    match chain::keys(asking, region).await? {
        None => Ok(None),
        Some(keys) => ecr::lend(asking, place, &keys).await.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amazons_registries_are_known_by_their_names() {
        let private = |region: &str, domain: &str| {
            let (region, domain) = (region.to_owned(), domain.to_owned());
            Some(Place::Private { account: "123456789012".into(), region, domain })
        };
        for (registry, expected) in [
            ("123456789012.dkr.ecr.eu-central-1.amazonaws.com", private("eu-central-1", "amazonaws.com")),
            (
                "123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com",
                private("us-gov-west-1", "amazonaws.com"),
            ),
            ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", private("cn-north-1", "amazonaws.com.cn")),
            ("123456789012.dkr-ecr.us-east-1.on.aws", private("us-east-1", "on.aws")),
            ("public.ecr.aws", Some(Place::Public)),
            ("12345.dkr.ecr.eu-central-1.amazonaws.com", None),
            ("123456789012.dkr.ecr.eu-central-1.example.com", None),
            ("123456789012.dkr.ecr.eu-central-1.amazonaws.com.example.com", None),
            ("docker.io", None),
        ] {
            assert_eq!(place(registry), expected, "{registry}");
        }
    }
}
