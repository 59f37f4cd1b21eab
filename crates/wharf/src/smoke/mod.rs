//! Does the image work? It is started as its own user in its own network, asked until it answers, checked
//! with its own HEALTHCHECK, and stopped.

mod diagnosis;
mod plan;
mod probe;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use wharf_oci::Digest;
use wharf_sandbox::{Network, Process, Sandbox};

use crate::container::launch;
use crate::container::output::{self, Tail};
use crate::container::root::{Scratch, View};
use crate::exit::Failure;
use crate::output::size;

pub(crate) use plan::Plan;

/// How long a process may take to stop when it is asked to.
const GRACE: Duration = Duration::from_secs(10);

/// What a process under test is told to be called.
const HOSTNAME: &str = "smoke";

/// Where the image comes from and where its changes may go.
pub(crate) struct Subject<'a> {
    /// Its config.
    pub(crate) config: &'a wharf_oci::ContainerConfig,
    /// Its digest, for messages.
    pub(crate) digest: &'a Digest,
    /// Its layers, unpacked, the base first.
    pub(crate) lowers: Vec<PathBuf>,
    /// Where a run may write.
    pub(crate) data_dir: &'a std::path::Path,
}

/// What came of a test that passed.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct Report {
    /// What was asked and answered, in a few words.
    pub(crate) detail: String,
    /// From the start to the first good answer, in seconds.
    pub(crate) seconds: f64,
    /// The last lines of its output.
    pub(crate) log: Vec<String>,
}

/// Why a process is not well.
struct Illness {
    reason: String,
    /// It never ran, or ended by itself: what the image looks like may say why.
    start: bool,
}

/// Runs the test. A service that does not work is a [`Failure`] with the last lines of its log and, where
/// wharf can see it, the cause.
pub(crate) fn run(
    sandbox: &Sandbox,
    subject: Subject<'_>,
    plan: &Plan,
    line: impl Fn(&str) + Send + Sync + 'static,
) -> Result<Report, Failure> {
    let scratch = Scratch::new(subject.data_dir, subject.lowers)?;
    let view = scratch.view(sandbox)?;
    let account = launch::account(&subject.config.user, &view)?;
    let mut spec = launch::spec(subject.config, &account, scratch.root(), HOSTNAME)?;
    spec.mounts = launch::network_files(HOSTNAME, &[], &[]);
    spec.init = true;
    spec.network = Network::Isolated;

    let started = Instant::now();
    let (tail, result) = match sandbox.spawn(&spec) {
        Err(error) => (Tail::default(), Err(Illness { reason: error.to_string(), start: true })),
        Ok(mut process) => {
            let (tail, readers) = output::follow(&mut process, line);
            let result = check(&process, subject.config, plan, &spec, started);
            process.stop(GRACE)?;
            readers.into_iter().for_each(|reader| drop(reader.join()));
            (tail, result)
        }
    };
    match result {
        Ok(detail) => Ok(Report { detail, seconds: started.elapsed().as_secs_f64(), log: tail.lines() }),
        Err(illness) => Err(failure(&illness, &tail, &view, &spec, subject.digest)),
    }
}

/// Waits until the service answers, then asks the image's own health check.
fn check(
    process: &Process,
    config: &wharf_oci::ContainerConfig,
    plan: &Plan,
    spec: &wharf_sandbox::Spec,
    started: Instant,
) -> Result<String, Illness> {
    let status = match plan.port {
        Some(port) => Some(probe::until_healthy(process, port, &plan.path, plan.patience, started)?),
        None => {
            probe::until_it_ends_or_stays(process, plan.patience)?;
            None
        }
    };
    let answered = size::duration(started.elapsed());
    let health = match config.healthcheck.as_ref().filter(|check| check.test.is_some()) {
        Some(check) => probe::healthcheck(process, check, config, spec)?,
        None => None,
    };
    let answer = match (status, plan.port) {
        (Some(status), Some(port)) => format!("{status} from :{port}{} after {answered}", plan.path),
        _ => format!("it stayed up for {answered}"),
    };
    Ok(match health {
        Some(()) => format!("{answer}, HEALTHCHECK passed"),
        None => answer,
    })
}

/// The error, with the log before the cause so that the cause is what the eye ends on.
fn failure(
    illness: &Illness,
    tail: &Tail,
    view: &View,
    spec: &wharf_sandbox::Spec,
    digest: &Digest,
) -> Failure {
    let mut text = format!("the smoke test of {}: {}", &digest.as_ref()[..19], illness.reason);
    let lines = tail.lines();
    if !lines.is_empty() {
        text.push_str("\n  the last lines of its output:");
        for line in &lines[lines.len().saturating_sub(15)..] {
            text.push_str(&format!("\n    | {line}"));
        }
    }
    let failure = match illness.start.then(|| diagnosis::of_start(spec, view, &lines)).flatten() {
        Some(cause) => {
            let error = anyhow::Error::msg(cause.sentence);
            Failure::new(
                crate::exit::Exit::Gate,
                error.context(format!("{text}\n  to fix it: {}", cause.fix)),
            )
        }
        None => Failure::gate(text),
    };
    if failure.error.chain().count() == 1 {
        return failure.hint("look at it: `wharf run` starts the image, `--no-smoke` ships without the test");
    }
    failure
}
