//! One event, played through: what is not known before a run is held by a placeholder.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::scenario::{SHA, Scenario};
use super::script;
use super::traps::Traps;
use super::{EventPlan, JobPlan};
use crate::actions;
use crate::event::Event;
use crate::expr::Status;
use crate::matrix;
use crate::model::{Body, Entry, Job, Permissions, Step, StepKind, Workflow};
use crate::run::{Names, object, variables_of};
use crate::template::{Template, holds};

/// What the plan of an event is.
pub(super) fn simulate(workflow: &Workflow, scenario: &Scenario, traps: &mut Traps<'_>) -> EventPlan {
    let event = &scenario.event;
    let starts = event.starts(workflow);
    let mut plan = EventPlan {
        event: event.name.clone(),
        git_ref: event.git_ref.clone(),
        runs: starts.is_ok(),
        reason: starts.err(),
        jobs: Vec::new(),
    };
    if !plan.runs {
        return plan;
    }
    for job in &workflow.jobs {
        let skipped =
            job.needs.iter().any(|(need, _)| plan.jobs.iter().any(|job| job.id == *need && !job.runs));
        plan.jobs.push(Play { workflow, event, job }.job(skipped, traps));
    }
    plan
}

/// What a script pushes.
pub(super) fn pushes_of(workflow: &Workflow, scenario: &Scenario, step: &Step) -> Vec<String> {
    let holds = |job: &&Job| matches!(&job.body, Body::Steps(steps) if steps.iter().any(|other| other.span == step.span));
    let (Some(job), StepKind::Run { script, .. }) = (workflow.jobs.iter().find(holds), &step.kind) else {
        return Vec::new();
    };
    let play = Play { workflow, event: &scenario.event, job };
    let mut names = play.names();
    let mut env = play.evaluated(&workflow.env, &names);
    env.extend(play.evaluated(&job.env, &names));
    env.extend(play.evaluated(&step.env, &names));
    names.set("env", object(&env));
    let text = script.text(&names).unwrap_or_default();
    script::docker(&text, &env).pushes.iter().map(|name| shown(name)).collect()
}

/// One job of one event.
struct Play<'a> {
    workflow: &'a Workflow,
    event: &'a Event,
    job: &'a Job,
}

