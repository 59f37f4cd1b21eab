//! One build of one plan: what its steps share, and the order they go in.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use wharf_sandbox::Rung;

use crate::bases::Bases;
use crate::cache::{Imports, Made};
use crate::contexts::{Context, Contexts};
use crate::engine::Engine;
use crate::error::{BuildError, Cause, StepError};
use crate::event::{Event, Events, StepNumber};
use crate::finish::{self, Job};
use crate::id::{Hasher, Id};
use crate::llb::Node;
use crate::once::Once;
use crate::output::Output;
use crate::plan::{Base, CopyOp, CopySource, Mount, Op, Plan, Source, Stage, StageId, Step};
use crate::request::{BuildRequest, HostCa};
use crate::schedule;
use crate::snapshot::{Chain, Layer, Snapshots, View, Views};
use crate::step;
use crate::tree::{Memo, Tree};
use crate::trust::{HostTrust, Veil};

/// What the steps of one plan share.
pub(crate) struct Session<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) request: &'a BuildRequest,
    pub(crate) plan: &'a Plan,
    /// The Dockerfile, as it is called in messages.
    pub(crate) dockerfile: &'a str,
    pub(crate) events: Events<'a>,
    pub(crate) snapshots: Snapshots<'a>,
    pub(crate) contexts: &'a Contexts<'a>,
    pub(crate) bases: &'a Bases<'a>,
    pub(crate) imports: &'a Imports,
    /// The number of this plan's first step among those of all platforms.
    pub(crate) first: usize,
    /// Set when the build has failed: what still runs is to be stopped.
    pub(crate) cancelled: AtomicBool,
    /// Steps that were found in the cache, and steps that ran.
    pub(crate) cached: AtomicUsize,
    pub(crate) executed: AtomicUsize,
    /// The keys that were found, to say that they are in use.
    pub(crate) used: Mutex<Vec<Id>>,
    /// What steps with the same key give, within this build.
    pub(crate) known: Once<StepResult>,
    /// What this host trusts, once somebody asked.
    trust: OnceLock<HostTrust>,
    trust_noted: AtomicBool,
    bare_noted: AtomicBool,
    /// What began the running anew that led to a result: the title of a step.
    origins: Mutex<HashMap<Id, String>>,
    /// Layers that steps of this build made.
    pub(crate) fresh: Mutex<Vec<Arc<Layer>>>,
    /// The steps so far, for caches that are written.
    made: Mutex<Vec<Made>>,
    views: Views,
    tasks: Vec<Task>,
    results: Vec<OnceLock<Chain>>,
}

/// What a step gives: its name in the keys of others, and its layer.
#[derive(Debug, Clone)]
pub(crate) struct StepResult {
    pub(crate) id: Id,
    /// What it is found by; nothing when it must not be found again.
    pub(crate) keys: Vec<Id>,
    pub(crate) layer: Arc<Layer>,
    /// What BuildKit knows it by, where that is known and wanted.
    pub(crate) node: Option<Arc<Node>>,
    pub(crate) cached: bool,
}

/// One layer to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Task {
    stage: StageId,
    /// The step, or `None` for the files of the named context that a stage starts from.
    step: Option<usize>,
}

/// Where files are read from.
pub(crate) enum Files {
    Context(Arc<Context>),
    View(Arc<View>),
}

impl Files {
    pub(crate) fn tree(&self) -> &Tree {
        match self {
            Self::Context(context) => &context.tree,
            Self::View(view) => &view.tree,
        }
    }

    pub(crate) fn memo(&self) -> Option<&Memo> {
        match self {
            Self::Context(context) => context.memo.as_ref(),
            Self::View(_) => None,
        }
    }

    pub(crate) fn sums(&self) -> Option<&Memo> {
        match self {
            Self::Context(context) => context.sums.as_ref(),
            Self::View(_) => None,
        }
    }
}

