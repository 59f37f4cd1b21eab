//! Rules for those who write none.

use super::Rules;

impl Rules {
    /// What applies where `wharf.toml` says nothing: `sha-<7>`, the branch, full, minor and major version,
    /// `pr-<n>`, and `latest` from the default branch or a stable version. There is no tag for major version 0,
    /// whose minor versions promise nothing to each other.
    pub fn conventional(image: &str) -> Self {
        Self::preset(
            image,
            &[
                "type=semver,pattern={{version}}",
                "type=semver,pattern={{major}}.{{minor}}",
                "type=semver,pattern={{#if major}}{{major}}{{/if}}",
                "type=ref,event=branch",
                "type=ref,event=pr",
                "type=raw,value=latest,enable={{is_default_branch}}",
                "type=sha",
            ],
        )
    }

    /// The strategy of the classic tagging script: `v1.2.3` with `v1.2` and `v1`, `latest` for the default
    /// branch, `pr-<n>`, `<branch>-<7>`, `sha-<7>` and `build-<UTC time>`.
    pub fn classic(image: &str) -> Self {
        let rules = Self::preset(
            image,
            &[
                "type=semver,pattern={{version}},prefix=v",
                "type=semver,pattern={{major}}.{{minor}},prefix=v",
                "type=semver,pattern={{major}},prefix=v",
                "type=raw,value=latest,enable={{is_default_branch}}",
                "type=ref,event=pr",
                "type=ref,event=branch,suffix=-{{sha}}",
                "type=sha",
                "type=raw,value=build-{{date 'YYYYMMDD-HHmmss'}},priority=50",
            ],
        );
        Self { flavor: vec!["latest=false".to_owned()], ..rules }
    }

    fn preset(image: &str, tags: &[&str]) -> Self {
        Self {
            images: vec![image.to_owned()],
            tags: tags.iter().map(|rule| (*rule).to_owned()).collect(),
            ..Self::default()
        }
    }
}