impl Play<'_> {
    fn job(&self, needs_skipped: bool, traps: &mut Traps<'_>) -> JobPlan {
        let job = self.job;
        let mut plan = JobPlan { id: job.id.clone(), runs: true, ..JobPlan::default() };
        plan.permissions = match job.permissions.as_ref().or(self.workflow.permissions.as_ref()) {
            None => vec!["default".into()],
            Some(Permissions::All(all)) => vec![all.clone()],
            Some(Permissions::Scopes(scopes)) => {
                scopes.iter().map(|(scope, level)| format!("{scope}: {level}")).collect()
            }
        };
        let mut names = self.names();
        names.status = Status { success: !needs_skipped, failure: false, cancelled: false };
        match holds(job.condition.as_ref(), &names) {
            Ok(true) => {}
            _ => {
                plan.runs = false;
                plan.reason = Some(match &job.condition {
                    Some(condition) => format!("if {}", condition.raw.trim()),
                    None => "a job that it needs does not run".into(),
                });
                return plan;
            }
        }
        names.status = Status::default();
        let Body::Steps(steps) = &job.body else {
            if let Body::Call(call) = &job.body {
                let names = call.secrets.iter().flat_map(|entry| secrets_in(&entry.value));
                plan.secrets = if call.inherit { vec!["all (inherit)".into()] } else { names.collect() };
            }
            return plan;
        };
        let matrix = job.strategy.as_ref().and_then(|strategy| strategy.matrix.as_ref());
        let combinations = matrix.and_then(|(tree, _)| matrix::combinations(&tree.value(&names).ok()?).ok());
        for combination in combinations.unwrap_or_else(|| vec![Map::new()]) {
            let mut names = names.clone();
            names.set("matrix", Value::Object(combination));
            self.steps(steps, names, &mut plan, traps);
        }
        plan
    }

    fn names(&self) -> Names {
        let mut names = Names::default();
        names.set("github", github(self.workflow, self.event));
        let mut placeholders: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
        for template in self.workflow.templates() {
            for path in template.paths() {
                match path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
                    [context @ ("secrets" | "vars"), name] => {
                        let text = format!("${{{}}}", name.to_uppercase());
                        placeholders
                            .entry(if *context == "secrets" { "secrets" } else { "vars" })
                            .or_default()
                            .insert((*name).to_owned(), text.into());
                    }
                    ["inputs", name] => {
                        placeholders
                            .entry("inputs")
                            .or_default()
                            .insert((*name).to_owned(), format!("${{inputs.{name}}}").into());
                    }
                    ["needs", job, "outputs", name] => {
                        let entry = placeholders
                            .entry("needs")
                            .or_default()
                            .entry(*job)
                            .or_insert_with(|| json!({"result": "success", "outputs": {}}));
                        entry["outputs"][*name] = format!("${{needs.{job}.{name}}}").into();
                    }
                    _ => {}
                }
            }
        }
        for (need, _) in &self.job.needs {
            placeholders
                .entry("needs")
                .or_default()
                .entry(need)
                .or_insert_with(|| json!({"result": "success", "outputs": {}}));
        }
        for context in ["secrets", "vars", "inputs", "needs"] {
            names.set(context, Value::Object(placeholders.remove(context).unwrap_or_default()));
        }
        names.set("runner", json!({"os": "Linux", "arch": "X64", "temp": "/tmp"}));
        names.set("job", json!({"status": "success"}));
        names
    }

    fn steps(&self, steps: &[Step], mut names: Names, plan: &mut JobPlan, traps: &mut Traps<'_>) {
        let mut env = self.evaluated(&self.workflow.env, &names);
        names.set("env", object(&env));
        env.extend(self.evaluated(&self.job.env, &names));
        names.set("env", object(&env));
        names.set("steps", Value::Object(self.step_placeholders(steps)));
        for entry in self.workflow.env.iter().chain(&self.job.env) {
            add_all(&mut plan.secrets, secrets_in(&entry.value));
        }
        for step in steps {
            if !holds(step.condition.as_ref(), &names).unwrap_or(true) {
                if let StepKind::Uses { action, .. } = &step.kind
                    && is(action, "docker/login-action")
                {
                    traps.login_skipped(self.event, step);
                }
                continue;
            }
            for template in step.templates() {
                add_all(&mut plan.secrets, secrets_in(template));
            }
            let mut own = env.clone();
            own.extend(self.evaluated(&step.env, &names));
            names.set("env", object(&own));
            self.step(step, &mut names, &own, plan, traps);
            names.set("env", object(&env));
        }
    }

    fn step(
        &self,
        step: &Step,
        names: &mut Names,
        env: &BTreeMap<String, String>,
        plan: &mut JobPlan,
        traps: &mut Traps<'_>,
    ) {
        let (action, with) = match &step.kind {
            StepKind::Run { script, .. } => {
                let text = script.text(names).unwrap_or_default();
                let mut known = env.clone();
                variables_of(&names.values["github"], &mut known);
                let found = script::docker(&text, &known);
                add_all(&mut plan.tags, found.tags.iter().map(|tag| shown(tag)));
                add_all(&mut plan.logins, found.logins);
                for push in found.pushes {
                    traps.pushed(self.event, step, &push, plan);
                    add_all(&mut plan.pushes, [shown(&push)]);
                }
                return;
            }
            StepKind::Uses { action, with, .. } => (action, self.evaluated(with, names)),
        };
        let input = |name: &str| with.get(name).map_or("", |text| text.trim());
        if is(action, "docker/login-action") {
            let registry = if input("registry").is_empty() { "docker.io" } else { input("registry") };
            add_all(&mut plan.logins, [registry.to_owned()]);
        } else if is(action, "aws-actions/amazon-ecr-login") {
            add_all(&mut plan.logins, ["ecr".to_owned()]);
        } else if is(action, "docker/metadata-action") {
            self.metadata(step, &with, names, env, traps);
        } else if is(action, "docker/build-push-action") {
            let tags = actions::values(input("tags"));
            let push = input("push").eq_ignore_ascii_case("true")
                || input("outputs").contains("type=registry")
                || input("outputs").contains("push=true");
            add_all(&mut plan.tags, tags.iter().map(|tag| shown(tag)));
            traps.built(self.event, step, &tags, push);
            for cache in actions::lines(input("cache-to")) {
                let fields = actions::fields(&cache);
                let reference = fields.iter().find_map(|field| field.strip_prefix("ref="));
                if fields.iter().any(|field| field == "type=registry")
                    && let Some(reference) = reference
                {
                    add_all(&mut plan.caches, [shown(reference)]);
                    traps.cached(self.event, step, reference, plan);
                }
            }
            for tag in tags.iter().filter(|_| push) {
                traps.pushed(self.event, step, tag, plan);
                add_all(&mut plan.pushes, [shown(tag)]);
            }
        } else if is(action, "aquasecurity/trivy-action") && !input("image-ref").is_empty() {
            add_all(&mut plan.scans, [shown(input("image-ref"))]);
            traps.scanned(self.event, step, input("image-ref"), plan);
        }
    }

    fn metadata(
        &self,
        step: &Step,
        with: &BTreeMap<String, String>,
        names: &mut Names,
        env: &BTreeMap<String, String>,
        traps: &mut Traps<'_>,
    ) {
        let mut variables = env.clone();
        variables_of(&names.values["github"], &mut variables);
        for (name, value) in with {
            variables.insert(format!("INPUT_{}", name.to_uppercase()), value.clone());
        }
        let Ok(made) = actions::foreseen_metadata(&variables, &self.event.payload, 0) else { return };
        let outputs: Map<String, Value> =
            made.texts.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into())).collect();
        let tags = made.texts.iter().find(|(name, _)| *name == "tags").map_or("", |(_, tags)| tags);
        traps.tagged(self.event, step, tags);
        if let Some(id) = &step.id {
            names.set_in(
                "steps",
                id,
                json!({"outputs": outputs, "outcome": "success", "conclusion": "success"}),
            );
        }
    }

    /// Outputs that nobody knows before the run.
    fn step_placeholders(&self, steps: &[Step]) -> Map<String, Value> {
        let mut found = Map::new();
        for step in steps.iter().filter_map(|step| step.id.as_ref()) {
            found.insert(step.clone(), json!({"outputs": {}, "outcome": "success", "conclusion": "success"}));
        }
        for path in self.job.templates().iter().flat_map(|template| template.paths()) {
            if let [context, step, outputs, name] = path.as_slice()
                && context == "steps"
                && outputs == "outputs"
            {
                let entry = found.entry(step.clone()).or_insert_with(|| json!({"outputs": {}}));
                entry["outputs"][name.as_str()] = format!("${{{step}.{name}}}").into();
            }
        }
        found
    }

    fn evaluated(&self, entries: &[Entry], names: &Names) -> BTreeMap<String, String> {
        let text = |entry: &Entry| entry.value.text(names).unwrap_or_else(|_| entry.value.raw.clone());
        entries.iter().map(|entry| (entry.name.clone(), text(entry))).collect()
    }
}

