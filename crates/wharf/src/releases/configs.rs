//! Deployment configs follow the ledger: they are planned before an entry is written, so that what cannot be done
//! stops everything, and changed after it, so that they never say what did not happen.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use serde::Serialize;
use wharf_deploy::{Destination, Edit, GitError, Repository, Target, rewrite};
use wharf_ledger::{LogName, Release};
use wharf_oci::{Digest, Reference, is_valid_tag};

use super::files::matching;
use super::overview::Environment;
use super::place::Place;
use crate::exit::{Exit, Failure};
use crate::world::World;

/// What promotions and rollbacks take for configs.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Flags {
    /// Deployment configs that name the image: files or patterns [default: `configs` of the environment]
    #[arg(long = "configs", value_name = "PATTERN", value_delimiter = ',')]
    patterns: Vec<String>,
    /// Leave the deployment configs alone
    #[arg(long, conflicts_with = "patterns")]
    no_configs: bool,
    /// Commit the configs on this branch [default: the one that is checked out]
    #[arg(long, value_name = "NAME")]
    config_branch: Option<String>,
    /// Write the change of the configs as a patch for `git am`, and commit nothing
    #[arg(long, value_name = "FILE", conflicts_with_all = ["config_branch", "config_push"])]
    config_patch: Option<PathBuf>,
    /// Push the commit of the configs to this remote
    #[arg(long, value_name = "REMOTE")]
    config_push: Option<String>,
}

/// What will be done with configs.
#[derive(Default)]
pub(crate) struct Plan {
    files: Vec<Planned>,
    target: Option<Target>,
    version: String,
    repository: Option<Repository>,
    branch: Option<String>,
    patch: Option<PathBuf>,
    push: Option<String>,
}

struct Planned {
    path: PathBuf,
    edits: Vec<Edit>,
    text: String,
}

/// What was done with configs.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Carried {
    /// The files that name the image, with each reference.
    pub(crate) files: Vec<File>,
    /// The commit that carries the change.
    pub(crate) commit: Option<String>,
    /// The branch that it is on.
    pub(crate) branch: Option<String>,
    /// The remote that has it.
    pub(crate) pushed: Option<String>,
    /// The patch that was written.
    pub(crate) patch: Option<PathBuf>,
}

/// A config.
#[derive(Debug, Serialize)]
pub(crate) struct File {
    path: PathBuf,
    changes: Vec<Edit>,
}

impl Carried {
    /// For people.
    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        for file in &self.files {
            for edit in &file.changes {
                text.push_str(&format!(
                    "  config      {}:{} {}\n",
                    file.path.display(),
                    edit.line,
                    edit.after
                ));
            }
        }
        if let Some(commit) = &self.commit {
            let on = self.branch.as_deref().map(|branch| format!(" on {branch}")).unwrap_or_default();
            let to = self.pushed.as_deref().map(|remote| format!(", pushed to {remote}")).unwrap_or_default();
            text.push_str(&format!("  commit      {}{on}{to}\n", &commit[..commit.len().min(12)]));
        }
        if let Some(patch) = &self.patch {
            text.push_str(&format!("  patch       {}\n", patch.display()));
        }
        text
    }
}

