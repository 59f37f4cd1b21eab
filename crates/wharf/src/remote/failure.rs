//! A remote build's failure as the person at the terminal needs it.

use anyhow::anyhow;
use wharf_buildkit::{Disk, Error, SolveError};

use crate::exit::{Exit, Failure};

/// How many of a failed step's last lines are shown.
const SHOWN: usize = 20;

/// Classifies it. What is wrong with the Dockerfile is a usage error; what the builder or a registry does is the
/// environment's.
pub(crate) fn of_solve(error: SolveError) -> Failure {
    match error {
        SolveError::Builder(error) => of_builder(error),
        SolveError::Build { ref message, ref place, ref step, ref output, full_disk, environment } => {
            let mut said = step.clone().unwrap_or_else(|| "the builder could not build it".into());
            if let Some(place) = place {
                let (first, last) = place.lines;
                let lines =
                    if first == last { format!("line {first}") } else { format!("lines {first} to {last}") };
                said.push_str(&format!(" ({}, {lines})\n{first:>5} | {}", place.file, place.source));
            }
            if !output.is_empty() {
                said.push_str("\n  its last lines:");
                let shown = output.iter().skip(output.len().saturating_sub(SHOWN));
                shown.for_each(|line| said.push_str(&format!("\n    | {line}")));
            }
            let exit = if full_disk.is_some() || environment { Exit::Environment } else { Exit::Usage };
            let failure = Failure::new(exit, anyhow!("{message}").context(said));
            match full_disk {
                Some(Disk::Builder) => {
                    failure.hint("the builder's disk is full: make room there (`wharf builders prune`)")
                }
                Some(Disk::Here) => failure.hint("the disk of this machine is full: make room on it, or put wharf's data elsewhere (--data-dir)"),
                None => failure,
            }
        }
        SolveError::Lost { .. } => Failure::new(Exit::Environment, error)
            .hint("run it again: the steps that were done are in that builder's cache"),
        _ => Failure::new(Exit::Environment, error),
    }
}

/// Whether the builder is gone, so that another one may do better.
pub(super) fn is_lost(failure: &Failure) -> bool {
    failure.error.chain().any(|cause| {
        cause.downcast_ref::<SolveError>().is_some_and(SolveError::is_lost)
            || cause.downcast_ref::<Error>().is_some_and(Error::is_lost)
    })
}

/// A builder that cannot be used.
pub(crate) fn of_builder(error: Error) -> Failure {
    let hint = match &error {
        Error::Connect { .. } => Some("is it running? `wharf builders inspect ADDRESS` asks it"),
        Error::TooOld { .. } => Some("use a newer builder, or build here: leave out --builder"),
        _ => None,
    };
    let exit = if matches!(error, Error::TooOld { .. }) { Exit::Usage } else { Exit::Environment };
    let failure = Failure::new(exit, error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
