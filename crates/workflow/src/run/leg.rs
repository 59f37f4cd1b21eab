//! One job on this machine, or one of a matrix: its folders, its environment, its steps, its end.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::checkout::{self, Checkout, Git};
use super::context::{Names, object, variables};
use super::mask::Masker;
use super::post::Post;
use super::process::{TRACKING, end_marked};
use super::report::{Annotation, Artifact, JobReport, RunResult, StepReport};
use super::setup::{News, Setup, Sink};
use super::stop::Stop;
use crate::engine::Engine;
use crate::model::{Body, Defaults, Entry, Job, Step, StepKind, Workflow};
use crate::source::Source;

/// How long a job may take where it does not say: GitHub's six hours.
const JOB_MINUTES: f64 = 360.0;

/// What steps of one level share: those of the job, or those inside of an action.
pub(crate) struct Frame {
    /// `steps`.
    pub(crate) outputs: Map<String, Value>,
    /// The file they stand in.
    pub(crate) source: Source,
    /// Variables from around.
    pub(crate) env: BTreeMap<String, String>,
    /// `inputs` of an action.
    pub(crate) inputs: Option<Value>,
    /// Where the action is.
    pub(crate) action_path: PathBuf,
    /// Shell and folder.
    pub(crate) defaults: Defaults,
    /// Whether something has failed.
    pub(crate) failed: bool,
    /// How deep.
    pub(crate) depth: usize,
}

/// A job that runs.
pub(crate) struct Leg<'a> {
    pub(crate) setup: &'a Setup,
    pub(crate) workflow: &'a Workflow,
    pub(crate) job: &'a Job,
    pub(crate) engine: &'a dyn Engine,
    pub(crate) sink: &'a dyn Sink,
    pub(crate) masker: &'a Masker,
    pub(crate) stop: Stop,
    pub(crate) name: String,
    pub(crate) names: Names,
    pub(crate) workspace: PathBuf,
    pub(crate) temp: PathBuf,
    pub(crate) docker_config: PathBuf,
    pub(crate) tools: PathBuf,
    pub(crate) deadline: Option<Instant>,
    pub(crate) job_env: BTreeMap<String, String>,
    pub(crate) exported: BTreeMap<String, String>,
    pub(crate) paths: Vec<String>,
    pub(crate) posts: Vec<Post>,
    pub(crate) reports: Vec<StepReport>,
    pub(crate) annotations: Vec<Annotation>,
    pub(crate) artifacts: Vec<Artifact>,
    pub(crate) files: Vec<String>,
    pub(crate) summary: String,
    /// Images that this job keeps in the local store, as docker would.
    pub(crate) loaded: Vec<String>,
    tracking: String,
}

/// What a leg leaves.
pub(crate) struct Finished {
    pub(crate) report: JobReport,
    pub(crate) annotations: Vec<Annotation>,
    pub(crate) artifacts: Vec<Artifact>,
    pub(crate) files: Vec<String>,
    pub(crate) summary: String,
    /// Outputs as they are, for the jobs that need this one.
    pub(crate) outputs: BTreeMap<String, String>,
}

/// What a leg is made of.
pub(crate) struct Parts<'a> {
    pub(crate) setup: &'a Setup,
    pub(crate) workflow: &'a Workflow,
    pub(crate) job: &'a Job,
    pub(crate) engine: &'a dyn Engine,
    pub(crate) sink: &'a dyn Sink,
    pub(crate) masker: &'a Masker,
    pub(crate) stop: Stop,
    pub(crate) name: String,
    pub(crate) names: Names,
    /// A folder's name, its own among all legs.
    pub(crate) slug: String,
}

impl<'a> Leg<'a> {
    pub(crate) fn new(parts: Parts<'a>) -> Result<Self, String> {
        let repository = parts.setup.event.repository.rsplit('/').next().unwrap_or("repo");
        let root = parts.setup.scratch.join(&parts.slug);
        let mut leg = Self {
            workspace: root.join("work").join(repository).join(repository),
            temp: root.join("work/_temp"),
            tools: root.join("work/_tool"),
            docker_config: root.join("docker"),
            setup: parts.setup,
            workflow: parts.workflow,
            job: parts.job,
            engine: parts.engine,
            sink: parts.sink,
            masker: parts.masker,
            stop: parts.stop,
            name: parts.name,
            names: parts.names,
            deadline: None,
            job_env: BTreeMap::new(),
            exported: BTreeMap::new(),
            paths: Vec::new(),
            posts: Vec::new(),
            reports: Vec::new(),
            annotations: Vec::new(),
            artifacts: Vec::new(),
            files: Vec::new(),
            summary: String::new(),
            loaded: Vec::new(),
            tracking: format!("github_{}", uuid::Uuid::new_v4()),
        };
        leg.make_folders()
            .map_err(|error| format!("making the job's folders in {}: {error}", root.display()))?;
        leg.set_contexts();
        Ok(leg)
    }

