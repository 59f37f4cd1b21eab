//! What happened, and whether a workflow runs for it.

use serde_json::Value;

use crate::glob::Patterns;
use crate::model::{Trigger, Workflow};

/// What happened.
#[derive(Debug, Clone)]
pub struct Event {
    /// `push`, `pull_request` ….
    pub name: String,
    /// The activity type, such as `opened`; empty where the event has none.
    pub action: String,
    /// The full ref.
    pub git_ref: String,
    /// The commit.
    pub sha: String,
    /// The branch that a pull request goes into.
    pub base_ref: String,
    /// The branch that a pull request comes from.
    pub head_ref: String,
    /// `owner/name`.
    pub repository: String,
    /// Who did it.
    pub actor: String,
    /// The event document.
    pub payload: Value,
    /// The files that it changes; none where nobody knows.
    pub changed: Option<Vec<String>>,
}

impl Event {
    /// The branch, on pushes of one.
    pub fn branch(&self) -> Option<&str> {
        self.git_ref.strip_prefix("refs/heads/")
    }

    /// The tag, on pushes of one.
    pub fn tag(&self) -> Option<&str> {
        self.git_ref.strip_prefix("refs/tags/")
    }

    /// `branch` or `tag`.
    pub fn ref_type(&self) -> &'static str {
        if self.tag().is_some() { "tag" } else { "branch" }
    }

    /// The ref without its folder.
    pub fn ref_name(&self) -> &str {
        let under = |folder| self.git_ref.strip_prefix(folder);
        under("refs/heads/").or(under("refs/tags/")).or(under("refs/pull/")).unwrap_or(&self.git_ref)
    }

    /// Whether it is of a pull request.
    pub fn is_pull_request(&self) -> bool {
        self.name.starts_with("pull_request")
    }

    /// Whether a workflow runs for it.
    ///
    /// # Errors
    /// Why not, in one sentence.
    pub fn starts(&self, workflow: &Workflow) -> Result<(), String> {
        let Some(trigger) = workflow.trigger(&self.name) else {
            let known: Vec<&str> = workflow.triggers.iter().map(|trigger| trigger.event.as_str()).collect();
            return Err(format!("it is for {}, and this is {}", known.join(", "), self.name));
        };
        self.types(trigger)?;
        match self.name.as_str() {
            "push" => self.pushed(trigger),
            "pull_request" | "pull_request_target" => {
                let filters = &trigger.filters;
                let base = ("base branch", self.base_ref.as_str());
                matched(base, filters.branches.as_ref(), filters.branches_ignore.as_ref(), "branches")?;
                self.paths(trigger)
            }
            "workflow_run" => {
                let filters = &trigger.filters;
                let branch = ("branch", self.branch().unwrap_or_default());
                matched(branch, filters.branches.as_ref(), filters.branches_ignore.as_ref(), "branches")
            }
            _ => Ok(()),
        }
    }

    fn types(&self, trigger: &Trigger) -> Result<(), String> {
        let default = ["opened", "synchronize", "reopened"].map(str::to_owned).to_vec();
        let types = match (&trigger.types, self.name.as_str()) {
            (Some(types), _) => types,
            (None, "pull_request" | "pull_request_target") => &default,
            (None, _) => return Ok(()),
        };
        if types.contains(&self.action) || self.action.is_empty() {
            return Ok(());
        }
        Err(format!(
            "it is for {} with the types {}, and this is `{}`",
            self.name,
            types.join(", "),
            self.action
        ))
    }

    fn pushed(&self, trigger: &Trigger) -> Result<(), String> {
        let filters = &trigger.filters;
        let for_branches = filters.branches.is_some() || filters.branches_ignore.is_some();
        let for_tags = filters.tags.is_some() || filters.tags_ignore.is_some();
        if let Some(tag) = self.tag() {
            if for_branches && !for_tags {
                return Err(format!("its filters name branches only, and `{tag}` is a tag"));
            }
            // Paths are not looked at for tags.
            return matched(("tag", tag), filters.tags.as_ref(), filters.tags_ignore.as_ref(), "tags");
        }
        let branch = self.branch().unwrap_or(&self.git_ref);
        if for_tags && !for_branches {
            return Err(format!("its filters name tags only, and `{branch}` is a branch"));
        }
        matched(("branch", branch), filters.branches.as_ref(), filters.branches_ignore.as_ref(), "branches")?;
        self.paths(trigger)
    }

    fn paths(&self, trigger: &Trigger) -> Result<(), String> {
        let Some(changed) = &self.changed else { return Ok(()) };
        let shown = || changed.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", ");
        if let Some(paths) = &trigger.filters.paths
            && !changed.iter().any(|path| paths.matches(path))
        {
            return Err(format!("no changed file matches `paths` (changed: {})", shown()));
        }
        if let Some(ignored) = &trigger.filters.paths_ignore
            && !changed.is_empty()
            && changed.iter().all(|path| ignored.matches(path))
        {
            return Err(format!("every changed file matches `paths-ignore` (changed: {})", shown()));
        }
        Ok(())
    }
}

