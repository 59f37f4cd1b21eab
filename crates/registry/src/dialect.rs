//! What registries really do where the specification leaves room, or where they leave the specification.
//!
//! One row for each deviation known. A registry that is not listed is taken at the specification's word, and
//! what it refuses is learnt while the client runs. Every registry takes a blob whole in one streamed `PUT`,
//! so that is how blobs travel; the rows matter when an upload breaks, and for what a registry cannot do. Each row
//! is acted out by a registry in `tests/network/faults.rs`.

/// Whether a broken upload can go on, by `PATCH` (distribution-spec 1.1, "Pushing a blob in chunks").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patch {
    /// With requests of any size.
    Any,
    /// With requests of at most so many bytes.
    AtMost(u64),
    /// Not at all: the upload begins again.
    Never,
}

/// The ways of one kind of registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dialect {
    /// How uploads go on.
    pub(crate) patch: Patch,
    /// The largest layer it takes, in bytes.
    pub(crate) largest_layer: Option<u64>,
    /// Whether it has the referrers API; without it the fallback tag is read at once.
    pub(crate) referrers: bool,
}

const STANDARD: Dialect = Dialect { patch: Patch::Any, largest_layer: None, referrers: true };

/// The 4 MiB that GitHub lets one `PATCH` carry; above, it cuts the connection.
const GITHUB_PATCH: u64 = 4 << 20;
/// GitHub's limit of 10 GB for one layer.
const GITHUB_LAYER: u64 = 10_000_000_000;
/// Amazon's quota of 52,000 MiB for one layer.
const AMAZON_LAYER: u64 = 52_000 << 20;

impl Dialect {
    /// The dialect of a registry by its host.
    pub(crate) fn of(host: &str) -> Self {
        if host == "ghcr.io" {
            // It cuts the connection on large pieces, and has no referrers API.
            let patch = Patch::AtMost(GITHUB_PATCH);
            Self { patch, largest_layer: Some(GITHUB_LAYER), referrers: false }
        } else if host == "gcr.io" || host.ends_with(".gcr.io") || host.ends_with(".pkg.dev") {
            // Google takes an upload in one request only.
            Self { patch: Patch::Never, ..STANDARD }
        } else if is_amazon(host) {
            // It answers 201 to the first `PATCH`, where the specification says 202, and that needs no member here:
            // success is success. What it says of a tag that must stay is read with all refusals (`answer`).
            Self { largest_layer: Some(AMAZON_LAYER), ..STANDARD }
        } else if host == "docker.io" {
            // No referrers API.
            Self { referrers: false, ..STANDARD }
        } else {
            STANDARD
        }
    }
}

fn is_amazon(host: &str) -> bool {
    host == "public.ecr.aws" || (host.contains(".dkr.ecr.") && host.contains(".amazonaws.com"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_registry_is_known_by_its_host() {
        let amazon = Dialect { largest_layer: Some(AMAZON_LAYER), ..STANDARD };
        for (host, expected) in [
            (
                "ghcr.io",
                Dialect {
                    patch: Patch::AtMost(4 << 20),
                    largest_layer: Some(10_000_000_000),
                    referrers: false,
                },
            ),
            ("eu.gcr.io", Dialect { patch: Patch::Never, ..STANDARD }),
            ("europe-docker.pkg.dev", Dialect { patch: Patch::Never, ..STANDARD }),
            ("123456789012.dkr.ecr.eu-central-1.amazonaws.com", amazon),
            ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", amazon),
            ("public.ecr.aws", amazon),
            ("docker.io", Dialect { referrers: false, ..STANDARD }),
            ("registry.example.com", STANDARD),
            ("notgcr.io", STANDARD),
        ] {
            assert_eq!(Dialect::of(host), expected, "{host}");
        }
    }
}