    fn make_folders(&self) -> std::io::Result<()> {
        for folder in [
            &self.workspace,
            &self.tools,
            &self.docker_config,
            &self.temp.join("_runner_file_commands"),
            &self.temp.join("_github_workflow"),
        ] {
            std::fs::create_dir_all(folder)?;
        }
        let event = serde_json::to_vec_pretty(&self.setup.event.payload).unwrap_or_default();
        std::fs::write(self.event_path(), event)
    }

    pub(crate) fn event_path(&self) -> PathBuf {
        self.temp.join("_github_workflow/event.json")
    }

    fn set_contexts(&mut self) {
        let text = |path: &PathBuf| Value::from(path.display().to_string());
        let (workspace, event_path) = (text(&self.workspace), text(&self.event_path()));
        self.names.set_in("github", "workspace", workspace.clone());
        self.names.set_in("github", "event_path", event_path);
        self.names.set_in("github", "job", self.job.id.as_str().into());
        let arch = match std::env::consts::ARCH {
            "x86_64" => "X64",
            "aarch64" => "ARM64",
            "x86" => "X86",
            other => other,
        };
        self.names.set(
            "runner",
            json!({
                "os": "Linux", "arch": arch, "name": "wharf", "environment": "self-hosted",
                "temp": text(&self.temp), "tool_cache": text(&self.tools), "workspace": workspace,
                "debug": "",
            }),
        );
        self.names.set("job", json!({"status": "success", "container": {}, "services": {}}));
        self.names.workspace = Some(self.workspace.clone());
    }

