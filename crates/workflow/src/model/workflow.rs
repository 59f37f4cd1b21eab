//! The file as a whole.

use super::job::{Body, Concurrency, Job, Permissions};
use super::step::{Defaults, Entry};
use super::trigger::Trigger;
use crate::availability::{CALL_OUTPUTS, WORKFLOW, WORKFLOW_ENV};
use crate::source::{Fault, Faults, Source, Span};
use crate::template::{Template, Templates};
use crate::yaml;

/// A workflow.
#[derive(Debug, Clone)]
pub struct Workflow {
    /// The file.
    pub source: Source,
    /// Its name, the file's where it has none.
    pub name: String,
    /// What a run is called.
    pub run_name: Option<Template>,
    /// What starts it.
    pub triggers: Vec<Trigger>,
    /// Variables of all steps.
    pub env: Vec<Entry>,
    /// What steps do where they do not say.
    pub defaults: Defaults,
    /// What the token may do.
    pub permissions: Option<Permissions>,
    /// What it must not run beside of.
    pub concurrency: Option<Concurrency>,
    /// Its jobs in the order of the file.
    pub jobs: Vec<Job>,
    /// What a caller gets.
    pub call_outputs: Vec<CallOutput>,
}

/// An output of a reusable workflow.
#[derive(Debug, Clone)]
pub struct CallOutput {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Template,
}

const KEYS: [&str; 9] =
    ["name", "run-name", "on", "permissions", "env", "defaults", "concurrency", "jobs", "description"];

impl Workflow {
    /// Reads a workflow.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn read(source: Source) -> Result<Self, Faults> {
        let node = match yaml::read(&source.text) {
            Ok(node) => node,
            Err(fault) => return Err(Faults { source, faults: vec![fault] }),
        };
        let mut templates = Templates { source: &source, faults: Vec::new() };
        let workflow = templates.workflow(&node);
        let mut faults = templates.faults;
        check_needs(&workflow.jobs, &mut faults);
        if faults.is_empty() {
            return Ok(Self { source, ..workflow });
        }
        faults.sort_by_key(|fault| fault.span.start);
        Err(Faults { source, faults })
    }

    /// A job by id.
    pub fn job(&self, id: &str) -> Option<&Job> {
        self.jobs.iter().find(|job| job.id == id)
    }

    /// Its trigger for an event.
    pub fn trigger(&self, event: &str) -> Option<&Trigger> {
        self.triggers.iter().find(|trigger| trigger.event == event)
    }

    /// Every template of the file.
    pub fn templates(&self) -> Vec<&Template> {
        let mut all: Vec<&Template> = self.env.iter().map(|entry| &entry.value).collect();
        all.extend(&self.run_name);
        for job in &self.jobs {
            all.extend(job.templates());
        }
        all
    }
}

impl Job {
    /// Every template of the job and its steps.
    pub fn templates(&self) -> Vec<&Template> {
        let mut all: Vec<&Template> =
            self.env.iter().chain(&self.outputs).map(|entry| &entry.value).collect();
        all.extend(self.name.iter().chain(&self.condition).chain(&self.timeout_minutes));
        if let Some((matrix, _)) = self.strategy.as_ref().and_then(|strategy| strategy.matrix.as_ref()) {
            all.extend(matrix.templates());
        }
        match &self.body {
            Body::Steps(steps) => steps.iter().for_each(|step| all.extend(step.templates())),
            Body::Call(call) => {
                all.extend(call.secrets.iter().map(|entry| &entry.value));
                call.with.iter().for_each(|(_, _, tree)| all.extend(tree.templates()));
            }
        }
        all
    }
}

