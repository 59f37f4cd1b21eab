//! A build's failure as the person at the terminal needs it: exit code, advice, and the step's last words.

use anyhow::anyhow;
use wharf_build::{BuildError, Cause, StepError};

use crate::exit::{Exit, Failure};

/// How many of a failed step's last lines are shown.
const SHOWN: usize = 20;

/// Classifies the error of a build. What is wrong with the Dockerfile or the context is a usage error; what
/// a registry, the disk or the kernel does is the environment's.
pub(crate) fn of_build(error: BuildError) -> Failure {
    let step = step_error(&error).cloned();
    let exit = match (&error, step.as_ref().map(StepError::cause)) {
        (BuildError::Parse { .. } | BuildError::Plan { .. } | BuildError::Dockerfile { .. }, _) => Exit::Usage,
        (_, Some(Cause::NotFound { .. } | Cause::NoSecret { .. } | Cause::NoAgent { .. } | Cause::Checksum { .. })) => {
            Exit::Usage
        }
        (_, Some(Cause::Process { .. } | Cause::Refused(_) | Cause::User(_) | Cause::Pattern(_))) => Exit::Usage,
        _ => Exit::Environment,
    };
    let error = match step.as_ref().map(StepError::cause) {
        Some(Cause::Process { output, .. }) if !output.is_empty() => {
            let first = output.len().saturating_sub(SHOWN);
            let lines: String = output[first..].iter().map(|line| format!("\n    | {line}")).collect();
            let headline = error.to_string();
            anyhow!(error).context(format!("{headline}\n  its last lines:{lines}"))
        }
        _ => anyhow!(error),
    };
    let failure = Failure::new(exit, error);
    match step.as_ref().and_then(|step| hint(step.cause())) {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn step_error(error: &BuildError) -> Option<&StepError> {
    match error {
        BuildError::Context { source, .. } | BuildError::Step { source, .. } | BuildError::Output { source, .. } => {
            Some(source)
        }
        BuildError::Export(source) => Some(source),
        _ => None,
    }
}

fn hint(cause: &Cause) -> Option<String> {
    match cause {
        Cause::NotFound { nearest: Some(nearest), .. } => Some(format!("did you mean `{nearest}`?")),
        Cause::NotFound { nearest: None, .. } => {
            Some("paths are relative to the context; .dockerignore may leave it out".into())
        }
        Cause::NoSecret { id } => Some(format!("give it: --secret id={id},src=FILE")),
        Cause::NoAgent { id } => Some(format!("give it: --ssh {id}")),
        Cause::File { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
            Some("make room on the disk, or say --data-dir elsewhere".into())
        }
        Cause::Registry(error) => crate::commands::registry_hint(error),
        _ => None,
    }
}
