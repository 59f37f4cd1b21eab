//! Jobs in the order of their needs, matrices side by side.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::sync::mpsc;
use std::thread;

use serde_json::{Map, Value, json};

use super::collect::slug;
use super::context::{self, Names, object};
use super::leg::{Finished, Leg, Parts, own_steps};
use super::lock::{self, Held};
use super::mask::Masker;
use super::report::{JobReport, Report, RunResult};
use super::setup::{News, Setup, Sink};
use super::stop::Stop;
use crate::engine::Engine;
use crate::expr::{self, Status};
use crate::matrix;
use crate::model::{Body, Concurrency, Job, Workflow};
use crate::source::Fault;
use crate::template::{Template, holds};

/// Everything that jobs of a run share.
pub(super) struct Run<'a> {
    pub(super) setup: &'a Setup,
    pub(super) engine: &'a dyn Engine,
    pub(super) sink: &'a dyn Sink,
    pub(super) masker: &'a Masker,
    /// What jobs have left, with their place in the order of the file.
    pub(super) finished: Mutex<Vec<(Vec<usize>, Finished)>>,
}

/// The jobs of one file.
pub(super) struct Level<'a> {
    pub(super) workflow: &'a Workflow,
    pub(super) names: Names,
    /// `caller / `.
    pub(super) prefix: String,
    pub(super) place: Vec<usize>,
    pub(super) stop: Stop,
    pub(super) depth: usize,
}

/// What later jobs see of one.
#[derive(Debug, Clone)]
pub(super) struct Done {
    pub(super) result: RunResult,
    pub(super) outputs: BTreeMap<String, String>,
}

/// Runs the workflow for the event, if it is for it.
pub fn run(setup: &Setup, engine: &dyn Engine, sink: &dyn Sink, masker: &Masker, stop: &Stop) -> Report {
    let mut report = Report {
        workflow: setup.workflow.name.clone(),
        file: setup.workflow.source.name.clone(),
        event: setup.event.name.clone(),
        git_ref: setup.event.git_ref.clone(),
        sha: setup.event.sha.clone(),
        runs: true,
        reason: None,
        result: None,
        jobs: Vec::new(),
        annotations: Vec::new(),
        artifacts: Vec::new(),
        files: Vec::new(),
        summary: String::new(),
    };
    if let Err(reason) = setup.event.starts(&setup.workflow) {
        return Report { runs: false, reason: Some(reason), ..report };
    }
    setup.secrets.values().for_each(|secret| masker.add(secret));
    let run = Run { setup, engine, sink, masker, finished: Mutex::default() };
    let level = Level {
        workflow: &setup.workflow,
        names: context::base(setup),
        prefix: String::new(),
        place: Vec::new(),
        stop: stop.clone(),
        depth: 0,
    };
    let held = run.hold(setup.workflow.concurrency.as_ref(), &level.names, &level.stop, &setup.workflow.name);
    let result = match held {
        Ok(_held) => overall(&run.jobs(&level)),
        Err(reason) => {
            report.reason = Some(reason);
            if stop.asked() { RunResult::Cancelled } else { RunResult::Failure }
        }
    };
    let mut finished = run.finished.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    finished.sort_by(|(left, _), (right, _)| left.cmp(right));
    for (_, mut part) in finished {
        report.jobs.push(part.report);
        report.annotations.append(&mut part.annotations);
        report.artifacts.append(&mut part.artifacts);
        report.files.append(&mut part.files);
        report.summary.push_str(&part.summary);
    }
    report.result = Some(match result {
        _ if stop.asked() => RunResult::Cancelled,
        RunResult::Success if setup.dry_run => RunResult::Planned,
        result => result,
    });
    report
}

/// What a workflow's jobs come to.
pub(super) fn overall(done: &BTreeMap<String, Done>) -> RunResult {
    let any = |result| done.values().any(|done| done.result == result);
    if any(RunResult::Failure) {
        RunResult::Failure
    } else if any(RunResult::Cancelled) {
        RunResult::Cancelled
    } else {
        RunResult::Success
    }
}

/// Legs of one job that wait or run.
struct Group {
    waiting: VecDeque<(usize, Names, String)>,
    running: usize,
    most: usize,
    fail_fast: bool,
    stop: Stop,
    result: RunResult,
    outputs: BTreeMap<String, String>,
}

