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
        (BuildError::Parse { .. } | BuildError::Plan { .. } | BuildError::Dockerfile { .. }, _) => {
            Exit::Usage
        }
        (
            _,
            Some(
                Cause::NotFound { .. }
                | Cause::NoSecret { .. }
                | Cause::NoAgent { .. }
                | Cause::Checksum { .. },
            ),
        ) => Exit::Usage,
        (_, Some(Cause::Process { .. } | Cause::Refused(_) | Cause::User(_) | Cause::Pattern(_))) => {
            Exit::Usage
        }
        _ => Exit::Environment,
    };
    let no_dockerfile = matches!(error, BuildError::Dockerfile { .. });
    let headline = error.to_string();
    let shown = match (place(&error), step.as_ref().map(StepError::cause)) {
        (Some(place), _) => Some(place),
        (None, Some(Cause::Process { output, .. })) if !output.is_empty() => {
            let first = output.len().saturating_sub(SHOWN);
            let lines: String = output[first..].iter().map(|line| format!("\n    | {line}")).collect();
            Some(format!("{headline}\n  its last lines:{lines}"))
        }
        _ => None,
    };
    let error = anyhow!(error);
    // A base image is asked for while the plan is made; that it cannot be had is not the Dockerfile's fault.
    let registry = error.chain().find_map(registry_error);
    let full = error.chain().any(is_full_disk);
    let exit = if registry.is_some() || full { Exit::Environment } else { exit };
    let hint = full
        .then(|| "the disk is full: make room (`wharf prune`), or say --data-dir elsewhere".to_owned())
        .or_else(|| step.as_ref().and_then(|step| hint(step.cause())))
        .or_else(|| registry.and_then(crate::commands::registry_hint))
        .or_else(|| no_dockerfile.then(|| "say which file it is: --file FILE".to_owned()));
    let failure = Failure::new(
        exit,
        match shown {
            Some(shown) => error.context(shown),
            None => error,
        },
    );
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// Where in the Dockerfile it is, with the line: `Dockerfile:2:1`.
fn place(error: &BuildError) -> Option<String> {
    let BuildError::Parse { name, source } = error else { return None };
    let (line, column, text) = (source.line, source.column, &source.line_text);
    Some(format!("{error}\n  at {name}:{line}:{column}\n{line:>5} | {text}"))
}

/// A registry's failure, bare or inside that of a step.
fn registry_error<'a>(cause: &'a (dyn std::error::Error + 'static)) -> Option<&'a wharf_registry::Error> {
    match cause.downcast_ref::<StepError>().map(StepError::cause) {
        Some(Cause::Registry(error)) => Some(error),
        _ => cause.downcast_ref::<wharf_registry::Error>(),
    }
}

/// Whether this is about a disk without room, by whichever way it came to light.
fn is_full_disk(cause: &(dyn std::error::Error + 'static)) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    if let Some(BuildError::State(error)) = cause.downcast_ref::<BuildError>() {
        return error.is_disk_full();
    }
    match cause.downcast_ref::<StepError>().map(StepError::cause) {
        Some(Cause::Process { disk_full, .. }) => *disk_full,
        Some(Cause::State(error)) => error.is_disk_full(),
        _ => {
            let told = cause.downcast_ref::<std::io::Error>();
            told.is_some_and(|error| matches!(error.kind(), StorageFull | QuotaExceeded))
        }
    }
}

fn step_error(error: &BuildError) -> Option<&StepError> {
    match error {
        BuildError::Context { source, .. }
        | BuildError::Step { source, .. }
        | BuildError::Output { source, .. } => Some(source),
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
        Cause::Foreign { .. } => Some(
            "register it as root: `apt-get install qemu-user-static binfmt-support`, or \
             `docker run --privileged --rm tonistiigi/binfmt --install all`"
                .into(),
        ),
        Cause::NoSecret { id } => Some(format!("give it: --secret id={id},src=FILE")),
        Cause::NoAgent { id } => Some(format!("give it: --ssh {id}")),
        Cause::NoSpace { .. } => Some("make room: `wharf prune`, or say --data-dir elsewhere".into()),
        Cause::Registry(error) => crate::commands::registry_hint(error),
        _ => None,
    }
}
