//! Other scanners beside the built-in one: they are given the image as an OCI layout and no credentials, neither in variables nor in
//! the files of a home, and what they say is merged into the same findings, so that where they disagree is seen.

mod answers;
mod exported;
mod merge;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use wharf_scan::{Finding, Report};

use crate::exit::Failure;
use crate::local;
use crate::settings::host::variable;
use crate::world::World;
use exported::Exported;

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

    /// What it is started with to judge the image at `place`.
    fn arguments(self, place: &str) -> Vec<String> {
        let words: &[&str] = match self {
            Self::Builtin => &[],
            Self::Trivy => &["image", "--input", place, "--scanners", "vuln", "--format", "json", "--quiet"],
            Self::Grype => &[&format!("oci-dir:{place}"), "--output", "json", "--quiet"],
            Self::Snyk => &["container", "test", &format!("oci-archive:{place}"), "--json"],
        };
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    /// Variables that it may see: where its data lies and how it reaches it, and the one token that is its own.
    fn may_see(self, name: &str) -> bool {
        let general = ["PATH", "TMPDIR", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR"];
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
    let mut exported: Option<Exported> = None;
    for engine in engines.iter().filter(|engine| **engine != Engine::Builtin) {
        let Some(program) = find(engine.name()) else {
            report.notes.push(format!("{} is not installed, and was not asked", engine.name()));
            continue;
        };
        if exported.is_none() {
            exported = Some(Exported::new(image, world)?);
        }
        let Some(exported) = &exported else { continue };
        let task = world.progress.task(engine.name());
        let asked = async {
            // Its reader of layouts wants an archive.
            let place = match engine {
                Engine::Snyk => exported.archive(world).await?,
                _ => exported.layout(),
            };
            ask(*engine, &program, &place, &exported.home()).await
        };
        match world.runtime.block_on(asked) {
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

async fn ask(engine: Engine, program: &Path, place: &Path, home: &Path) -> Result<Vec<Finding>> {
    let mut command = tokio::process::Command::new(program);
    command.args(engine.arguments(&place.display().to_string())).env_clear();
    command.envs(std::env::vars().filter(|(name, _)| engine.may_see(name)));
    // A home of its own: the user's has logins in it. Its data may stay where it is.
    command.env("HOME", home).env("DOCKER_CONFIG", home).current_dir(home);
    let own = variable("HOME").map(|home| Path::new(&home).join(".cache"));
    command
        .envs(variable("XDG_CACHE_HOME").map(PathBuf::from).or(own).map(|cache| ("XDG_CACHE_HOME", cache)));
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
