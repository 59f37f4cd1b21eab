//! What CI says happened, one adapter per system.
//!
//! An adapter is a function from the job's variables (and GitHub's event document) to an [`Event`] in GitHub's
//! words. It reads, it does not guess: what a system does not say stays unknown, and git may know it.

mod azure;
mod bitbucket;
mod buildkite;
mod circleci;
mod drone;
mod github;
mod gitlab;
mod jenkins;
mod tekton;

use serde_json::Value;

use crate::snapshot::{Event, Fact, Variables};

/// A CI system.
#[derive(Clone, Copy)]
pub struct System {
    name: &'static str,
    /// Whether the variables are of a job of this system.
    runs: fn(&Job<'_>) -> bool,
    event: fn(&Job<'_>, &Value) -> Event,
}

const SYSTEMS: [System; 10] = [
    System { name: "GitHub Actions", runs: |job| job.is("GITHUB_ACTIONS", "true"), event: github::event },
    System { name: "GitLab CI", runs: |job| job.is("GITLAB_CI", "true"), event: gitlab::event },
    System {
        name: "Bitbucket Pipelines",
        runs: |job| job.has("BITBUCKET_BUILD_NUMBER"),
        event: bitbucket::event,
    },
    System { name: "CircleCI", runs: |job| job.is("CIRCLECI", "true"), event: circleci::event },
    System { name: "Azure Pipelines", runs: |job| job.is("TF_BUILD", "true"), event: azure::event },
    System { name: "Buildkite", runs: |job| job.is("BUILDKITE", "true"), event: buildkite::event },
    System { name: "Drone", runs: |job| job.is("DRONE", "true"), event: drone::event },
    System { name: "Woodpecker", runs: |job| job.is("CI", "woodpecker"), event: drone::woodpecker },
    System { name: "Jenkins", runs: |job| job.has("JENKINS_URL"), event: jenkins::event },
    System { name: "Tekton", runs: tekton::runs, event: tekton::event },
];

impl System {
    /// The system whose job `variables` describe; none outside of CI.
    pub fn detect(variables: &Variables) -> Option<Self> {
        SYSTEMS.into_iter().find(|system| (system.runs)(&Job(variables)))
    }

    /// The system's name, as it spells it.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The file that holds the event document, for systems that have one.
    pub fn event_file<'a>(&self, variables: &'a Variables) -> Option<&'a str> {
        let github = self.name == "GitHub Actions";
        variables.get("GITHUB_EVENT_PATH").filter(|path| github && !path.is_empty()).map(String::as_str)
    }

    /// What happened. `document` is the content of [`Self::event_file`], null without one.
    pub fn event(&self, variables: &Variables, document: &Value) -> Event {
        Event { system: self.name, ..(self.event)(&Job(variables), document) }
    }
}

impl std::fmt::Debug for System {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// The variables of a job. An empty variable counts as none.
#[derive(Clone, Copy)]
struct Job<'a>(&'a Variables);

impl<'a> Job<'a> {
    fn text(self, name: &str) -> Option<&'a str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn has(self, name: &str) -> bool {
        self.text(name).is_some()
    }

    /// Whether a variable has a value, in any case.
    fn is(self, name: &str, value: &str) -> bool {
        self.text(name).is_some_and(|text| text.eq_ignore_ascii_case(value))
    }

    /// The value of the first variable that has one.
    fn fact(self, names: &[&str]) -> Option<Fact> {
        names.iter().find_map(|name| self.text(name).map(|value| fact(value, name)))
    }

    /// The same, as the name of a ref in `folder` unless it is a full ref already.
    fn reference(self, folder: &str, names: &[&str]) -> Option<Fact> {
        self.fact(names).map(|Fact { value, origin }| match value.starts_with("refs/") {
            true => Fact { value, origin },
            false => Fact { value: format!("{folder}{value}"), origin },
        })
    }

    /// The merge ref of the pull request whose number a variable holds.
    fn pull_request(self, names: &[&str]) -> Option<Fact> {
        let number = self.fact(names).filter(|number| number.value.bytes().all(|b| b.is_ascii_digit()))?;
        Some(Fact { value: format!("refs/pull/{}/merge", number.value), origin: number.origin })
    }

    /// The event that a variable names, translated where `words` knows it.
    fn event_name(self, name: &str, words: &[(&str, &'static str)], otherwise: &'static str) -> Option<Fact> {
        let value = self.text(name)?;
        let known = words.iter().find(|(word, _)| *word == value).map_or(otherwise, |(_, event)| event);
        Some(fact(known, name))
    }
}

fn fact(value: &str, origin: &str) -> Fact {
    Fact { value: value.to_owned(), origin: origin.to_owned() }
}

/// A branch name, whether it was given as such or as a full ref.
fn branch(given: Fact) -> Fact {
    let name = given.value.strip_prefix("refs/heads/").map(str::to_owned);
    Fact { value: name.unwrap_or(given.value), origin: given.origin }
}

/// A date that a variable holds.
fn date(text: Option<&str>) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_millisecond(crate::javascript::parse_date(text?)?).ok()
}

#[cfg(test)]
mod tests;