    /// The variables of the job and of earlier steps, and those of the step at hand.
    pub(crate) fn job_env_with(&self, env: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let all = self.job_env.iter().chain(&self.exported).chain(env);
        all.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// The whole environment of a process.
    pub(crate) fn environment(&self, env: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let mut all = self.setup.env.clone();
        all.insert("CI".into(), "true".into());
        all.insert("GITHUB_ACTIONS".into(), "true".into());
        variables(&self.names.values["github"], &mut all);
        for (member, variable) in [
            ("os", "RUNNER_OS"),
            ("arch", "RUNNER_ARCH"),
            ("name", "RUNNER_NAME"),
            ("environment", "RUNNER_ENVIRONMENT"),
            ("temp", "RUNNER_TEMP"),
            ("tool_cache", "RUNNER_TOOL_CACHE"),
            ("workspace", "RUNNER_WORKSPACE"),
        ] {
            all.insert(variable.into(), crate::expr::text(&self.names.values["runner"][member]));
        }
        all.insert("DOCKER_CONFIG".into(), self.docker_config.display().to_string());
        all.extend(self.job_env_with(env));
        let path = all.get("PATH").cloned().unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
        let shims = self.setup.shims.display().to_string();
        let folders = self.paths.iter().map(String::as_str).chain([shims.as_str(), path.as_str()]);
        all.insert("PATH".into(), folders.collect::<Vec<_>>().join(":"));
        all.insert(TRACKING.into(), self.tracking.clone());
        all
    }

    /// Git in the job's environment.
    pub(crate) fn git(&self, deadline: Option<Instant>) -> Result<Git, String> {
        let program = self.which("git").ok_or("git is not installed on this machine")?;
        Ok(Git { env: self.environment(&BTreeMap::new()), program, deadline, stop: self.stop.clone() })
    }

    /// Puts a clean copy of the event's commit into the workspace.
    pub(crate) fn copy_commit(&self) -> Result<(), String> {
        let setup = self.setup;
        if !setup.is_git {
            return checkout::copy(
                &setup.repository,
                &self.workspace,
                &[&setup.scratch, &setup.results, &setup.state],
            );
        }
        let git = self.git(self.deadline)?;
        let url = format!("https://github.com/{}", setup.event.repository);
        let what = Checkout {
            from: &setup.repository,
            git_ref: &setup.event.git_ref,
            sha: &setup.event.sha,
            depth: 1,
            tags: false,
            sparse: Vec::new(),
            cone: true,
            submodules: "false",
            url: &url,
        };
        git.checkout(&what, &self.workspace)
    }

    /// Runs the job.
    pub(crate) fn run(mut self, steps: &[Step]) -> Finished {
        let began = Instant::now();
        self.sink.tell(News::JobStarted(&self.name));
        let mut frame = Frame {
            outputs: Map::new(),
            source: self.workflow.source.clone(),
            env: BTreeMap::new(),
            inputs: None,
            action_path: PathBuf::new(),
            defaults: Defaults {
                shell: self.job.defaults.shell.clone().or_else(|| self.workflow.defaults.shell.clone()),
                working_directory: (self.job.defaults.working_directory.clone())
                    .or_else(|| self.workflow.defaults.working_directory.clone()),
            },
            failed: false,
            depth: 0,
        };
        let mut reason = self.set_up(steps).err();
        if reason.is_none() && self.setup.dry_run {
            self.plan(steps, &frame);
        } else if reason.is_none() {
            self.steps(steps, &mut frame);
            self.run_posts(&mut frame);
        }
        let result = match (&reason, frame.failed) {
            (Some(_), _) | (None, true) => RunResult::Failure,
            _ if self.setup.dry_run => RunResult::Planned,
            _ if self.stop.asked() => RunResult::Cancelled,
            _ => RunResult::Success,
        };
        self.refresh(&frame);
        let outputs = if self.setup.dry_run { BTreeMap::new() } else { self.outputs(&frame) };
        self.collect();
        end_marked(&self.tracking);
        if let Some(text) = &reason {
            let text = text.clone();
            self.annotate("Set up job", "error", &text);
            reason = Some(self.masker.mask(&text));
        }
        let report = JobReport {
            id: self.job.id.clone(),
            name: self.name.clone(),
            result,
            seconds: began.elapsed().as_secs_f64(),
            reason,
            outputs: outputs.iter().map(|(k, v)| (k.clone(), self.masker.mask(v))).collect(),
            steps: self.reports,
        };
        self.sink.tell(News::JobEnded(&report));
        Finished {
            report,
            annotations: self.annotations,
            artifacts: self.artifacts,
            files: self.files,
            summary: self.summary,
            outputs,
        }
    }

    /// What comes before the first step; what is refused is refused here, before anything has happened.
    fn set_up(&mut self, steps: &[Step]) -> Result<(), String> {
        self.refuse_job()?;
        let minutes = match &self.job.timeout_minutes {
            None => JOB_MINUTES,
            Some(text) => {
                let value = text.text(&self.names).map_err(|fault| fault.message)?;
                let number = value.parse::<f64>().ok().filter(|number| number.is_finite() && *number > 0.0);
                number.ok_or_else(|| format!("`timeout-minutes` is `{value}`: expected a number"))?
            }
        };
        self.deadline = Some(Instant::now() + Duration::from_secs_f64((minutes * 60.0).min(1e7)));
        // The job's variables see the workflow's.
        for entries in [&self.workflow.env, &self.job.env] {
            let env = self.evaluate(entries)?;
            self.job_env.extend(env);
            self.names.set("env", object(&self.job_env));
        }
        self.refuse_steps(steps)?;
        let checks_out = steps.iter().any(|step| match &step.kind {
            StepKind::Uses { action, .. } => action.to_ascii_lowercase().starts_with("actions/checkout@"),
            StepKind::Run { script, .. } => {
                script.raw.contains("git clone") || script.raw.contains("git init")
            }
        });
        if !checks_out && !self.setup.dry_run {
            self.copy_commit()?;
            self.say("note: no step checks out; wharf put a clean copy of the commit into the workspace, which GitHub leaves empty");
        }
        Ok(())
    }

    fn evaluate(&self, entries: &[Entry]) -> Result<BTreeMap<String, String>, String> {
        let mut texts = BTreeMap::new();
        for entry in entries {
            let value = entry.value.text(&self.names).map_err(|fault| {
                let place = self.workflow.source.place(fault.span.start);
                format!("{}:{}:{}: {}", self.workflow.source.name, place.line, place.column, fault.message)
            })?;
            texts.insert(entry.name.clone(), value);
        }
        Ok(texts)
    }

    /// The job's outputs; one that holds a secret is left out, as GitHub does.
    fn outputs(&mut self, frame: &Frame) -> BTreeMap<String, String> {
        let mut outputs = BTreeMap::new();
        for entry in &self.job.outputs.clone() {
            match entry.value.text(&self.names) {
                Ok(value) if self.masker.holds(&value) => {
                    let message = format!("Skip output '{}' since it may contain secret.", entry.name);
                    self.annotate("Complete job", "warning", &message);
                }
                Ok(value) => {
                    outputs.insert(entry.name.clone(), value);
                }
                Err(fault) => {
                    let message = self.located(&fault, frame);
                    self.annotate("Complete job", "error", &message);
                }
            }
        }
        outputs
    }
}

/// The steps of a job that has its own.
pub(crate) fn own_steps(job: &Job) -> &[Step] {
    match &job.body {
        Body::Steps(steps) => steps,
        Body::Call(_) => &[],
    }
}
