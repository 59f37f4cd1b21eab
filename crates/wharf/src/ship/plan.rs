//! What a ship will do, worked out before anything is done.

use std::path::{Path, PathBuf};

use serde::Serialize;
use wharf_metadata::{Metadata, Motion, Overrides, Snapshot, Tag};
use wharf_oci::Reference;

use crate::builders::flags::{Elsewhere, Flags};
use crate::exit::{Failure, OrFail};
use crate::output::table;
use crate::settings::condition::{self, Facts};
use crate::settings::document::expand;
use crate::settings::project::{self, Project};

/// What was typed over the project's settings.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    /// Another Dockerfile.
    pub(crate) dockerfile: Option<PathBuf>,
    /// Another stage.
    pub(crate) target: Option<String>,
    /// Build, test and scan, and push nothing.
    pub(crate) no_push: bool,
    /// Do not start the image.
    pub(crate) no_smoke: bool,
    /// Do not scan the image.
    pub(crate) no_scan: bool,
    /// Take nothing from the cache.
    pub(crate) no_cache: bool,
    /// Build on this BuildKit.
    pub(crate) builder: Flags,
    /// The image stays at the builder's side until the gates are green.
    pub(crate) gate_remote: bool,
    /// Layers travel while the build and the gates still go on.
    pub(crate) push_early: bool,
    /// What may move in registries although it should not.
    pub(crate) overrides: Overrides,
}

/// What a ship will do.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Plan {
    /// The project's directory.
    #[serde(skip)]
    pub(crate) directory: PathBuf,
    /// The image's name without a registry.
    pub(crate) image: Named,
    /// The version that the tags carry.
    pub(crate) version: String,
    /// The version that is released, where a rule read one.
    pub(crate) release: Option<String>,
    /// The tags that every target gets.
    #[serde(serialize_with = "names")]
    pub(crate) tags: Vec<Tag>,
    /// The labels of the image.
    pub(crate) labels: std::collections::BTreeMap<String, String>,
    /// The annotations of its manifest.
    pub(crate) annotations: std::collections::BTreeMap<String, String>,
    /// The Dockerfile, relative to the project.
    pub(crate) dockerfile: PathBuf,
    /// The context, relative to the project.
    pub(crate) context: PathBuf,
    /// The stage.
    pub(crate) target: Option<String>,
    /// Take nothing from the cache.
    pub(crate) no_cache: bool,
    /// The BuildKit that builds it; this machine where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) builder: Option<Elsewhere>,
    /// The builder pushes the image to the first target, by digest and without a tag, before the gates.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) gate_remote: bool,
    /// Layers travel while the build and the gates still go on.
    pub(crate) push_early: bool,
    /// Whether the image is started.
    pub(crate) smoke: bool,
    /// Whether the image is scanned.
    pub(crate) scan: bool,
    /// Where it goes.
    pub(crate) push: Vec<Target>,
    /// Where it does not go, and why.
    pub(crate) not_pushed: Vec<String>,
    /// What may move in registries although it should not.
    #[serde(skip)]
    pub(crate) overrides: Overrides,
    /// What a person should know.
    pub(crate) warnings: Vec<String>,
}

/// A repository of a registry, and the tags that it gets.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Target {
    /// The repository.
    #[serde(serialize_with = "as_text")]
    pub(crate) repository: Reference,
    /// The tags there.
    #[serde(serialize_with = "names")]
    pub(crate) tags: Vec<Tag>,
}

/// A reference that serialises as text.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub(crate) struct Named(#[serde(serialize_with = "as_text")] pub(crate) Reference);

fn as_text<S: serde::Serializer>(reference: &Reference, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(reference)
}

fn names<S: serde::Serializer>(tags: &[Tag], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(tags.iter().map(|tag| &tag.name))
}

fn joined(tags: &[Tag]) -> String {
    tags.iter().map(|tag| tag.name.as_str()).collect::<Vec<_>>().join(", ")
}

