//! The capture: git state, environment, event file and clock become a value, once, at the edge.

pub(crate) mod checkout;
pub(crate) mod forge;
pub(crate) mod git;
pub(crate) mod model;

use std::path::Path;

use jiff::Timestamp;
use serde_json::Value;
use wharf_metadata::ci::System;
use wharf_metadata::{Clock, Snapshot, Variables};

use crate::exit::{Exit, Failure};

/// An event file larger than this is none; GitHub's own limit is 25 MB.
const EVENT_MAX: u64 = 64 << 20;
/// How the names of variables begin that say what is being built.
const SPOKEN: [&str; 15] = [
    "GITHUB_",
    "INPUT_",
    "DOCKER_METADATA_",
    "CI_",
    "BITBUCKET_",
    "CIRCLE",
    "BUILD_",
    "BUILDKITE",
    "DRONE",
    "GIT_",
    "BRANCH_",
    "TAG_",
    "CHANGE_",
    "SYSTEM_",
    "PARAM_",
];

/// Takes the state of the repository around `directory` and of the CI job that `variables` describe.
pub(crate) fn capture(directory: &Path, variables: &Variables) -> Result<Snapshot, Failure> {
    let event = match System::detect(variables) {
        None => None,
        Some(system) => {
            let document = match system.event_file(variables) {
                None => Value::Null,
                Some(path) => event_document(Path::new(path))?,
            };
            Some(system.event(variables, &document))
        }
    };
    Ok(Snapshot { git: git::capture(directory)?, event, model: None, clock: clock(variables)? })
}

/// The process's variables. One that is not UTF-8 is left out, unless it would say what is being built.
pub(crate) fn variables() -> Result<Variables, Failure> {
    let mut variables = Variables::new();
    for (name, value) in std::env::vars_os() {
        let Ok(name) = name.into_string() else { continue };
        match value.into_string() {
            Ok(value) => {
                variables.insert(name, value);
            }
            Err(value) if SPOKEN.iter().any(|prefix| name.starts_with(prefix)) => {
                let shown = value.to_string_lossy();
                return Err(Failure::usage(format!("the variable {name} is not UTF-8: `{shown}`")));
            }
            Err(_) => {}
        }
    }
    Ok(variables)
}

/// The event that GitHub describes in a file.
pub(crate) fn event_document(path: &Path) -> Result<Value, Failure> {
    let failure = |problem: anyhow::Error| {
        Failure::new(Exit::Usage, problem.context(format!("reading the event file {}", path.display())))
            .hint("GITHUB_EVENT_PATH names it; unset it where there is none")
    };
    let length = std::fs::metadata(path).map_err(|error| failure(error.into()))?.len();
    if length > EVENT_MAX {
        return Err(failure(anyhow::anyhow!("it is {length} bytes long; an event has at most {EVENT_MAX}")));
    }
    let bytes = std::fs::read(path).map_err(|error| failure(error.into()))?;
    serde_json::from_str(&String::from_utf8_lossy(&bytes)).map_err(|error| failure(error.into()))
}

/// The present (`WHARF_NOW` stands in for it in tests), and the instant that `SOURCE_DATE_EPOCH`
/// (reproducible-builds.org) asks for.
fn clock(variables: &Variables) -> Result<Clock, Failure> {
    let source_date_epoch = match variables.get("SOURCE_DATE_EPOCH").filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => {
            let instant = text.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
            let problem =
                || Failure::usage(format!("SOURCE_DATE_EPOCH is `{text}`; it must be seconds since 1970"));
            Some(instant.ok_or_else(problem)?)
        }
    };
    let fixed = variables.get("WHARF_NOW").and_then(|text| text.parse().ok());
    Ok(Clock { now: fixed.unwrap_or_else(Timestamp::now), source_date_epoch })
}

#[cfg(test)]
mod tests;
