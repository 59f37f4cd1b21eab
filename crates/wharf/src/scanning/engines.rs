//! Other scanners beside the built-in one: they are given the image as an OCI layout and no credentials, and what they say is merged
//! into the same findings, so that where they disagree is seen.

mod answers;
mod merge;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use wharf_registry::{Condition, Document, Layout, Name};
use wharf_scan::{Finding, Report};

use crate::exit::{Exit, Failure};
use crate::local;
use crate::settings::host::variable;
use crate::world::World;

/// How long one may take.
const PATIENCE: Duration = Duration::from_secs(900);

/// A scanner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Engine {
    /// wharf's own
    Builtin,
    /// Aqua's trivy
    Trivy,
    /// Anchore's grype
    Grype,
    /// snyk's command line
    Snyk,
}

impl Engine {
    fn name(self) -> &'static str {
        match self {
            Self::Builtin => "builtin",
            Self::Trivy => "trivy",
            Self::Grype => "grype",
            Self::Snyk => "snyk",
        }
    }

    fn arguments(self, layout: &str) -> Vec<String> {
        let words: &[&str] = match self {
            Self::Builtin => &[],
            Self::Trivy => &["image", "--input", layout, "--scanners", "vuln", "--format", "json", "--quiet"],
            Self::Grype => &[&format!("oci-dir:{layout}"), "--output", "json", "--quiet"],
            Self::Snyk => &["container", "test", &format!("oci-archive:{layout}"), "--json"],
        };
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    /// Variables that it may see: where its data lies and how it reaches it, and the one token that is its own.
    fn may_see(self, name: &str) -> bool {
        let general = [
            "PATH",
            "HOME",
            "TMPDIR",
            "LANG",
            "SSL_CERT_FILE",
            "SSL_CERT_DIR",
            "XDG_CACHE_HOME",
            "XDG_CONFIG_HOME",
        ];
        let own: &[&str] = match self {
            Self::Builtin => &[],
            Self::Trivy => &[
                "TRIVY_CACHE_DIR",
                "TRIVY_DB_REPOSITORY",
                "TRIVY_JAVA_DB_REPOSITORY",
                "TRIVY_SKIP_DB_UPDATE",
                "TRIVY_OFFLINE_SCAN",
            ],
            Self::Grype => &[
                "GRYPE_DB_CACHE_DIR",
                "GRYPE_DB_AUTO_UPDATE",
                "GRYPE_DB_UPDATE_URL",
                "GRYPE_DB_VALIDATE_AGE",
            ],
            Self::Snyk => &["SNYK_TOKEN", "SNYK_API", "SNYK_CFG_ORG"],
        };
        general.contains(&name) || own.contains(&name) || name.to_lowercase().ends_with("_proxy")
    }
}

/// Asks every engine but the built-in one, and merges what they say. One that is not installed, or fails, is a note; with none left
/// that judged, so is the verdict.
pub(crate) fn consult(
    engines: &[Engine],
    image: &local::Image,
    report: &mut Report,
    world: &World,
) -> Result<(), Failure> {
    let builtin = engines.contains(&Engine::Builtin);
    if builtin {
        merge::mark(report, Engine::Builtin.name());
    } else {
        merge::forget(report);
    }
    let mut judged = builtin;
    let mut layout = None;
    for engine in engines.iter().filter(|engine| **engine != Engine::Builtin) {
        let Some(program) = find(engine.name()) else {
            report.notes.push(format!("{} is not installed, and was not asked", engine.name()));
            continue;
        };
        if layout.is_none() {
            layout = Some(Exported::new(image, world)?);
        }
        let Some(exported) = &layout else { continue };
        let task = world.progress.task(engine.name());
        match world.runtime.block_on(ask(*engine, &program, &exported.path)) {
            Ok(found) => {
                task.done(&format!("{} findings", found.len()));
                let note = merge::merge(report, engine.name(), found);
                report.notes.push(note);
                judged = true;
            }
            Err(error) => report.notes.push(format!("{} failed: {error:#}", engine.name())),
        }
    }
    if !judged {
        report.unjudged.push("no engine that was asked for could judge the image".to_owned());
    }
    Ok(())
}

/// A program on the search path.
fn find(name: &str) -> Option<PathBuf> {
    let path = variable("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|candidate| candidate.is_file())
}

async fn ask(engine: Engine, program: &Path, layout: &Path) -> Result<Vec<Finding>> {
    let mut command = tokio::process::Command::new(program);
    command.args(engine.arguments(&layout.display().to_string())).env_clear();
    command.envs(std::env::vars().filter(|(name, _)| engine.may_see(name)));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await;
    let output = output.map_err(|_| anyhow!("it took more than {} s", PATIENCE.as_secs()))?;
    let output = output.with_context(|| format!("starting {}", program.display()))?;
    // Some end with a code when they find something, so what counts is whether they answer.
    let answer = serde_json::from_slice(&output.stdout);
    let answer = answer.map_err(|_| {
        let said = String::from_utf8_lossy(&output.stderr);
        anyhow!("{}: {}", output.status, said.trim().lines().last().unwrap_or("it said nothing"))
    })?;
    match engine {
        Engine::Builtin => Ok(Vec::new()),
        Engine::Trivy => Ok(answers::trivy(&answer)),
        Engine::Grype => Ok(answers::grype(&answer)),
        Engine::Snyk => Ok(answers::snyk(&answer)),
    }
}

/// An image of the store as a layout of its own, by links where the file system has them.
struct Exported {
    path: PathBuf,
    /// Goes away with its content.
    _directory: tempfile::TempDir,
}

impl Exported {
    fn new(image: &local::Image, world: &World) -> Result<Self, Failure> {
        let parent = world.data_dir.join("tmp");
        std::fs::create_dir_all(&parent)?;
        let directory = tempfile::tempdir_in(parent)?;
        let path = directory.path().join("image");
        let layout = Layout::open(&path)?;
        for blob in std::iter::once(&image.manifest.config).chain(&image.manifest.layers) {
            if !layout.take_from(&world.store, &blob.digest)? {
                let missing = anyhow!("{} is not in the store", blob.digest);
                return Err(Failure::new(Exit::Environment, missing));
            }
        }
        let bytes = world.store.read(&image.descriptor.digest)?;
        let document = Document { descriptor: image.descriptor.clone(), bytes: bytes.into() };
        layout.put_manifest(Name::Tag("scan"), &document, Condition::Always)?;
        Ok(Self { path, _directory: directory })
    }
}
