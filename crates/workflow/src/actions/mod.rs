//! Actions that wharf knows itself: inputs and outputs are those of the real ones, in all their versions.

mod artifact;
mod aws;
mod bake;
mod build_push;
mod buildx;
mod cache;
mod call;
mod checkout;
mod ecr;
mod google;
mod inputs;
mod login;
mod metadata;
mod python;
mod sarif;
mod ship;
mod trivy;

use std::collections::BTreeMap;
use std::time::Instant;

use crate::run::{Fail, Leg};

pub(crate) use cache::save as save_cache;
use call::Call;
pub(crate) use call::Left;
pub(crate) use inputs::{fields, lines, values};
pub(crate) use metadata::foreseen as foreseen_metadata;

/// An input: name, default, the major version that brought it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Input(pub(crate) &'static str, pub(crate) &'static str, pub(crate) u32);

/// An action that wharf carries out itself.
pub(crate) struct Native {
    /// `owner/name`.
    pub(crate) name: &'static str,
    /// Its inputs.
    pub(crate) inputs: &'static [Input],
    run: fn(&mut Call<'_, '_>) -> Result<(), Fail>,
}

static ACTIONS: [&Native; 20] = [
    &checkout::ACTION,
    &buildx::SETUP_BUILDX,
    &buildx::SETUP_QEMU,
    &login::ACTION,
    &metadata::ACTION,
    &build_push::ACTION,
    &bake::ACTION,
    &aws::ACTION,
    &ecr::ACTION,
    &google::ACTION,
    &trivy::ACTION,
    &sarif::ACTION,
    &artifact::UPLOAD,
    &artifact::DOWNLOAD,
    &cache::ACTION,
    &cache::RESTORE,
    &cache::SAVE,
    &python::ACTION,
    &trivy::SETUP,
    &ship::ACTION,
];

/// The action behind `owner/name@ref`, whatever the ref.
pub(crate) fn find(action: &str) -> Option<&'static Native> {
    let name = action.split('@').next().unwrap_or(action).trim_end_matches('/');
    ACTIONS.into_iter().find(|native| native.name.eq_ignore_ascii_case(name))
}

/// The known action that is spelt most like this.
pub(crate) fn nearest(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    let distance = |native: &&Native| strsim::damerau_levenshtein(native.name, &name);
    ACTIONS.into_iter().min_by_key(distance).filter(|native| distance(native) <= 3).map(|native| native.name)
}

/// The names of all of them.
pub fn names() -> Vec<&'static str> {
    ACTIONS.into_iter().map(|native| native.name).collect()
}

/// The major version in `@v3`, `@v3.1.0`; none for branches and commits.
pub(crate) fn major(action: &str) -> Option<u32> {
    let reference = action.split_once('@')?.1;
    let number = reference.strip_prefix('v').unwrap_or(reference);
    let number = number.split('.').next().unwrap_or(number);
    (number.len() < 4).then(|| number.parse().ok()).flatten()
}

/// Carries an action out.
pub(crate) fn run(
    leg: &mut Leg<'_>,
    action: &str,
    given: BTreeMap<String, String>,
    step: &str,
    env: BTreeMap<String, String>,
    deadline: Option<Instant>,
) -> Result<Left, Fail> {
    let Some(native) = find(action) else { return Err(leg.unknown(action)) };
    let version = major(action);
    let mut known: Vec<&str> = Vec::new();
    let mut inputs = BTreeMap::new();
    for Input(name, default, since) in native.inputs {
        if version.is_none_or(|version| version >= *since) {
            known.push(name);
        }
        inputs.insert((*name).to_owned(), (*default).to_owned());
    }
    let unexpected: Vec<String> =
        given.keys().filter(|key| !known.contains(&key.as_str())).cloned().collect();
    if !unexpected.is_empty() {
        let list = unexpected.join("', '");
        let message = format!("Unexpected input(s) '{list}', valid inputs are ['{}']", known.join("', '"));
        leg.annotate(step, "warning", &message);
    }
    // GitHub cannot tell an empty input from one that is not given.
    inputs.extend(given.into_iter().filter(|(name, value)| !value.is_empty() && !unexpected.contains(name)));
    let mut call = Call { leg, step, version, inputs, env, deadline, outputs: BTreeMap::new() };
    (native.run)(&mut call)?;
    Ok(Left { outputs: call.outputs, ..Left::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_found_whatever_their_version() {
        for action in
            ["actions/checkout@v3", "Docker/Login-Action@abc123", "aquasecurity/trivy-action@master"]
        {
            assert!(find(action).is_some(), "{action}");
        }
        assert!(find("docker/unknown@v1").is_none());
        assert_eq!(nearest("docker/build-push"), None);
        assert_eq!(nearest("docker/metadata-actions"), Some("docker/metadata-action"));
        assert_eq!((major("a/b@v3.1"), major("a/b@master"), major("a/b@1234567890")), (Some(3), None, None));
    }
}