fn github(workflow: &Workflow, event: &Event) -> Value {
    json!({
        "event_name": event.name, "event": event.payload, "ref": event.git_ref, "ref_name": event.ref_name(),
        "ref_type": event.ref_type(), "sha": event.sha, "base_ref": event.base_ref, "head_ref": event.head_ref,
        "repository": event.repository, "repository_owner": event.repository.split('/').next(), "actor": event.actor,
        "workflow": workflow.name, "run_id": "1", "run_number": "1", "run_attempt": "1", "token": "${GITHUB_TOKEN}",
        "server_url": "https://github.com", "api_url": "https://api.github.com", "workspace": "/workspace",
    })
}

/// Whether a step uses an action, whatever its version.
pub(super) fn is(action: &str, name: &str) -> bool {
    action.split('@').next().is_some_and(|own| own.eq_ignore_ascii_case(name))
}

/// A name in full, with the commit's placeholders; what has no slash is a name of this machine.
pub(super) fn shown(name: &str) -> String {
    let name = name.replace(SHA, "{sha}").replace(&SHA[..7], "{short}");
    match name.split_once('/') {
        Some((first, _)) if !first.contains(['.', ':', '$']) && first != "localhost" => {
            format!("docker.io/{name}")
        }
        _ => name,
    }
}

pub(super) fn secrets_in(template: &Template) -> Vec<String> {
    let of = |path: Vec<String>| (path.len() > 1 && path[0] == "secrets").then(|| path[1].to_uppercase());
    template.paths().into_iter().filter_map(of).collect()
}

fn add_all(into: &mut Vec<String>, texts: impl IntoIterator<Item = String>) {
    for text in texts {
        if !into.contains(&text) {
            into.push(text);
        }
    }
}