/// What a session is made of; the rest it makes itself.
pub(crate) struct Parts<'a> {
    pub(crate) request: &'a BuildRequest,
    pub(crate) plan: &'a Plan,
    pub(crate) dockerfile: &'a str,
    pub(crate) snapshots: Snapshots<'a>,
    pub(crate) contexts: &'a Contexts<'a>,
    pub(crate) bases: &'a Bases<'a>,
    pub(crate) imports: &'a Imports,
    pub(crate) first: usize,
}

impl<'a> Session<'a> {
    pub(crate) fn new(parts: Parts<'a>) -> Self {
        let Parts { request, plan, dockerfile, snapshots, contexts, bases, imports, first } = parts;
        let tasks = tasks(plan);
        Self {
            engine: snapshots.engine,
            request,
            plan,
            dockerfile,
            events: snapshots.events,
            snapshots,
            contexts,
            bases,
            imports,
            first,
            cancelled: AtomicBool::new(false),
            cached: AtomicUsize::new(0),
            executed: AtomicUsize::new(0),
            used: Mutex::default(),
            known: Once::default(),
            trust: OnceLock::new(),
            trust_noted: AtomicBool::new(false),
            bare_noted: AtomicBool::new(false),
            origins: Mutex::default(),
            fresh: Mutex::default(),
            made: Mutex::default(),
            views: Views::default(),
            results: tasks.iter().map(|_| OnceLock::new()).collect(),
            tasks,
        }
    }