fn matched(
    (what, name): (&str, &str),
    only: Option<&Patterns>,
    not: Option<&Patterns>,
    key: &str,
) -> Result<(), String> {
    if only.is_some_and(|patterns| !patterns.matches(name)) {
        return Err(format!("the {what} `{name}` does not match `{key}`"));
    }
    if not.is_some_and(|patterns| patterns.matches(name)) {
        return Err(format!("the {what} `{name}` matches `{key}-ignore`"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;

    fn starts(on: &str, name: &str, git_ref: &str, changed: &[&str]) -> bool {
        let text = format!("on: {on}\njobs: {{a: {{runs-on: x, steps: [{{run: x}}]}}}}\n");
        let workflow = Workflow::read(Source { name: "w".into(), text }).map_err(|f| f.to_string()).unwrap();
        let event = Event {
            name: name.into(),
            action: if name == "pull_request" { "opened".into() } else { String::new() },
            git_ref: git_ref.into(),
            sha: String::new(),
            base_ref: "main".into(),
            head_ref: "feature/x".into(),
            repository: "o/r".into(),
            actor: "a".into(),
            payload: Value::Null,
            changed: Some(changed.iter().map(|path| (*path).to_owned()).collect()),
        };
        event.starts(&workflow).is_ok()
    }

    #[test]
    fn filters_are_githubs() {
        let (main, tag, pull) = ("refs/heads/main", "refs/tags/v1.2.3", "refs/pull/42/merge");
        for (on, name, git_ref, expected) in [
            ("push", "push", main, true),
            ("push", "push", tag, true),
            ("push", "pull_request", pull, false),
            ("{push: {branches: [main]}}", "push", main, true),
            ("{push: {branches: [main]}}", "push", tag, false),
            ("{push: {branches: [main]}}", "push", "refs/heads/feature/main", false),
            ("{push: {tags: ['v*']}}", "push", tag, true),
            ("{push: {tags: ['v*']}}", "push", main, false),
            ("{push: {branches: [main], tags: ['v*']}}", "push", tag, true),
            ("{push: {branches-ignore: [main]}}", "push", main, false),
            ("{push: {branches-ignore: [main]}}", "push", tag, false),
            ("{push: {tags-ignore: ['v*-rc*']}}", "push", tag, true),
            ("{push: {branches: ['**', '!main']}}", "push", main, false),
            ("{pull_request: {branches: [main]}}", "pull_request", pull, true),
            ("{pull_request: {branches: [develop]}}", "pull_request", pull, false),
            ("{pull_request: {types: [closed]}}", "pull_request", pull, false),
            ("{push: {paths: ['src/**']}}", "push", main, true),
            ("{push: {paths: ['docs/**']}}", "push", main, false),
            ("{push: {paths: ['**', '!src/**', '!README.md']}}", "push", main, false),
            ("{push: {paths-ignore: ['src/**']}}", "push", main, true),
            ("{push: {paths-ignore: ['**']}}", "push", main, false),
            ("{push: {paths: ['docs/**']}}", "push", tag, true),
            ("workflow_dispatch", "workflow_dispatch", main, true),
        ] {
            assert_eq!(starts(on, name, git_ref, &["src/a.py", "README.md"]), expected, "{on} {git_ref}");
        }
    }
}
