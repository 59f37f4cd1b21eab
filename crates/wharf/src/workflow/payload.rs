//! The event document, as GitHub would send it.

use serde_json::{Value, json};
use wharf_workflow::Event;

use super::capture::Commit;

/// The document of an event.
pub(super) fn of(event: &Event, commit: &Commit, default_branch: &str, inputs: &[(String, String)]) -> Value {
    let mut document = match event.name.as_str() {
        "push" => push(event, commit),
        "pull_request" | "pull_request_target" => pull_request(event, commit, default_branch),
        "release" => release(event, commit),
        "schedule" => json!({"schedule": "0 0 * * *"}),
        "workflow_dispatch" => {
            let inputs: serde_json::Map<String, Value> =
                inputs.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
            json!({"inputs": inputs, "ref": event.git_ref})
        }
        _ => json!({}),
    };
    if !event.action.is_empty() && document["action"].is_null() {
        document["action"] = event.action.as_str().into();
    }
    document["repository"] = repository(event, default_branch);
    document["sender"] = json!({"login": event.actor, "id": 1, "type": "User"});
    document
}

fn repository(event: &Event, default_branch: &str) -> Value {
    let (owner, name) = event.repository.split_once('/').unwrap_or(("local", &event.repository));
    let url = format!("https://github.com/{}", event.repository);
    json!({
        "id": 1, "name": name, "full_name": event.repository, "private": true, "fork": false,
        "owner": {"login": owner, "name": owner, "id": 1, "type": "Organization"},
        "html_url": url, "url": url, "clone_url": format!("{url}.git"), "ssh_url": format!("git@github.com:{}.git", event.repository),
        "description": "", "default_branch": default_branch, "master_branch": default_branch,
        "visibility": "private", "topics": [], "archived": false, "license": null,
    })
}

fn person(commit: &Commit) -> Value {
    json!({"name": commit.name, "email": commit.email, "username": commit.name})
}

fn described(event: &Event, commit: &Commit) -> Value {
    let of = |letters: &[char]| -> Vec<&str> {
        commit
            .changes
            .iter()
            .filter(|(letter, _)| letters.contains(letter))
            .map(|(_, path)| path.as_str())
            .collect()
    };
    json!({
        "id": commit.sha, "tree_id": commit.sha, "distinct": true, "message": commit.message,
        "timestamp": commit.date, "url": format!("https://github.com/{}/commit/{}", event.repository, commit.sha),
        "author": person(commit), "committer": person(commit),
        "added": of(&['A']), "removed": of(&['D']), "modified": of(&['M', 'T']),
    })
}

fn push(event: &Event, commit: &Commit) -> Value {
    let described = described(event, commit);
    let nothing = "0".repeat(40);
    // A tag is new, and no commits come with it.
    let is_tag = event.tag().is_some();
    let before = if is_tag || commit.before.is_empty() { nothing.as_str() } else { &commit.before };
    json!({
        "ref": event.git_ref, "before": before, "after": event.sha, "base_ref": null,
        "created": is_tag || commit.before.is_empty(), "deleted": false, "forced": false,
        "compare": format!("https://github.com/{}/compare/{before}...{}", event.repository, event.sha),
        "commits": if is_tag { json!([]) } else { json!([described]) },
        "head_commit": described,
        "pusher": {"name": event.actor, "email": commit.email},
    })
}

fn pull_request(event: &Event, commit: &Commit, default_branch: &str) -> Value {
    let number = event.git_ref.strip_prefix("refs/pull/").and_then(|rest| rest.split('/').next());
    let number: u64 = number.and_then(|text| text.parse().ok()).unwrap_or(1);
    let (owner, _) = event.repository.split_once('/').unwrap_or(("local", ""));
    let repository = repository(event, default_branch);
    let title = commit.message.lines().next().unwrap_or_default();
    json!({
        "action": event.action,
        "number": number,
        "pull_request": {
            "id": number, "number": number, "state": "open", "draft": false, "merged": false, "locked": false,
            "title": title, "body": null, "labels": [], "user": {"login": event.actor, "id": 1, "type": "User"},
            "html_url": format!("https://github.com/{}/pull/{number}", event.repository),
            "head": {"ref": event.head_ref, "sha": event.sha, "label": format!("{owner}:{}", event.head_ref), "repo": repository, "user": {"login": owner}},
            "base": {"ref": event.base_ref, "sha": commit.before, "label": format!("{owner}:{}", event.base_ref), "repo": repository, "user": {"login": owner}},
            "merge_commit_sha": event.sha, "commits": 1, "changed_files": commit.changes.len(),
            "author_association": "OWNER",
        },
    })
}

fn release(event: &Event, commit: &Commit) -> Value {
    let tag = event.tag().unwrap_or_else(|| event.ref_name());
    json!({
        "action": event.action,
        "release": {
            "id": 1, "tag_name": tag, "name": tag, "body": commit.message, "draft": false,
            "prerelease": tag.contains('-'), "target_commitish": event.sha, "created_at": commit.date, "published_at": commit.date,
            "html_url": format!("https://github.com/{}/releases/tag/{tag}", event.repository), "assets": [],
            "author": {"login": event.actor},
        },
    })
}