    /// Makes every layer of the plan, and gives those of the target. When it returns, all layers that could be
    /// made are in the store, whether or not a step failed.
    pub(crate) fn run(&self) -> Result<Chain, BuildError> {
        let needs: Vec<Vec<usize>> = self.tasks.iter().map(|task| self.needs(*task)).collect();
        let (jobs, queue) = mpsc::channel();
        let result = std::thread::scope(|scope| {
            finish::start(scope, queue, self);
            let result = schedule::run(&needs, self.request.parallelism, &|index| {
                self.task(index, &jobs).inspect_err(|_| self.cancelled.store(true, Ordering::Relaxed))
            });
            drop(jobs);
            result
        });
        let used = std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner));
        self.engine.state.touch_steps(&used)?;
        result?;
        self.stage_result(self.plan.target).map_err(BuildError::Export)
    }

    /// Says which step began the running anew that led to `result`.
    pub(crate) fn keep_origin(&self, result: Id, step: String) {
        self.origins.lock().unwrap_or_else(PoisonError::into_inner).insert(result, step);
    }

    /// The step that began the running anew that led to `result`, if it was run anew.
    pub(crate) fn origin(&self, result: &Id) -> Option<String> {
        self.origins.lock().unwrap_or_else(PoisonError::into_inner).get(result).cloned()
    }

    /// The stages and images that an operation takes files from, as a person knows them.
    pub(crate) fn source_names(&self, op: &Op) -> Vec<String> {
        let name = |source: &&Source| match source {
            Source::Stage(stage) => Some(self.plan.stages[stage.0].name.clone()),
            Source::Image(image) => Some(image.reference.to_string()),
            Source::Context | Source::NamedContext(_) | Source::Scratch => None,
        };
        sources(op).iter().filter_map(name).collect()
    }

    /// Whether what still runs is to be stopped.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed) || self.engine.is_interrupted()
    }

    /// Whether it matters what BuildKit knows steps by: a cache is read or written.
    pub(crate) fn wants_nodes(&self) -> bool {
        !self.request.cache_to.is_empty() || self.imports.has_records()
    }

    /// Says that a step was done or found.
    pub(crate) fn note(&self, made: Made) {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).push(made);
    }

    /// The steps that were done or found, with all that each is found by.
    pub(crate) fn made(&self) -> Result<Vec<Made>, StepError> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for step in made.iter_mut().filter(|step| !step.keys.is_empty()) {
            let known = self.engine.state.keys_of(&step.result)?;
            let more: Vec<Id> = known.into_iter().filter(|key| !step.keys.contains(key)).collect();
            step.keys.extend(more);
        }
        Ok(made)
    }

    /// Ends the looking at stages and images.
    pub(crate) fn close_views(&mut self) {
        self.known = Once::default();
        self.views = Views::default();
    }

    /// Whether the step's stage is the target or what the target starts from.
    pub(crate) fn is_published(&self, number: StepNumber) -> bool {
        let step = number.0.checked_sub(self.first).and_then(|index| self.tasks.get(index));
        let mut stage = Some(self.plan.target);
        while let (Some(id), Some(task)) = (stage, step) {
            if task.stage == id {
                return true;
            }
            stage = match self.plan.stages[id.0].base {
                Base::Stage(base) => Some(base),
                _ => None,
            };
        }
        false
    }

    fn task(&self, index: usize, jobs: &Sender<Job>) -> Result<(), BuildError> {
        let task = self.tasks[index];
        let stage = &self.plan.stages[task.stage.0];
        let step = task.step.map(|step| &stage.steps[step]);
        let title = self.title(task);
        let number = StepNumber(self.first + index);
        let started = Instant::now();
        (self.events)(Event::Started { step: number, title: title.clone() });
        let result = self.parent(task).and_then(|parent| {
            let result = step::perform(self, self.step(task, &parent, number), jobs)?;
            Ok((parent, result))
        });
        let took = started.elapsed();
        match result {
            Ok((parent, result)) => {
                (self.events)(Event::Finished { step: number, cached: result.cached, took });
                let counter = if result.cached { &self.cached } else { &self.executed };
                counter.fetch_add(1, Ordering::Relaxed);
                // Each task runs once.
                let _ = self.results[index].set(parent.with(result.id, result.layer, result.node));
                Ok(())
            }
            Err(source) => {
                (self.events)(Event::Failed { step: number, took });
                let lines = step.map_or((0, 0), lines);
                Err(BuildError::Step { title, dockerfile: self.dockerfile.to_owned(), lines, source })
            }
        }
    }

    fn title(&self, task: Task) -> String {
        let stage = &self.plan.stages[task.stage.0];
        match task.step {
            Some(step) => stage.steps[step].title.clone(),
            None => format!("[{}] FROM a build context", stage.name),
        }
    }

    fn step<'s>(&'s self, task: Task, parent: &'s Chain, number: StepNumber) -> step::Request<'s> {
        let stage = &self.plan.stages[task.stage.0];
        let whole_context = |name: &str| {
            Op::Copy(CopyOp {
                sources: vec![CopySource::Path { path: "/".into(), parents: None }],
                from: Source::NamedContext(name.to_owned()),
                dest: "/".into(),
                chown: None,
                chmod: None,
                link: false,
                excludes: Vec::new(),
                unpack: false,
                is_add: false,
            })
        };
        let op = match (task.step, &stage.base) {
            (Some(step), _) => stage.steps[step].op.clone(),
            (None, Base::NamedContext(name)) => Some(whole_context(name)),
            (None, _) => None,
        };
        let first = self.previous(task).is_none();
        let before = self.previous(task).or(match &stage.base {
            Base::Stage(base) => self.last(*base),
            _ => None,
        });
        step::Request {
            number,
            title: self.title(task),
            before: before.map(|before| self.title(self.tasks[before])),
            op,
            parent,
            parent_is_image: first && matches!(stage.base, Base::Image(_)),
            sketch: self.is_sketch(task),
            no_cache: stage.no_cache,
            platform: &stage.platform,
            slot: self.slot(task),
        }
    }

    /// Whether no process will run on what `task` makes, and nobody will look into it: then the files below it
    /// need not be unpacked.
    fn is_sketch(&self, task: Task) -> bool {
        let makes_files = |output: &Output| output.kind.needs_files();
        let steps = &self.plan.stages[task.stage.0].steps[task.step.map_or(0, |step| step + 1)..];
        !self.request.outputs.iter().any(makes_files)
            && !steps.iter().any(|step| matches!(step.op, Some(Op::Run(_))))
            && !self.plan.stages.iter().any(|stage| uses(stage, task.stage))
    }

    /// Where a step of this Dockerfile is remembered.
    fn slot(&self, task: Task) -> Id {
        let stage = &self.plan.stages[task.stage.0];
        let mut slot = Hasher::new("slot");
        slot.text(&format!("{:?}", self.request.context)).text(self.dockerfile);
        slot.text(&stage.name).text(&stage.platform.to_string());
        slot.number(task.step.map_or(u64::MAX, |step| step as u64)).finish()
    }

    /// The layers that a task starts from.
    fn parent(&self, task: Task) -> Result<Chain, StepError> {
        match (self.previous(task), &self.plan.stages[task.stage.0].base) {
            (Some(previous), _) => self.result(previous),
            (None, Base::Stage(stage)) => self.stage_result(*stage),
            (None, Base::Image(image)) => self.bases.chain(image),
            (None, Base::Scratch | Base::NamedContext(_)) => Ok(Chain::empty()),
        }
    }

    /// The layers that a stage gives.
    pub(crate) fn stage_result(&self, stage: StageId) -> Result<Chain, StepError> {
        match self.last(stage) {
            Some(index) => self.result(index),
            None => self.parent(Task { stage, step: None }),
        }
    }

    fn result(&self, index: usize) -> Result<Chain, StepError> {
        self.results[index].get().cloned().ok_or_else(|| Cause::Cancelled.into())
    }

    /// The layers that `source` stands for, where it is no context.
    pub(crate) fn source_chain(&self, source: &Source) -> Result<Option<Chain>, StepError> {
        Ok(match source {
            Source::Context | Source::NamedContext(_) => None,
            Source::Stage(stage) => Some(self.stage_result(*stage)?),
            Source::Image(image) => Some(self.bases.chain(image)?),
            Source::Scratch => Some(Chain::empty()),
        })
    }

    /// The files that `source` stands for. Those of stages and images are unpacked for it.
    pub(crate) fn files(&self, source: &Source) -> Result<Files, StepError> {
        Ok(match source {
            Source::Context => Files::Context(self.contexts.main()?),
            Source::NamedContext(name) => Files::Context(self.contexts.named(name)?),
            Source::Stage(_) | Source::Image(_) | Source::Scratch => {
                let chain = self.source_chain(source)?.unwrap_or_else(Chain::empty);
                Files::View(self.views.open(&chain, &self.snapshots)?)
            }
        })
    }

    /// Says, once, what a process lacks on the last rung that runs any.
    pub(crate) fn note_bare_steps(&self) {
        if self.engine.sandbox.rung() == Rung::Chroot && !self.bare_noted.swap(true, Ordering::Relaxed) {
            let text = "RUN has no /proc and no /sys here, and no filter of system calls but that of this \
                        container: the host allows no namespaces (`wharf doctor`)";
            (self.events)(Event::Note { text: text.into() });
        }
    }

    /// What a `RUN` on `chain` sees of this host's certificate authorities.
    pub(crate) fn veil(&self, chain: &Chain) -> Result<Option<Veil>, StepError> {
        // A veil is a layer that leaves no trace, which takes layers.
        if self.request.host_ca == HostCa::Off {
            return Ok(None);
        }
        let host = self.trust.get_or_init(|| HostTrust::read(Path::new("/")));
        if host.is_plain() && self.request.host_ca == HostCa::Auto {
            return Ok(None);
        }
        if let Some(why) = self.engine.why_flat() {
            if !self.trust_noted.swap(true, Ordering::Relaxed) {
                let text = format!(
                    "RUN does not trust this host's own certificate authorities: layers cannot be mounted here \
                     ({why}), so --host-ca has no effect; COPY them into the image where a step needs them"
                );
                (self.events)(Event::Warning { text });
            }
            return Ok(None);
        }
        let image = self.views.open(chain, &self.snapshots)?;
        let directory = self.snapshots.work.directory("veil");
        let directory = directory.map_err(Cause::file("making a directory in", &self.engine.data))?;
        let veil = Veil::weave(host, self.request.host_ca, &image.tree, directory)?;
        if let Some(veil) = &veil
            && !self.trust_noted.swap(true, Ordering::Relaxed)
        {
            let text = format!(
                "RUN trusts {} certificate authorities of this host, for the time of a step (--host-ca)",
                veil.missing
            );
            (self.events)(Event::Note { text });
        }
        Ok(veil)
    }

    /// The task before `task` in its stage.
    fn previous(&self, task: Task) -> Option<usize> {
        let index = self.tasks.iter().position(|other| *other == task)?;
        index.checked_sub(1).filter(|previous| self.tasks[*previous].stage == task.stage)
    }

    /// The last task of a stage.
    fn last(&self, stage: StageId) -> Option<usize> {
        match self.tasks.iter().rposition(|task| task.stage == stage) {
            Some(index) => Some(index),
            None => match self.plan.stages[stage.0].base {
                Base::Stage(base) => self.last(base),
                _ => None,
            },
        }
    }

    /// The tasks that must be done before `task`.
    fn needs(&self, task: Task) -> Vec<usize> {
        let stage = &self.plan.stages[task.stage.0];
        let before = match (self.previous(task), &stage.base) {
            (Some(previous), _) => Some(previous),
            (None, Base::Stage(base)) => self.last(*base),
            (None, _) => None,
        };
        let op = task.step.and_then(|step| stage.steps[step].op.as_ref());
        let sources = op.map(sources).unwrap_or_default().into_iter().filter_map(|source| match source {
            Source::Stage(stage) => self.last(*stage),
            _ => None,
        });
        let mut needs: Vec<usize> = before.into_iter().chain(sources).collect();
        needs.sort_unstable();
        needs.dedup();
        needs
    }
}

