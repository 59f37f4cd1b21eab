//! What expressions see during a run.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::setup::Setup;
use crate::expr::{Scope, Status};

/// Contexts by name, and how things went so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    pub(crate) values: BTreeMap<&'static str, Value>,
    pub(crate) status: Status,
    pub(crate) workspace: Option<PathBuf>,
}

impl Scope for Names {
    fn context(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    fn status(&self) -> Status {
        self.status
    }

    fn hash_files(&self, patterns: &[String]) -> Result<String, String> {
        match &self.workspace {
            Some(workspace) => super::hash_files::hash(workspace, patterns),
            None => Err("hashFiles is only available in steps".into()),
        }
    }
}

impl Names {
    /// Sets a context.
    pub(crate) fn set(&mut self, name: &'static str, value: Value) {
        self.values.insert(name, value);
    }

    /// Sets a member of a context.
    pub(crate) fn set_in(&mut self, name: &'static str, member: &str, value: Value) {
        if let Some(members) = self.values.entry(name).or_insert_with(|| json!({})).as_object_mut() {
            members.insert(member.to_owned(), value);
        }
    }
}

/// Texts as an object.
pub(crate) fn object(texts: &BTreeMap<String, String>) -> Value {
    Value::Object(texts.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect())
}

/// The contexts that every job sees.
pub(crate) fn base(setup: &Setup) -> Names {
    let mut names = Names::default();
    names.set("github", github(setup));
    names.set("vars", object(&setup.vars));
    names.set("secrets", object(&setup.secrets));
    let mut inputs = Map::new();
    if let Some(trigger) =
        setup.workflow.trigger("workflow_dispatch").filter(|_| setup.event.name == "workflow_dispatch")
    {
        for input in &trigger.inputs {
            let default =
                || input.default.as_ref().and_then(|tree| tree.value(&names).ok()).unwrap_or(Value::Null);
            let given = setup.inputs.get(&input.name).map(|text| Value::from(text.as_str()));
            let value = given.unwrap_or_else(default);
            inputs.insert(input.name.clone(), input.typed(value.clone()).unwrap_or(value));
        }
    }
    names.set("inputs", Value::Object(inputs));
    names
}

fn github(setup: &Setup) -> Value {
    let event = &setup.event;
    let (owner, _) = event.repository.split_once('/').unwrap_or((&event.repository, ""));
    let workflow_ref = format!("{}/{}@{}", event.repository, setup.workflow_path, event.git_ref);
    json!({
        "event_name": event.name,
        "event": event.payload,
        "ref": event.git_ref,
        "ref_name": event.ref_name(),
        "ref_type": event.ref_type(),
        "ref_protected": false,
        "sha": event.sha,
        "base_ref": event.base_ref,
        "head_ref": event.head_ref,
        "repository": event.repository,
        "repository_owner": owner,
        "repository_id": "1",
        "repository_owner_id": "1",
        "repositoryUrl": format!("git://github.com/{}.git", event.repository),
        "repository_visibility": "private",
        "actor": event.actor,
        "actor_id": "1",
        "triggering_actor": event.actor,
        "workflow": setup.workflow.name,
        "workflow_ref": workflow_ref,
        "workflow_sha": event.sha,
        "run_id": setup.run_id.to_string(),
        "run_number": setup.run_id.to_string(),
        "run_attempt": "1",
        "retention_days": "90",
        "server_url": "https://github.com",
        "api_url": setup.env.get("GITHUB_API_URL").map_or("https://api.github.com", String::as_str),
        "graphql_url": "https://api.github.com/graphql",
        "secret_source": "Actions",
        "token": setup.secrets.get("GITHUB_TOKEN").cloned().unwrap_or_default(),
    })
}

/// What `github` says, as variables of a step.
pub(crate) fn variables(github: &Value, into: &mut BTreeMap<String, String>) {
    for (member, variable) in [
        ("event_name", "GITHUB_EVENT_NAME"),
        ("ref", "GITHUB_REF"),
        ("ref_name", "GITHUB_REF_NAME"),
        ("ref_type", "GITHUB_REF_TYPE"),
        ("ref_protected", "GITHUB_REF_PROTECTED"),
        ("sha", "GITHUB_SHA"),
        ("base_ref", "GITHUB_BASE_REF"),
        ("head_ref", "GITHUB_HEAD_REF"),
        ("repository", "GITHUB_REPOSITORY"),
        ("repository_owner", "GITHUB_REPOSITORY_OWNER"),
        ("repository_id", "GITHUB_REPOSITORY_ID"),
        ("repository_owner_id", "GITHUB_REPOSITORY_OWNER_ID"),
        ("actor", "GITHUB_ACTOR"),
        ("actor_id", "GITHUB_ACTOR_ID"),
        ("triggering_actor", "GITHUB_TRIGGERING_ACTOR"),
        ("workflow", "GITHUB_WORKFLOW"),
        ("workflow_ref", "GITHUB_WORKFLOW_REF"),
        ("workflow_sha", "GITHUB_WORKFLOW_SHA"),
        ("run_id", "GITHUB_RUN_ID"),
        ("run_number", "GITHUB_RUN_NUMBER"),
        ("run_attempt", "GITHUB_RUN_ATTEMPT"),
        ("retention_days", "GITHUB_RETENTION_DAYS"),
        ("server_url", "GITHUB_SERVER_URL"),
        ("api_url", "GITHUB_API_URL"),
        ("graphql_url", "GITHUB_GRAPHQL_URL"),
        ("workspace", "GITHUB_WORKSPACE"),
        ("event_path", "GITHUB_EVENT_PATH"),
        ("job", "GITHUB_JOB"),
    ] {
        into.insert(variable.to_owned(), crate::expr::text(&github[member]));
    }
}
