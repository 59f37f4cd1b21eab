//! The rules as written: lists of text, as `wharf.toml`, the command line and the action's inputs give them.

/// Which names and labels an image gets, in the rule language of docker/metadata-action.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// Images to name: `org/app`, `name=ghcr.io/org/app,enable=true`.
    pub images: Vec<String>,
    /// Tag rules: `type=semver,pattern={{version}}`. Empty: [`Rules::conventional`]'s.
    pub tags: Vec<String>,
    /// How `latest`, prefix and suffix are treated: `latest=auto`.
    pub flavor: Vec<String>,
    /// Labels `key=value` to add; expressions are expanded.
    pub labels: Vec<String>,
    /// Annotations `key=value` to add; expressions are expanded.
    pub annotations: Vec<String>,
}

/// A rule that cannot be read, or that makes no sense where it stands.
#[derive(Debug, thiserror::Error)]
#[error("rule `{rule}`: {problem}")]
pub struct RulesError {
    /// The rule as written.
    pub rule: String,
    /// What is wrong with it.
    pub problem: String,
}

impl Rules {
    /// What applies where `wharf.toml` says nothing: `sha-<7>`, the branch, full, minor and major version, `pr-<n>`,
    /// and `latest` from the default branch or a stable version.
    pub fn conventional(image: &str) -> Self {
        let tags = [
            "type=semver,pattern={{version}}",
            "type=semver,pattern={{major}}.{{minor}}",
            "type=semver,pattern={{major}}",
            "type=ref,event=branch",
            "type=ref,event=pr",
            "type=sha",
            "type=raw,value=latest,enable={{is_default_branch}}",
        ];
        Self { images: vec![image.to_owned()], tags: tags.map(str::to_owned).to_vec(), ..Self::default() }
    }
}