impl Templates<'_> {
    fn workflow(&mut self, node: &yaml::Node) -> Workflow {
        let mut workflow = Workflow {
            source: Source { name: String::new(), text: String::new() },
            name: self.source.name.clone(),
            run_name: None,
            triggers: Vec::new(),
            env: Vec::new(),
            defaults: Defaults::default(),
            permissions: None,
            concurrency: None,
            jobs: Vec::new(),
            call_outputs: Vec::new(),
        };
        let (mut has_on, mut has_jobs) = (false, false);
        for (key, key_span, value) in self.mapping(node, "a workflow", &KEYS) {
            match key {
                "name" => workflow.name = self.string(value, "`name`"),
                "run-name" => workflow.run_name = Some(self.read(value, &WORKFLOW)),
                "on" => {
                    has_on = true;
                    workflow.triggers = self.triggers(value);
                    let outputs = value.get("workflow_call").and_then(|call| call.get("outputs"));
                    workflow.call_outputs = outputs.map_or(Vec::new(), |node| self.call_outputs(node));
                }
                "permissions" => workflow.permissions = Some(self.permissions(value)),
                "env" => workflow.env = self.entries(value, "`env`", &WORKFLOW_ENV),
                "defaults" => workflow.defaults = self.defaults(value, &WORKFLOW_ENV),
                "concurrency" => workflow.concurrency = Some(self.workflow_concurrency(value)),
                "jobs" => {
                    has_jobs = true;
                    let jobs = self.pairs(value, "`jobs`");
                    if jobs.is_empty() {
                        self.fault(key_span, "`jobs` is empty");
                    }
                    workflow.jobs =
                        jobs.into_iter().map(|(id, span, node)| self.job(id, span, node)).collect();
                }
                _ => {}
            }
        }
        for (has, key) in [(has_on, "on"), (has_jobs, "jobs")] {
            if !has {
                self.fault(
                    Span::new(node.span.start, node.span.start + 1),
                    format!("Required property is missing: {key}"),
                );
            }
        }
        workflow
    }

    fn call_outputs(&mut self, node: &yaml::Node) -> Vec<CallOutput> {
        let mut outputs = Vec::new();
        for (name, span, value) in self.pairs(node, "`outputs`") {
            match value.get("value") {
                Some(value) => {
                    outputs
                        .push(CallOutput { name: name.to_owned(), value: self.read(value, &CALL_OUTPUTS) });
                }
                None => self.fault(span, format!("the output `{name}` has no `value`")),
            }
        }
        outputs
    }
}

/// Jobs that are needed are there, and not in a circle.
fn check_needs(jobs: &[Job], faults: &mut Vec<Fault>) {
    for job in jobs {
        for (need, span) in &job.needs {
            if !jobs.iter().any(|other| other.id == *need) {
                faults.push(Fault::new(*span, format!("Job '{}' depends on unknown job '{need}'.", job.id)));
            }
        }
    }
    let mut done: Vec<&str> = Vec::new();
    let mut left: Vec<&Job> = jobs.iter().collect();
    loop {
        let before = left.len();
        left.retain(|job| {
            let known = |need: &str| jobs.iter().any(|other| other.id == need);
            let ready = job.needs.iter().all(|(need, _)| done.contains(&need.as_str()) || !known(need));
            if ready {
                done.push(&job.id);
            }
            !ready
        });
        if left.len() == before {
            break;
        }
    }
    if let Some(job) = left.first() {
        let path = circle(job, &left);
        let span = job.needs.first().map_or(job.span, |(_, span)| *span);
        faults.push(Fault::new(
            span,
            format!("The workflow must contain no cycle in `needs`: {}", path.join(" -> ")),
        ));
    }
}

/// A way from a job back to itself, or to one on the way.
fn circle<'a>(start: &'a Job, jobs: &[&'a Job]) -> Vec<&'a str> {
    let mut path = vec![start.id.as_str()];
    let mut job = start;
    loop {
        let next = job.needs.iter().find_map(|(need, _)| jobs.iter().find(|other| other.id == *need));
        let Some(next) = next else { return path };
        if let Some(at) = path.iter().position(|id| *id == next.id) {
            path.drain(..at);
            path.push(next.id.as_str());
            return path;
        }
        path.push(next.id.as_str());
        job = next;
    }
}