impl Run<'_> {
    /// All jobs of a file.
    pub(super) fn jobs(&self, level: &Level<'_>) -> BTreeMap<String, Done> {
        let chosen = self.chosen(level);
        let mut done: BTreeMap<String, Done> = BTreeMap::new();
        let mut groups: BTreeMap<String, Group> = BTreeMap::new();
        thread::scope(|scope| {
            let (sender, receiver) = mpsc::channel();
            loop {
                for (at, job) in chosen.iter().enumerate() {
                    let ready = job.needs.iter().all(|(need, _)| done.contains_key(need));
                    if !ready || done.contains_key(&job.id) || groups.contains_key(&job.id) {
                        continue;
                    }
                    match self.expand(level, job, &done) {
                        Ok(group) => {
                            groups.insert(job.id.clone(), group);
                        }
                        Err((result, reason)) => {
                            self.not_run(level, job, at, result, reason);
                            done.insert(job.id.clone(), Done { result, outputs: BTreeMap::new() });
                        }
                    }
                }
                for (at, job) in chosen.iter().enumerate() {
                    let Some(group) = groups.get_mut(&job.id) else { continue };
                    while group.running < group.most
                        && let Some((leg, names, name)) = group.waiting.pop_front()
                    {
                        group.running += 1;
                        let (sender, stop) = (sender.clone(), group.stop.clone());
                        scope.spawn(move || {
                            let place = [&level.place[..], &[at, leg]].concat();
                            let done = self.leg(level, job, place, names, name, stop);
                            let _ = sender.send((job.id.clone(), done));
                        });
                    }
                }
                if done.len() == chosen.len() {
                    break;
                }
                let progress = groups.values().any(|group| group.running > 0);
                if !progress {
                    // Something became ready by being skipped; a circle was refused when the file was read.
                    continue;
                }
                let Ok((id, leg)) = receiver.recv() else { break };
                if let Some(group) = groups.get_mut(&id) {
                    group.take(leg);
                    if group.running == 0 && group.waiting.is_empty() {
                        done.insert(
                            id.clone(),
                            Done { result: group.result, outputs: group.outputs.clone() },
                        );
                        groups.remove(&id);
                    }
                }
            }
        });
        done
    }

    /// The jobs that were asked for and what they need; all where none was.
    fn chosen<'w>(&self, level: &Level<'w>) -> Vec<&'w Job> {
        let all: Vec<&Job> = level.workflow.jobs.iter().collect();
        if self.setup.only_jobs.is_empty() || level.depth > 0 {
            return all;
        }
        let mut wanted: Vec<&str> = self.setup.only_jobs.iter().map(String::as_str).collect();
        let mut at = 0;
        while at < wanted.len() {
            if let Some(job) = level.workflow.job(wanted[at]) {
                for (need, _) in &job.needs {
                    if !wanted.contains(&need.as_str()) {
                        wanted.push(need);
                    }
                }
            }
            at += 1;
        }
        all.into_iter().filter(|job| wanted.contains(&job.id.as_str())).collect()
    }

    /// Whether a job runs, and as what.
    fn expand(
        &self,
        level: &Level<'_>,
        job: &Job,
        done: &BTreeMap<String, Done>,
    ) -> Result<Group, (RunResult, String)> {
        let mut names = level.names.clone();
        let needs = job.needs.iter().map(|(need, _)| {
            let done = &done[need];
            (need.clone(), json!({"result": done.result.word(), "outputs": object(&done.outputs)}))
        });
        names.set("needs", Value::Object(needs.collect()));
        names.status = status(level, job, done);
        let fault = |fault: Fault| (RunResult::Failure, located(level, &fault));
        if !holds(job.condition.as_ref(), &names).map_err(fault)? {
            let reason = match &job.condition {
                _ if level.stop.asked() => "the run was stopped".to_owned(),
                Some(condition) if names.status.success => {
                    format!("its condition is false: {}", condition.raw.trim())
                }
                _ => "a job that it needs did not succeed".to_owned(),
            };
            return Err((RunResult::Skipped, reason));
        }
        if level.stop.asked() && !level.stop.at_once() && !names.status.cancelled {
            return Err((RunResult::Cancelled, "the run was stopped".into()));
        }
        names.status = Status::default();
        let combinations = self.combinations(level, job, &names)?;
        let total = combinations.len();
        let strategy = job.strategy.as_ref();
        let number = |text: Option<&Template>| text.map(|text| text.value(&names)).transpose();
        let most = number(strategy.and_then(|s| s.max_parallel.as_ref())).map_err(fault)?;
        let most = match most {
            None => total,
            Some(value) => match expr::text(&value).parse::<usize>() {
                Ok(most) if most > 0 => most,
                _ => {
                    return Err((
                        RunResult::Failure,
                        format!("`max-parallel` is `{}`: expected a number", expr::text(&value)),
                    ));
                }
            },
        };
        let fail_fast = number(strategy.and_then(|s| s.fail_fast.as_ref())).map_err(fault)?;
        let fail_fast = fail_fast.is_none_or(|value| expr::truthy(&value));
        let mut waiting = VecDeque::new();
        for (at, combination) in combinations.into_iter().enumerate() {
            let mut names = names.clone();
            names.set(
                "strategy",
                json!({"fail-fast": fail_fast, "job-index": at, "job-total": total, "max-parallel": most}),
            );
            names.set("matrix", Value::Object(combination.clone()));
            let name = match &job.name {
                Some(name) => name.text(&names).map_err(fault)?,
                None => format!("{}{}", job.id, matrix::suffix(&combination)),
            };
            waiting.push_back((at, names, format!("{}{name}", level.prefix)));
        }
        Ok(Group {
            waiting,
            running: 0,
            most,
            fail_fast,
            stop: level.stop.child(),
            result: RunResult::Success,
            outputs: BTreeMap::new(),
        })
    }

    fn combinations(
        &self,
        level: &Level<'_>,
        job: &Job,
        names: &Names,
    ) -> Result<Vec<Map<String, Value>>, (RunResult, String)> {
        let Some((tree, span)) = job.strategy.as_ref().and_then(|strategy| strategy.matrix.as_ref()) else {
            return Ok(vec![Map::new()]);
        };
        let value = tree.value(names).map_err(|fault| (RunResult::Failure, located(level, &fault)))?;
        let wrong = |why: String| (RunResult::Failure, located(level, &Fault::new(*span, why)));
        let mut all = matrix::combinations(&value).map_err(wrong)?;
        let fits = |combination: &Map<String, Value>| {
            let filters = self.setup.only_matrix.iter();
            filters
                .filter_map(|(key, value)| Some((combination.get(key)?, value)))
                .all(|(own, value)| expr::text(own) == *value)
        };
        all.retain(fits);
        if all.is_empty() {
            return Err((RunResult::Skipped, "no combination of its matrix agrees with --matrix".into()));
        }
        Ok(all)
    }

    fn leg(
        &self,
        level: &Level<'_>,
        job: &Job,
        place: Vec<usize>,
        names: Names,
        name: String,
        stop: Stop,
    ) -> Done {
        let _held = match self.hold(job.concurrency.as_ref(), &names, &stop, &name) {
            Ok(held) => held,
            Err(reason) => {
                let result = if stop.asked() { RunResult::Cancelled } else { RunResult::Failure };
                self.finish(place, told(job, name, result, Some(reason)));
                return Done { result, outputs: BTreeMap::new() };
            }
        };
        let forgiven = job.continue_on_error.as_ref();
        let forgiven =
            forgiven.is_some_and(|text| text.value(&names).is_ok_and(|value| expr::truthy(&value)));
        if stop.asked() {
            self.finish(place, told(job, name, RunResult::Cancelled, Some("the run was stopped".into())));
            return Done { result: RunResult::Cancelled, outputs: BTreeMap::new() };
        }
        let mut done = match &job.body {
            Body::Call(call) => self.call(level, job, call, place, names, name, stop),
            Body::Steps(_) => {
                let slug = format!(
                    "{}-{}",
                    slug(&name),
                    place.iter().map(usize::to_string).collect::<Vec<_>>().join("-")
                );
                let parts = Parts {
                    setup: self.setup,
                    workflow: level.workflow,
                    job,
                    engine: self.engine,
                    sink: self.sink,
                    masker: self.masker,
                    stop,
                    name: name.clone(),
                    names,
                    slug,
                };
                match Leg::new(parts) {
                    Ok(leg) => {
                        let finished = leg.run(own_steps(job));
                        let done = Done { result: finished.report.result, outputs: finished.outputs.clone() };
                        self.finish(place, finished);
                        done
                    }
                    Err(reason) => {
                        self.finish(place, told(job, name, RunResult::Failure, Some(reason)));
                        Done { result: RunResult::Failure, outputs: BTreeMap::new() }
                    }
                }
            }
        };
        if forgiven && done.result == RunResult::Failure {
            done.result = RunResult::Success;
        }
        if done.result == RunResult::Planned {
            done.result = RunResult::Success;
        }
        done
    }

    fn hold(
        &self,
        concurrency: Option<&Concurrency>,
        names: &Names,
        stop: &Stop,
        job: &str,
    ) -> Result<Option<Held>, String> {
        let Some(concurrency) = concurrency.filter(|_| !self.setup.dry_run) else { return Ok(None) };
        let message = |fault: Fault| fault.message;
        let group = concurrency.group.text(names).map_err(message)?;
        let cancel = concurrency.cancel_in_progress.as_ref();
        let cancel = cancel.map(|text| text.value(names)).transpose().map_err(message)?;
        let cancel = cancel.is_some_and(|value| expr::truthy(&value));
        let mut waiting = || {
            let text = format!("waits for another run of the concurrency group `{group}`");
            self.sink.tell(News::Line(job, &self.masker.mask(&text)));
        };
        lock::acquire(
            &self.setup.state,
            &format!("{}/{group}", self.setup.event.repository),
            cancel,
            stop,
            &mut waiting,
        )
        .map(Some)
    }

    fn not_run(&self, level: &Level<'_>, job: &Job, at: usize, result: RunResult, reason: String) {
        let name = job
            .name
            .as_ref()
            .filter(|name| name.is_literal())
            .map_or(job.id.clone(), |name| name.raw.clone());
        let place = [&level.place[..], &[at, 0]].concat();
        self.finish(
            place,
            told(job, format!("{}{name}", level.prefix), result, Some(self.masker.mask(&reason))),
        );
    }

    pub(super) fn finish(&self, place: Vec<usize>, finished: Finished) {
        if finished.report.steps.is_empty() {
            self.sink.tell(News::JobEnded(&finished.report));
        }
        self.finished.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((place, finished));
    }
}