/// Reads every config of an environment, and works out what `release` makes of them.
pub(crate) fn plan(place: &Place, log: &LogName, args: &Flags, release: &Release) -> Result<Plan, Failure> {
    let environment = place.environment(log);
    let patterns = match (args.patterns.is_empty(), environment) {
        _ if args.no_configs => return Ok(Plan::default()),
        (false, _) => args.patterns.clone(),
        (true, Some(environment)) => environment.configs.clone(),
        (true, None) => return Ok(Plan::default()),
    };
    if patterns.is_empty() {
        return Ok(Plan::default());
    }
    let directory = place.project.as_ref().map_or(Path::new("."), |project| &project.directory);
    let target = target(place, log, release);
    let mut files = Vec::new();
    for path in matching(directory, &patterns)? {
        let planned = read(&path, &target)?;
        if !planned.edits.is_empty() {
            files.push(planned);
        }
    }
    if files.is_empty() {
        return Err(Failure::usage(format!(
            "no config of {log} names {}: {}",
            release.name,
            patterns.join(", ")
        ))
        .hint("the repository must be written as it is pushed, or the line marked `# wharf: env=…`; --no-configs goes on without"));
    }
    let branch = args.config_branch.clone().or_else(|| environment?.config_branch.clone());
    let plan = Plan {
        repository: Repository::around(directory),
        files,
        version: release.version.clone(),
        target: Some(target),
        branch: branch.filter(|_| args.config_patch.is_none()),
        patch: args.config_patch.clone(),
        push: args.config_push.clone().or_else(|| environment?.config_push.clone()),
    };
    plan.check()?;
    Ok(plan)
}

fn read(path: &Path, target: &Target) -> Result<Planned, Failure> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let rewritten = rewrite(path, &text, target).map_err(|error| {
        Failure::new(Exit::Usage, anyhow!(error).context(format!("{} cannot be rewritten", path.display())))
            .hint("correct the file, or leave it out of `configs`; --no-configs goes on without")
    })?;
    Ok(Planned { path: path.to_owned(), edits: rewritten.edits, text: rewritten.text })
}

/// The image that configs are to name: under the release's repository, or under what the project calls it.
pub(crate) fn target(place: &Place, log: &LogName, release: &Release) -> Target {
    let mut names: Vec<Reference> = vec![place.reference.clone()];
    names.extend(release.name.parse::<Reference>().ok());
    if let Some(project) = &place.project {
        names.extend(project.settings.image.name.as_deref().and_then(|name| name.parse::<Reference>().ok()));
        let image = project.settings.image.name.as_deref().and_then(|name| name.parse().ok());
        let image = image.unwrap_or_else(|| place.reference.clone());
        let places = crate::ship::places(&project.settings, &image, &crate::settings::host::variable);
        names.extend(places.unwrap_or_default());
    }
    Target {
        names,
        tag: tag(release),
        digest: release.digest.clone(),
        env: log.to_string(),
        paths: place.environment(log).map(|environment| environment.helm_paths.clone()).unwrap_or_default(),
    }
}

/// The tag that people read beside the digest: the version as it was published.
fn tag(release: &Release) -> String {
    let with_v = format!("v{}", release.version);
    let published = [&release.version, &with_v].into_iter().find(|tag| release.tags.contains(tag));
    let tag = published.or(release.tags.first()).unwrap_or(&release.version);
    if is_valid_tag(tag) { tag.clone() } else { "release".into() }
}

impl Plan {
    fn destination(&self) -> Destination {
        match (&self.patch, &self.branch) {
            (Some(_), _) => Destination::Patch,
            (None, Some(branch)) => Destination::Branch(branch.clone()),
            (None, None) => Destination::Here,
        }
    }

    /// What would stop the change later stops everything now.
    fn check(&self) -> Result<(), Failure> {
        let Some(repository) = &self.repository else {
            let asks = self.branch.is_some() || self.patch.is_some() || self.push.is_some();
            return match asks {
                true => Err(Failure::usage(
                    "the configs are in no git repository, so there is nothing to commit to",
                )),
                false => Ok(()),
            };
        };
        let changed: Vec<PathBuf> = self.changing().map(|file| repository.inside(&file.path)).collect();
        match self.destination() {
            Destination::Here => repository.check_clean(&changed).map_err(git_failure),
            _ => Ok(()),
        }
    }

    fn changing(&self) -> impl Iterator<Item = &Planned> {
        self.files.iter().filter(|file| file.edits.iter().any(Edit::changes))
    }

    /// What would change.
    pub(crate) fn preview(&self) -> Carried {
        let files = self.files.iter().map(|file| File {
            path: file.path.clone(),
            changes: file.edits.iter().filter(|edit| edit.changes()).cloned().collect(),
        });
        Carried { files: files.collect(), ..Carried::default() }
    }