fn lines(step: &Step) -> (usize, usize) {
    (step.span.line as usize, step.span.end_line as usize)
}

/// The layers of a plan in an order in which they can be made.
fn tasks(plan: &Plan) -> Vec<Task> {
    let mut tasks = Vec::new();
    for (index, stage) in plan.stages.iter().enumerate() {
        let stage_id = StageId(index);
        if matches!(stage.base, Base::NamedContext(_)) {
            tasks.push(Task { stage: stage_id, step: None });
        }
        let steps = stage.steps.iter().enumerate().filter(|(_, step)| step.op.is_some());
        tasks.extend(steps.map(|(step, _)| Task { stage: stage_id, step: Some(step) }));
    }
    tasks
}

/// How many layers a plan makes.
pub(crate) fn task_count(plan: &Plan) -> usize {
    tasks(plan).len()
}

/// Whether `stage` starts from `other` or takes files from it.
fn uses(stage: &Stage, other: StageId) -> bool {
    let takes = |op: &Op| sources(op).contains(&&Source::Stage(other));
    stage.base == Base::Stage(other) || stage.steps.iter().filter_map(|step| step.op.as_ref()).any(takes)
}

/// Where an operation takes files from.
pub(crate) fn sources(op: &Op) -> Vec<&Source> {
    match op {
        Op::Copy(copy) => vec![&copy.from],
        Op::Workdir(_) => Vec::new(),
        Op::Run(run) => run
            .mounts
            .iter()
            .filter_map(|mount| match mount {
                Mount::Bind(bind) => Some(&bind.from),
                Mount::Cache(cache) => Some(&cache.from),
                Mount::Tmpfs(_) | Mount::Secret(_) | Mount::Ssh(_) | Mount::Script(_) => None,
            })
            .collect(),
    }
}