impl Group {
    fn take(&mut self, leg: Done) {
        self.running -= 1;
        for (name, value) in leg.outputs {
            if !value.is_empty() {
                self.outputs.insert(name, value);
            }
        }
        match leg.result {
            RunResult::Failure => {
                self.result = RunResult::Failure;
                if self.fail_fast {
                    self.stop.ask();
                }
            }
            RunResult::Cancelled if self.result == RunResult::Success => self.result = RunResult::Cancelled,
            _ => {}
        }
    }
}

/// A job without steps of its own.
pub(super) fn told(job: &Job, name: String, result: RunResult, reason: Option<String>) -> Finished {
    Finished {
        report: JobReport {
            id: job.id.clone(),
            name,
            result,
            seconds: 0.0,
            reason,
            outputs: BTreeMap::new(),
            steps: Vec::new(),
        },
        annotations: Vec::new(),
        artifacts: Vec::new(),
        files: Vec::new(),
        summary: String::new(),
        outputs: BTreeMap::new(),
    }
}

/// How the jobs went that come before this one, the needs of needs too.
fn status(level: &Level<'_>, job: &Job, done: &BTreeMap<String, Done>) -> Status {
    let mut before: Vec<&str> = job.needs.iter().map(|(need, _)| need.as_str()).collect();
    let mut at = 0;
    while at < before.len() {
        if let Some(job) = level.workflow.job(before[at]) {
            for (need, _) in &job.needs {
                if !before.contains(&need.as_str()) {
                    before.push(need);
                }
            }
        }
        at += 1;
    }
    let any = |result| before.iter().any(|id| done.get(*id).is_some_and(|done| done.result == result));
    let cancelled = level.stop.asked();
    Status {
        success: !cancelled
            && before.iter().all(|id| done.get(*id).is_some_and(|done| done.result == RunResult::Success)),
        failure: any(RunResult::Failure),
        cancelled,
    }
}

pub(super) fn located(level: &Level<'_>, fault: &Fault) -> String {
    let source = &level.workflow.source;
    let place = source.place(fault.span.start);
    format!("{}:{}:{}: {}", source.name, place.line, place.column, fault.message)
}