    /// Changes the configs, with the entry that they follow in the commit's trailer.
    pub(crate) fn carry_out(
        &self,
        _world: &World,
        log: &LogName,
        entry: Option<(u64, &Digest)>,
    ) -> Result<Carried, Failure> {
        let mut carried = self.preview();
        let Some(target) = &self.target else { return Ok(carried) };
        let Some(repository) = &self.repository else {
            for file in self.changing() {
                std::fs::write(&file.path, &file.text)
                    .with_context(|| format!("writing {}", file.path.display()))?;
            }
            return Ok(carried);
        };
        let mut message = format!("{log}: {} {}\n", target.names[0].familiar_name(), self.version);
        if let Some((seq, digest)) = entry {
            message.push_str(&format!("\nWharf-Ledger: {log}@{seq} {digest}\n"));
        }
        let files: Vec<PathBuf> = self.files.iter().map(|file| repository.inside(&file.path)).collect();
        let rewriter = |path: &Path, text: &str| match rewrite(path, text, target) {
            Ok(rewritten) => Ok(rewritten.changes().then_some(rewritten.text)),
            Err(error) => Err(error.to_string()),
        };
        let commit =
            repository.commit(&files, &message, &self.destination(), self.push.as_deref(), &rewriter);
        let commit = commit.map_err(|error| {
            git_failure(error)
                .context(format!("the ledger says {}, and the configs of {log} do not yet", self.version))
        })?;
        let Some(commit) = commit else { return Ok(carried) };
        if let (Some(path), Some(patch)) = (&self.patch, &commit.patch) {
            std::fs::write(path, patch).with_context(|| format!("writing {}", path.display()))?;
            carried.patch = Some(path.clone());
            return Ok(carried);
        }
        carried.commit = Some(commit.id);
        carried.branch = commit.branch;
        carried.pushed = commit.pushed_to;
        Ok(carried)
    }
}

fn git_failure(error: GitError) -> Failure {
    let (exit, hint) = match &error {
        GitError::Dirty(path) => (
            Exit::Gate,
            format!(
                "commit or stash {} first, or say --config-branch, --config-patch or --no-configs",
                path.display()
            ),
        ),
        GitError::Diverged { remote, .. } => {
            (Exit::Gate, format!("git pull --rebase {remote}, then run the command again"))
        }
        GitError::Raced { .. } => {
            (Exit::Race, "run the command again: the entry is written, and the configs follow".into())
        }
        _ => (
            Exit::Environment,
            "run the command again when git is well: what is written already stays".into(),
        ),
    };
    Failure::new(exit, anyhow!(error)).hint(hint)
}

/// Where the configs say something else than the ledger.
pub(crate) fn drift(place: &Place, environment: &Environment) -> Result<Vec<String>, Failure> {
    let Ok(log) = LogName::environment(&environment.env) else { return Ok(Vec::new()) };
    let (Some(settings), Some(current)) = (place.environment(&log), &environment.state.current) else {
        return Ok(Vec::new());
    };
    let directory = place.project.as_ref().map_or(Path::new("."), |project| &project.directory);
    let target = target(place, &log, &current.release);
    let mut drift = Vec::new();
    for path in matching(directory, &settings.configs).unwrap_or_default() {
        let shown = path.strip_prefix(directory).unwrap_or(&path).display().to_string();
        match read(&path, &target) {
            Ok(planned) => {
                for edit in planned.edits.iter().filter(|edit| !edit.after.is_empty() && edit.changes()) {
                    let (before, version) = (&edit.before, &current.release.version);
                    drift.push(format!(
                        "{shown}:{} says `{before}`, and the ledger says {version}",
                        edit.line
                    ));
                }
            }
            Err(failure) => drift.push(format!("{shown} cannot be read as a config: {:#}", failure.error)),
        }
    }
    Ok(drift)
}
