//! Asking a running service whether it is well.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use wharf_oci::{ContainerConfig, Healthcheck};
use wharf_sandbox::{ExecSpec, Process, Spec};

use super::Illness;
use crate::container::{health, output};
use crate::output::size;

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(100);
/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(5);
/// A process without a port counts as working when it has stayed up this long.
const STAYS: Duration = Duration::from_secs(3);
/// Docker's timeout for a health check that sets none.
const HEALTHCHECK_TIMEOUT: Duration = Duration::from_secs(30);

/// Asks until the answer is a success; gives the status.
pub(super) fn until_healthy(
    process: &Process,
    port: u16,
    path: &str,
    patience: Duration,
    started: Instant,
) -> Result<u16, Illness> {
    let mut last = format!("nothing listens on port {port}");
    while started.elapsed() < patience {
        match ask(process, port, path) {
            Ok(status) if (200..300).contains(&status) => return Ok(status),
            Ok(status) => last = format!("port {port} answers {status} to {path}"),
            Err(reason) => last = reason,
        }
        fail_if_ended(process, PAUSE)?;
    }
    Err(Illness { reason: format!("{last} after {}", size::duration(started.elapsed())), start: false })
}

/// Without a port to ask, a service works when it stays up; ending with success at once is no service.
pub(super) fn until_it_ends_or_stays(process: &Process, patience: Duration) -> Result<(), Illness> {
    fail_if_ended(process, STAYS.min(patience))
}

fn fail_if_ended(process: &Process, wait: Duration) -> Result<(), Illness> {
    match process.wait_timeout(wait) {
        Ok(None) => Ok(()),
        Ok(Some(status)) => Err(Illness { reason: format!("the process ended: {status}"), start: true }),
        Err(error) => Err(Illness { reason: error.to_string(), start: true }),
    }
}

/// One GET in the network of the process.
fn ask(process: &Process, port: u16, path: &str) -> Result<u16, String> {
    let question = || -> Result<u16, String> {
        // A runtime of this thread alone, because only this thread is in that network.
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
        runtime.block_on(async {
            let client =
                reqwest::Client::builder().no_proxy().timeout(ANSWER).build().map_err(|e| e.to_string())?;
            let url = format!("http://{}:{port}{path}", Ipv4Addr::LOCALHOST);
            match client.get(url).send().await {
                Ok(answer) => Ok(answer.status().as_u16()),
                Err(error) if error.is_connect() => Err(format!("nothing listens on port {port}")),
                Err(error) if error.is_timeout() => {
                    Err(format!("port {port} takes the connection and does not answer {path}"))
                }
                Err(error) => Err(format!("port {port} does not speak HTTP: {error}")),
            }
        })
    };
    process.in_network(question).map_err(|error| error.to_string())?
}

/// Runs the image's own check once. `None` when the image switches checks off.
pub(super) fn healthcheck(
    process: &Process,
    check: &Healthcheck,
    config: &ContainerConfig,
    spec: &Spec,
) -> Result<Option<()>, Illness> {
    let Some(args) = health::command_line(check, config) else { return Ok(None) };
    let shown = args.join(" ");
    let mut exec = ExecSpec::new(args);
    exec.env = spec.env.clone();
    exec.cwd = spec.cwd.clone();
    exec.user = spec.user.clone();
    let ill = |what: String| Illness { reason: format!("its HEALTHCHECK `{shown}` {what}"), start: false };
    let mut child = process.exec(&exec).map_err(|error| ill(format!("cannot be run: {error}")))?;
    let (tail, readers) = output::follow(&mut child, |_| {});
    let timeout = match check.timeout {
        0 => HEALTHCHECK_TIMEOUT,
        ns => Duration::from_nanos(ns.unsigned_abs()),
    };
    // A loaded machine starts an interpreter in seconds; the first check gets docker's default at least.
    let ended =
        child.wait_timeout(timeout.max(HEALTHCHECK_TIMEOUT)).map_err(|error| ill(error.to_string()))?;
    drop(child);
    readers.into_iter().for_each(|reader| drop(reader.join()));
    match ended {
        Some(status) if status.success() => Ok(Some(())),
        Some(status) => Err(ill(format!("says no ({status}): {}", tail.lines().join("\n    | ")))),
        None => Err(ill(format!("does not end within {}", size::duration(timeout)))),
    }
}