impl Plan {
    /// Makes the plan for the project in `directory`. `env` gives the variables that settings refer to.
    pub(crate) fn new(
        directory: &Path,
        project: &Project,
        asked: &Asked,
        snapshot: &Snapshot,
        metadata: &Metadata,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Failure> {
        let image = image_name(directory, project, snapshot)?;
        let mut tags = metadata.tags.clone();
        let mut warnings = metadata.warnings.clone();
        if tags.is_empty() && snapshot.git.is_none() && snapshot.event.is_none() {
            let name = snapshot.clock.now.strftime("build-%Y%m%d-%H%M%S").to_string();
            tags.push(Tag { name, motion: Motion::Free });
            warnings.push("there is no git repository, so the image cannot be traced to a commit".into());
        }
        let facts = facts(snapshot);
        let mut plan = Self {
            directory: directory.to_owned(),
            version: metadata
                .version
                .clone()
                .or_else(|| tags.first().map(|tag| tag.name.clone()))
                .unwrap_or_else(|| "latest".into()),
            release: metadata.release.clone(),
            tags,
            labels: metadata.labels.clone(),
            annotations: metadata.annotations.clone(),
            dockerfile: asked
                .dockerfile
                .clone()
                .or_else(|| project.build.dockerfile.clone())
                .unwrap_or_else(|| "Dockerfile".into()),
            context: project.build.context.clone().unwrap_or_else(|| ".".into()),
            target: asked.target.clone().or_else(|| project.build.target.clone()),
            no_cache: asked.no_cache,
            builder: asked.builder.elsewhere(project.build.builder.as_deref()),
            gate_remote: asked.gate_remote,
            push_early: asked.push_early,
            smoke: !asked.no_smoke && project.smoke.enabled.unwrap_or(true),
            scan: !asked.no_scan && project.scan.enabled.unwrap_or(true),
            push: Vec::new(),
            not_pushed: Vec::new(),
            overrides: asked.overrides,
            warnings,
            image: Named(image),
        };
        if plan.tags.is_empty() {
            return Err(crate::commands::meta::no_tags());
        }
        for target in &project.push {
            plan.add_target(target, asked, &facts, env)?;
        }
        plan.check_gate()?;
        Ok(plan)
    }

    /// An image that stays at the builder's side needs a builder, and a registry to stay in.
    fn check_gate(&self) -> Result<(), Failure> {
        match (self.gate_remote, &self.builder, self.push.as_slice()) {
            (true, None, _) => {
                Err(Failure::usage("--gate remote is for builds elsewhere, and there is no builder")
                    .hint("name one: --builder ADDRESS, or `builder` in [build] of wharf.toml"))
            }
            (true, _, []) => Err(Failure::usage("--gate remote needs a registry, and nothing is pushed")
                .hint("without it the image comes here to be tested")),
            _ => Ok(()),
        }
    }

    fn add_target(
        &mut self,
        target: &project::Push,
        asked: &Asked,
        facts: &Facts,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<(), Failure> {
        if asked.no_push {
            self.not_pushed.push(format!("{}: --no-push", target.registry));
            return Ok(());
        }
        if let Some(when) = &target.when
            && !condition::holds(when, facts).or_usage()?
        {
            self.not_pushed.push(format!("{}: not {when}", target.registry));
            return Ok(());
        }
        let repository = repository(target, &self.image.0, env)?;
        let mut tags = self.tags.clone();
        for tag in &target.tags {
            let tag = expand(tag, "a tag in [[push]]", env)?;
            repository.with_tag(&tag).or_usage()?;
            if tags.iter().all(|known| known.name != tag) {
                tags.push(Tag { motion: Motion::of_name(&tag), name: tag });
            }
        }
        self.push.push(Target { repository, tags });
        Ok(())
    }

    /// The plan as people read it.
    pub(crate) fn render(&self) -> String {
        let row = |name: &str, value: String| [name.to_owned(), value];
        let mut rows = vec![
            row("image", self.image.0.to_string()),
            row("version", self.version.clone()),
            row("tags", joined(&self.tags)),
            row("build", format!("{} in {}", self.dockerfile.display(), self.context.display())),
            row("gates", self.gates().join(", ")),
        ];
        rows.extend(self.builder.iter().map(|builder| row("builder", builder.address.clone())));
        rows.extend(
            self.push.iter().map(|to| row("push", format!("{}  {}", to.repository, joined(&to.tags)))),
        );
        rows.extend(self.not_pushed.iter().map(|why| row("no push", why.clone())));
        rows.extend(self.warnings.iter().map(|text| row("warning", text.clone())));
        table::render(["WHAT", "HOW"], &rows)
    }

    fn gates(&self) -> Vec<&str> {
        let gates: Vec<&str> = [(self.smoke, "smoke"), (self.scan, "scan")]
            .iter()
            .filter(|(on, _)| *on)
            .map(|(_, name)| *name)
            .collect();
        if gates.is_empty() { vec!["none"] } else { gates }
    }
}

/// The repository of a push target.
fn repository(
    target: &project::Push,
    image: &Reference,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Reference, Failure> {
    let registry = expand(&target.registry, "`registry` in [[push]]", env)?;
    let path = match &target.repository {
        Some(path) => expand(path, "`repository` in [[push]]", env)?,
        None => image.repository().to_owned(),
    };
    format!("{registry}/{path}").parse().or_usage()
}

/// Every repository that the project may push to, whatever its conditions say today.
pub(crate) fn places(
    project: &Project,
    image: &Reference,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<Reference>, Failure> {
    project.push.iter().map(|target| repository(target, image, env)).collect()
}

/// The image's name: from the settings, else from where the repository comes from, else the directory's.
pub(crate) fn image_name(
    directory: &Path,
    project: &Project,
    snapshot: &Snapshot,
) -> Result<Reference, Failure> {
    if let Some(name) = &project.image.name {
        return name.parse().or_usage();
    }
    let remote = snapshot.git.as_ref().and_then(|git| git.remote.as_deref()).and_then(remote_path);
    let name = remote.or_else(|| directory.file_name().map(|name| name.to_string_lossy().to_lowercase()));
    name.and_then(|name| name.parse().ok()).ok_or_else(|| {
        Failure::usage("the image has no name").hint("say it in wharf.toml: [image] name = \"org/model\"")
    })
}

/// `org/repo` of a git remote, lower case: `git@host:org/repo.git`, `https://host/org/repo`.
fn remote_path(remote: &str) -> Option<String> {
    let rest = match remote.split_once("://") {
        Some((_, rest)) => rest.split_once('/')?.1,
        None => remote.split_once(':')?.1,
    };
    let path = rest.trim_matches('/').trim_end_matches(".git").to_lowercase();
    (!path.is_empty()).then_some(path)
}

/// What conditions may ask about.
pub(crate) fn facts(snapshot: &Snapshot) -> Facts {
    let event = snapshot.event.as_ref();
    let git = snapshot.git.as_ref();
    let git_ref = event.and_then(|event| event.reference.as_ref()).map(|fact| fact.value.clone());
    let of_ref = |prefix: &str| git_ref.as_deref().and_then(|r| r.strip_prefix(prefix)).map(str::to_owned);
    let branch = of_ref("refs/heads/").or_else(|| match git_ref {
        Some(_) => None,
        None => git.and_then(|git| git.branch.clone()),
    });
    let tag = of_ref("refs/tags/").or_else(|| match git_ref {
        Some(_) => None,
        None => git.and_then(|git| git.tags.first().cloned()),
    });
    let default = event
        .and_then(|event| event.default_branch.as_ref())
        .map(|fact| fact.value.clone())
        .or_else(|| git.and_then(|git| git.default_branch.clone()))
        .unwrap_or_else(|| conventional_default(branch.as_deref()).to_owned());
    let name = event.and_then(|event| event.name.as_ref()).map(|fact| fact.value.clone());
    Facts {
        git_ref: git_ref
            .unwrap_or_else(|| branch.as_ref().map(|b| format!("refs/heads/{b}")).unwrap_or_default()),
        branch: branch.unwrap_or_default(),
        tag: tag.unwrap_or_default(),
        event: name.unwrap_or_else(|| "push".into()),
        default,
    }
}

/// A repository without a remote says nothing of its default branch; these two are what it can only be.
fn conventional_default(branch: Option<&str>) -> &str {
    branch.filter(|name| matches!(*name, "main" | "master")).unwrap_or("main")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remotes_of_every_spelling_name_the_image() {
        for remote in [
            "git@github.com:MyOrg/Churn.git",
            "https://github.com/myorg/churn",
            "ssh://git@h:22/myorg/churn.git/",
        ] {
            assert_eq!(remote_path(remote).as_deref(), Some("myorg/churn"), "{remote}");
        }
        assert_eq!(remote_path("nonsense"), None);
    }
}
