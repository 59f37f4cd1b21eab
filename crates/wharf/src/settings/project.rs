//! `wharf.toml`: what the project says of itself. Every key is optional.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::exit::Failure;

/// The file's name.
pub(crate) const FILE_NAME: &str = "wharf.toml";

/// The whole of `wharf.toml`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Project {
    #[serde(default)]
    pub(crate) image: Image,
    #[serde(default)]
    pub(crate) build: Build,
    pub(crate) model: Option<Model>,
    #[serde(default)]
    pub(crate) smoke: Smoke,
    #[serde(default)]
    pub(crate) scan: Scan,
    /// `[[push]]`: where the image goes.
    #[serde(default)]
    pub(crate) push: Vec<Push>,
    /// `[env.NAME]`: the places that run one release at a time.
    #[serde(default)]
    pub(crate) env: BTreeMap<String, Environment>,
}

/// `[image]`: what the image is called.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Image {
    /// The repository without a registry, `myorg/model`.
    pub(crate) name: Option<String>,
    /// Tag rules in docker/metadata-action's words.
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    /// Flavor rules in docker/metadata-action's words.
    #[serde(default)]
    pub(crate) flavor: Vec<String>,
    /// Rules that come with wharf, before those of `tags`.
    pub(crate) preset: Option<Preset>,
    /// Labels beside the ones wharf works out.
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    /// Annotations beside the ones wharf works out.
    #[serde(default)]
    pub(crate) annotations: BTreeMap<String, String>,
}

/// Tag rules that come with wharf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Preset {
    /// Full, minor and major version, the branch, `pr-<n>`, `latest` from the default branch, `sha-<7>`
    Conventional,
    /// `v1.2.3` with `v1.2` and `v1`, `latest` for the default branch, `pr-<n>`, `<branch>-<7>`, `sha-<7>`,
    /// `build-<UTC time>`
    Classic,
}

/// `[build]`: how it is built.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Build {
    pub(crate) dockerfile: Option<PathBuf>,
    pub(crate) context: Option<PathBuf>,
    pub(crate) target: Option<String>,
    pub(crate) platform: Option<String>,
    /// BuildKit elsewhere that builds it: `tcp://…`, `kube://…`, or several as `linux/amd64=…,linux/arm64=…`.
    pub(crate) builder: Option<String>,
    #[serde(default)]
    pub(crate) args: BTreeMap<String, String>,
}

/// `[model]`: what makes this image this model.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Model {
    /// The model's file, relative to `wharf.toml`.
    pub(crate) artifact: PathBuf,
}

/// `[smoke]`: how to see that it works.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Smoke {
    /// `false` to ship without starting the image.
    pub(crate) enabled: Option<bool>,
    /// The port to probe; else the first one the image exposes.
    pub(crate) port: Option<u16>,
    /// The path to ask for.
    pub(crate) path: Option<String>,
    /// Seconds until a service that does not answer has failed; else the health check's start period.
    pub(crate) timeout: Option<u64>,
}

/// `[scan]`: what may stop a ship.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Scan {
    /// `false` to ship without a scan.
    pub(crate) enabled: Option<bool>,
    /// The least severity that stops a ship.
    pub(crate) fail_on: Option<String>,
    /// What findings without a fix do: `ignore`, `report` or `fail`.
    pub(crate) unfixed: Option<String>,
    /// What a distribution without further fixes does: `ignore`, `report` or `fail`.
    pub(crate) eol: Option<String>,
    /// Names that pickles may use.
    #[serde(default)]
    pub(crate) allow: Vec<String>,
    /// Where advisories are: a file, a directory, a zip or a tarball of OSV records, or `oci://…`.
    pub(crate) db: Option<String>,
    /// How old they may be, `7d`.
    pub(crate) db_max_age: Option<String>,
    /// What older ones do: `warn` or `fail`.
    pub(crate) on_stale: Option<String>,
    /// VEX documents.
    #[serde(default)]
    pub(crate) vex: Vec<PathBuf>,
    /// Where to write SARIF.
    pub(crate) sarif: Option<PathBuf>,
    /// Whether SARIF goes to code scanning.
    #[serde(default)]
    pub(crate) upload: bool,
    /// Scanners to ask: `builtin`, `trivy`, `grype`, `snyk`.
    #[serde(default)]
    pub(crate) engines: Vec<String>,
    #[serde(default)]
    pub(crate) alerts: Alerts,
    #[serde(default)]
    pub(crate) vuln: Gate,
    #[serde(default, alias = "model")]
    pub(crate) pickle: PickleGate,
    #[serde(default)]
    pub(crate) secret: SecretGate,
    #[serde(default, alias = "license")]
    pub(crate) licence: LicenceGate,
    #[serde(default)]
    pub(crate) config: Gate,
}

/// `[scan.alerts]`: who is told of what is new and stops a ship.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Alerts {
    /// An address that takes JSON; `$NAME` is taken from the environment.
    pub(crate) webhook: Option<String>,
    /// A webhook of Slack's.
    pub(crate) slack: Option<String>,
    /// Whether an issue is opened in the repository of the job.
    #[serde(default)]
    pub(crate) github_issue: bool,
}

/// `[scan.vuln]`, `[scan.config]`: what holds for one kind of finding.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Gate {
    /// `false` not to look for it.
    pub(crate) enabled: Option<bool>,
    /// The least severity that stops a ship, or `never`.
    pub(crate) fail_on: Option<String>,
}

