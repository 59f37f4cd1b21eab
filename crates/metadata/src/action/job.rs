//! The workflow's run: event, ref, commit and repository, as the action sees them.

use serde_json::Value;

use super::{ActionError, Inputs};
use crate::javascript::{number_to_string, parse_date};
use crate::snapshot::{Fact, Variables};
use crate::subject::Subject;

/// The run that the action is part of.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Owner and name of the repository.
    pub repository: Named,
    /// When the commit was made.
    pub commit_date: CommitDate,
    event: String,
    reference: Option<Fact>,
    commit: Option<Fact>,
    payload: Value,
}

/// A repository of the forge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The user or organisation.
    pub owner: String,
    /// The name within it.
    pub name: String,
}

/// When a commit was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitDate {
    /// In milliseconds since 1970; none for a date that cannot be read.
    Known(Option<i64>),
    /// The event does not say; ask the forge, or else take the present.
    Unknown,
}

impl CommitDate {
    /// The date that `text` names.
    pub fn parse(text: &str) -> Self {
        Self::Known(parse_date(text))
    }
}

impl Job {
    /// The run that the event is about.
    ///
    /// # Errors
    /// Nothing says which repository this is, or the event is not one.
    pub fn of_workflow(variables: &Variables, payload: Value, inputs: &Inputs) -> Result<Self, ActionError> {
        if payload.is_null() {
            return Err(ActionError::Payload);
        }
        let event = variables.get("GITHUB_EVENT_NAME").cloned().unwrap_or_default();
        let mut reference = fact(variables, "GITHUB_REF");
        let mut commit = fact(variables, "GITHUB_SHA");
        if event.contains("pull_request_target") {
            // The event runs for the base branch; the pull request is what is built.
            let number = payload.get("number").map_or_else(|| "undefined".to_owned(), printed);
            let value = format!("refs/pull/{number}/merge");
            reference = Some(Fact { value, origin: "event.number".to_owned() });
        }
        let head = &payload["pull_request"]["head"]["sha"];
        if inputs.head_of_pull_request && event.contains("pull_request") && !head.is_null() {
            commit = Some(Fact { value: printed(head), origin: "event.pull_request.head.sha".to_owned() });
        }
        let commit_date = commit_date(&payload, commit.as_ref().map(|commit| commit.value.as_str()))?;
        let repository = repository(variables, &payload)?;
        Ok(Self { repository, commit_date, event, reference, commit, payload })
    }

    /// The run of the event, with ref, commit and its date as git says.
    ///
    /// # Errors
    /// Nothing says which repository this is.
    pub fn of_git(
        variables: &Variables,
        payload: Value,
        reference: &str,
        commit: &str,
        date: &str,
    ) -> Result<Self, ActionError> {
        let git =
            |value: &str, origin: &str| Some(Fact { value: value.to_owned(), origin: origin.to_owned() });
        Ok(Self {
            repository: repository(variables, &payload)?,
            commit_date: CommitDate::parse(date),
            event: variables.get("GITHUB_EVENT_NAME").cloned().unwrap_or_default(),
            reference: git(reference, "git"),
            commit: git(commit, "git HEAD"),
            payload,
        })
    }

    /// The commit to ask the forge about.
    pub fn commit(&self) -> &str {
        self.commit.as_ref().map_or("undefined", |commit| &commit.value)
    }

    /// What rules see of the run. `now` is in milliseconds since 1970.
    pub(super) fn subject(&self, inputs: &Inputs, edge_branch: Option<String>, now: i64) -> Subject {
        Subject {
            event: self.event.clone(),
            reference: self.reference.clone(),
            commit: self.commit.clone(),
            commit_date: match self.commit_date {
                CommitDate::Known(date) => date,
                CommitDate::Unknown => Some(now),
            },
            now,
            base: self.base(),
            on_default_branch: self.on_default_branch(),
            edge_branch,
            short_commit_length: inputs.short_commit_length.clone(),
        }
    }

    fn is_under(&self, folder: &str) -> bool {
        self.reference.as_ref().is_some_and(|reference| reference.value.starts_with(folder))
    }

    fn base(&self) -> String {
        let pushed_from = &self.payload["base_ref"];
        let target = &self.payload["pull_request"]["base"]["ref"];
        if self.is_under("refs/tags/") && !pushed_from.is_null() {
            let branch = printed(pushed_from);
            branch.strip_prefix("refs/heads/").map(str::to_owned).unwrap_or(branch)
        } else if self.is_under("refs/pull/") && !target.is_null() {
            printed(target)
        } else {
            String::new()
        }
    }

    /// By the payload's word, not the API's. Some events always run for the default branch, and any whose name
    /// contains theirs is taken for one of them.
    fn on_default_branch(&self) -> Option<bool> {
        let reference = &self.reference.as_ref()?.value;
        let branch = reference.strip_prefix("refs/heads/").unwrap_or(reference);
        let default = self.payload["repository"]["default_branch"].as_str();
        let events = ["create", "discussion", "issues", "schedule"];
        let implied = events.iter().any(|event| self.event.contains(event));
        Some(!branch.is_empty() && (default == Some(branch) || implied))
    }
}

fn fact(variables: &Variables, name: &str) -> Option<Fact> {
    variables.get(name).map(|value| Fact { value: value.clone(), origin: name.to_owned() })
}

/// A JSON value as JavaScript puts it into text.
fn printed(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number_to_string(number.as_f64().unwrap_or(f64::NAN)),
        Value::Null | Value::Bool(_) => value.to_string(),
        Value::Array(items) => items.iter().map(printed).collect::<Vec<_>>().join(","),
        Value::Object(_) => "[object Object]".to_owned(),
    }
}

/// The date that the event gives for the commit: among the pushed ones, or of the last.
fn commit_date(payload: &Value, commit: Option<&str>) -> Result<CommitDate, ActionError> {
    let commits = match &payload["commits"] {
        Value::Array(commits) if commits.iter().all(|commit| !commit.is_null()) => commits.as_slice(),
        commits if is_falsy(commits) => &[],
        _ => return Err(ActionError::Commits),
    };
    let Some(commit) = commit else { return Ok(CommitDate::Unknown) };
    let dated = |date: &Value| match date {
        Value::String(text) => parse_date(text),
        Value::Number(number) => number.as_i64(),
        _ => None,
    };
    let pushed = commits.iter().find(|pushed| pushed["id"] == commit);
    if let Some(date) = pushed.map(|pushed| &pushed["timestamp"]).filter(|date| !is_falsy(date)) {
        return Ok(CommitDate::Known(dated(date)));
    }
    let head = &payload["head_commit"];
    let is_head = head["id"] == commit;
    Ok(if is_head { CommitDate::Known(dated(&head["timestamp"])) } else { CommitDate::Unknown })
}

fn is_falsy(value: &Value) -> bool {
    matches!(value, Value::Null | Value::Bool(false)) || *value == "" || value.as_f64() == Some(0.0)
}

fn repository(variables: &Variables, payload: &Value) -> Result<Named, ActionError> {
    if let Some(full) = variables.get("GITHUB_REPOSITORY").filter(|full| !full.is_empty()) {
        let mut parts = full.split('/');
        let mut part = || parts.next().unwrap_or_default().to_owned();
        return Ok(Named { owner: part(), name: part() });
    }
    let repository = &payload["repository"];
    match (&repository["owner"]["login"], &repository["name"]) {
        (Value::String(owner), Value::String(name)) => Ok(Named { owner: owner.clone(), name: name.clone() }),
        _ => Err(ActionError::Repository),
    }
}
