//! Events worth asking about: what the triggers name, and what people forget.

use serde_json::{Value, json};

use super::Surroundings;
use crate::event::Event;
use crate::model::Workflow;

/// The commit of every scenario; texts show `{sha}` and `{short}` for it.
pub(super) const SHA: &str = "5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e";

/// An event, and whether only traps are looked for in it.
#[derive(Debug)]
pub(super) struct Scenario {
    pub(super) event: Event,
    pub(super) hidden: bool,
}

/// The scenarios of a workflow, in the order of its triggers.
pub(super) fn scenarios(workflow: &Workflow, around: &Surroundings) -> Vec<Scenario> {
    let main = format!("refs/heads/{}", around.default_branch);
    let mut found: Vec<Scenario> = Vec::new();
    let mut add = |event: &str, git_ref: String, hidden: bool| {
        let known = |scenario: &Scenario| scenario.event.name == event && scenario.event.git_ref == git_ref;
        if !found.iter().any(known) {
            found.push(Scenario { event: make(event, git_ref, around), hidden });
        }
    };
    for trigger in &workflow.triggers {
        match trigger.event.as_str() {
            "push" => {
                add("push", main.clone(), false);
                for pattern in &trigger.filters.branch_texts {
                    add("push", format!("refs/heads/{}", example(pattern, "x")), false);
                }
                add("push", "refs/tags/v1.2.3".into(), false);
                add("push", "refs/tags/v1.3.0-rc.1".into(), false);
                for pattern in trigger.filters.tag_texts.iter().filter(|pattern| !pattern.starts_with('v')) {
                    add("push", format!("refs/tags/{}", example(pattern, "1.2.3")), false);
                }
                add("push", "refs/heads/feature/x".into(), false);
                add("push", format!("refs/heads/feature/{}", around.default_branch), true);
            }
            "pull_request" => add("pull_request", "refs/pull/42/merge".into(), false),
            "release" => add("release", "refs/tags/v1.2.3".into(), false),
            "workflow_call" => {}
            other => add(other, main.clone(), false),
        }
    }
    found
}

/// A push of the default branch.
pub(super) fn pushed(around: &Surroundings) -> Scenario {
    let git_ref = format!("refs/heads/{}", around.default_branch);
    Scenario { event: make("push", git_ref, around), hidden: false }
}

/// A name that a pattern matches.
fn example(pattern: &str, star: &str) -> String {
    let pattern = pattern.strip_prefix('!').unwrap_or(pattern);
    pattern.replace("**", "*").replace('*', star).replace(['?', '+', '[', ']', '\\'], "")
}

fn make(name: &str, git_ref: String, around: &Surroundings) -> Event {
    let is_pull_request = name.starts_with("pull_request");
    let (owner, short) = around.repository.split_once('/').unwrap_or(("local", &around.repository));
    let repository = json!({
        "name": short, "full_name": around.repository, "default_branch": around.default_branch,
        "owner": {"login": owner}, "html_url": format!("https://github.com/{}", around.repository), "fork": false,
    });
    let mut payload = json!({"repository": repository, "ref": git_ref, "inputs": {}});
    if is_pull_request {
        payload["number"] = 42.into();
        payload["action"] = "opened".into();
        payload["pull_request"] = json!({
            "number": 42, "draft": false, "labels": [],
            "head": {"ref": "feature/x", "sha": SHA, "repo": repository},
            "base": {"ref": around.default_branch, "sha": SHA, "repo": repository},
        });
    }
    if name == "release" {
        payload["action"] = "published".into();
        payload["release"] =
            json!({"tag_name": "v1.2.3", "name": "v1.2.3", "prerelease": false, "draft": false});
    }
    Event {
        name: name.to_owned(),
        action: String::new(),
        git_ref,
        sha: SHA.to_owned(),
        base_ref: if is_pull_request { around.default_branch.clone() } else { String::new() },
        head_ref: if is_pull_request { "feature/x".into() } else { String::new() },
        repository: around.repository.clone(),
        actor: "someone".into(),
        payload: Value::take(&mut payload),
        changed: None,
    }
}