/// `[scan.secret]`: credentials.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct SecretGate {
    /// `false` not to look for them.
    pub(crate) enabled: Option<bool>,
    /// The least severity that stops a ship, or `never`.
    pub(crate) fail_on: Option<String>,
    /// Files of rules beside the built-in ones.
    #[serde(default)]
    pub(crate) rules: Vec<PathBuf>,
}

/// `[scan.pickle]`: model files.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct PickleGate {
    /// `false` not to look for them.
    pub(crate) enabled: Option<bool>,
    /// The least severity that stops a ship, or `never`.
    pub(crate) fail_on: Option<String>,
    /// Names that pickles may use.
    #[serde(default)]
    pub(crate) allow: Vec<String>,
}

/// `[scan.licence]`: the terms of packages.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct LicenceGate {
    /// `true` to look for them; also where there is a list.
    pub(crate) enabled: Option<bool>,
    /// The least severity that stops a ship, or `never`.
    pub(crate) fail_on: Option<String>,
    /// SPDX identifiers that must not be, `AGPL-3.0*`.
    #[serde(default)]
    pub(crate) deny: Vec<String>,
    /// The only ones that may be.
    #[serde(default)]
    pub(crate) allow: Vec<String>,
}

impl LicenceGate {
    /// The lists.
    pub(crate) fn rules(&self) -> wharf_scan::LicenceRules {
        wharf_scan::LicenceRules { deny: self.deny.clone(), allow: self.allow.clone() }
    }
}

/// `[[push]]`: one place the image goes to.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Push {
    /// Host and port; `$NAME` is taken from the environment.
    pub(crate) registry: String,
    /// The repository there, where it is not the image's name.
    pub(crate) repository: Option<String>,
    /// Tags there, beside the ones that the rules give.
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    /// Only then, such as `branch == default`.
    pub(crate) when: Option<String>,
}

/// `[env.NAME]`: a named place that runs one release at a time.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Environment {
    /// The repository whose ledger it is, where the project pushes to several.
    pub(crate) repository: Option<String>,
    /// Deployment configs that name the image: files, or patterns with `*`.
    #[serde(default)]
    pub(crate) configs: Vec<String>,
    /// The branch that config changes are committed on; else the one that is checked out.
    pub(crate) config_branch: Option<String>,
    /// Push the commit of the configs to this remote.
    pub(crate) config_push: Option<String>,
    /// Dotted paths of the image in Helm values, such as `api.image`, beside the usual `image`.
    #[serde(default)]
    pub(crate) helm_paths: Vec<String>,
    /// The evidence that a promotion needs: `scan`, `smoke`, `sbom`, `provenance`, `signature`.
    #[serde(default)]
    pub(crate) require: Vec<String>,
    /// How old a scan may be, such as `7d`.
    pub(crate) scan_max_age: Option<String>,
    /// The environment that a release must have been through.
    pub(crate) from: Option<String>,
    /// A file of `RELEASE NAME` lines: who approved what.
    pub(crate) approvals: Option<PathBuf>,
    /// How many people must have approved.
    pub(crate) approvers: Option<usize>,
    /// Public keys that signatures are checked with.
    #[serde(default)]
    pub(crate) keys: Vec<PathBuf>,
    /// Where the running service says that it is well.
    pub(crate) health: Option<String>,
    /// A git repository whose refs commit the ledger (tier T2).
    pub(crate) ledger_git: Option<String>,
    /// The running Deployment that follows.
    pub(crate) kubernetes: Option<Kubernetes>,
}

/// `[env.NAME.kubernetes]`: the Deployment that runs the release.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Kubernetes {
    /// The kubeconfig, relative to `wharf.toml`; else `$KUBECONFIG`, `~/.kube/config`, or the pod's own account.
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context; else its current one.
    pub(crate) context: Option<String>,
    /// Else the context's, else `default`.
    pub(crate) namespace: Option<String>,
    pub(crate) deployment: Option<String>,
    /// Else the only one with an image of the project.
    pub(crate) container: Option<String>,
    /// Seconds until a rollout that is not done has failed; 600 if not said.
    pub(crate) timeout: Option<u64>,
}

/// The project in `directory`: its `wharf.toml`, or the conventions where there is none.
pub(crate) fn read(directory: &Path) -> Result<Project, Failure> {
    Ok(super::document::read(&directory.join(FILE_NAME))?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_designs_own_example_reads() {
        let text = r#"
            [image]
            name = "myorg/churn-prediction-model"
            tags = ["type=ref,event=branch", "type=semver,pattern={{version}}", "type=sha"]
            [model]
            artifact = "artifacts/model.pkl"
            [smoke]
            port = 8000
            path = "/health"
            [scan]
            fail-on = "critical"
            sarif = "scan.sarif"
            [[push]]
            registry = "docker.io"
            tags = ["dev"]
            [[push]]
            registry = "$ECR_REGISTRY"
            when = "branch == default"
            [env.prod]
            configs = ["deploy/prod/*.yaml"]
        "#;
        let project: Project = super::super::document::parse(text, Path::new(FILE_NAME)).unwrap();
        assert_eq!(project.push.len(), 2);
        assert_eq!(project.env["prod"].configs, ["deploy/prod/*.yaml"]);
        assert_eq!(project.scan.fail_on.as_deref(), Some("critical"));
    }
}
