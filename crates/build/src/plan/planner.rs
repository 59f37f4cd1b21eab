//! The steps of planning, in the order in which BuildKit takes them, because that decides which of several
//! mistakes is reported.

use std::collections::{HashMap, HashSet};

use wharf_dockerfile::lint::Finding;
use wharf_dockerfile::{CheckDirective, Dockerfile, IgnorePatterns, Lexer};
use wharf_oci::{ImageConfig, Platform};

use super::args::{self, GlobalArgs, SCAN_CONTEXT, SCAN_STAGE};
use super::base::{Bases, Origin};
use super::checks::Checks;
use super::contexts::Contexts;
use super::declare::{self, Declaring};
use super::graph::Graph;
use super::outline::Notes;
use super::stage::{Shared, StageBuilder};
use super::state::State;
use super::{Base, NoCache, Plan, PlanError, Problem, Request, Resolve, Source, Stage, StageId};

/// The plan, and what the checks found whether or not there is one. [`Plan::findings`] is still empty.
pub(super) fn make(
    dockerfile: &Dockerfile,
    request: &Request,
    resolve: Resolve,
    notes: &Notes,
) -> (Result<Plan, PlanError>, Vec<Finding>) {
    let options =
        match request.build_args.get("BUILDKIT_DOCKERFILE_CHECK").map(|text| CheckDirective::parse(text)) {
            None => dockerfile.directives.check.clone(),
            Some(Ok(options)) => options,
            Some(Err(error)) => return (Err(Problem::Instruction(error.to_string()).into()), Vec::new()),
        };
    let checks = Checks::new(dockerfile, options);
    let plan = make_checked(dockerfile, request, resolve, &checks, notes);
    (plan, checks.findings())
}

fn make_checked(
    dockerfile: &Dockerfile,
    request: &Request,
    resolve: Resolve,
    checks: &Checks,
    notes: &Notes,
) -> Result<Plan, PlanError> {
    let lexer = Lexer::new(dockerfile.directives.escape);
    let last = dockerfile.stages.last().and_then(|stage| stage.name.as_deref()).unwrap_or_default();
    let automatic = GlobalArgs::automatic(request, request.target.as_deref().unwrap_or(last));
    if let Ok(defaults) = automatic.clone().declare(dockerfile, lexer, &Default::default()) {
        declare::check_defaults(dockerfile, &defaults, lexer, checks);
    }
    let mut globals = automatic.declare(dockerfile, lexer, &request.build_args)?;
    let mut build_args = request.build_args.clone();
    let epoch = args::take_epoch(&mut build_args, &mut globals)?;
    let contexts = Contexts::new(request)?;

    let declaring = Declaring { globals: &globals, contexts: &contexts, lexer, checks };
    let mut graph = declaring.graph(dockerfile)?;
    let target = find_target(&graph, request)?;
    graph.link(dockerfile, lexer)?;
    let needed = |graph: &Graph| match request.check_only && request.target.is_none() {
        true => vec![true; graph.drafts.len()],
        false => graph.reachable(target),
    };
    let origins = Bases::new(request, &contexts, lexer, checks, resolve).settle(&mut graph, &needed)?;

    let ignore =
        IgnorePatterns::parse(&request.ignore).map_err(|error| Problem::Instruction(error.to_string()))?;
    let proxy = args::proxy(&build_args);
    let shared = Shared { request, build_args, globals, lexer, checks, notes, proxy, ignore };
    let mut planned = Planned::new(&shared, &graph, &origins);
    let reached = needed(&graph);
    for index in (0..reached.len()).filter(|index| reached[*index]) {
        planned.add(index, index == target)?;
    }
    let plan = planned.finish(target, epoch)?;
    checks.refuse()?;
    Ok(plan)
}

/// The stage to build: the last, or the one of this name. A number names none.
fn find_target(graph: &Graph, request: &Request) -> Result<usize, Problem> {
    match &request.target {
        None => Ok(graph.drafts.len() - 1),
        Some(name) if name.is_empty() => Ok(graph.drafts.len() - 1),
        Some(name) => graph.find(name).ok_or_else(|| Problem::UnknownTarget {
            name: name.clone(),
            nearest: super::nearest(name, graph.labels()),
        }),
    }
}

/// The stages of the plan as they are made.
struct Planned<'a> {
    shared: &'a Shared<'a>,
    graph: &'a Graph,
    origins: &'a [Option<Origin>],
    stages: Vec<Stage>,
    /// What each draft left, where others are built on it.
    states: HashMap<usize, State>,
    /// The drafts that others are built on.
    bases: HashSet<usize>,
    /// Where each draft's files are.
    sources: Vec<Option<Source>>,
    scan_context: bool,
}

impl<'a> Planned<'a> {
    fn new(shared: &'a Shared<'a>, graph: &'a Graph, origins: &'a [Option<Origin>]) -> Self {
        let ready = |index: usize| {
            let draft = &graph.drafts[index];
            let origin = origins[index].as_ref().filter(|_| !draft.is_stage())?;
            Some(origin.source.clone())
        };
        let sources = (0..graph.drafts.len()).map(ready).collect();
        let bases = graph.drafts.iter().filter_map(|draft| draft.base).collect();
        Self {
            shared,
            graph,
            origins,
            stages: Vec::new(),
            states: HashMap::new(),
            bases,
            sources,
            scan_context: false,
        }
    }

    /// Plans a draft. Images and contexts need no stage of their own, unless one of them is the result.
    fn add(&mut self, index: usize, is_target: bool) -> Result<(), PlanError> {
        let draft = &self.graph.drafts[index];
        let (base, state) = match (&self.origins[index], draft.base) {
            (Some(origin), _) => (base_of(&origin.source), State::at_origin(origin)),
            (None, Some(below)) => {
                let Some(state) = self.states.get(&below).map(State::below) else { return Ok(()) };
                (self.sources[below].as_ref().map_or(Base::Scratch, base_of), state)
            }
            (None, None) => return Ok(()),
        };
        if draft.implied || (draft.replaced_by.is_some() && !is_target) {
            self.keep(index, state);
            return Ok(());
        }
        let only = self.graph.drafts.len() == 1;
        let label = (!only).then_some(draft.label.as_str());
        let mut builder = StageBuilder::new(self.shared, state, label, &self.sources, self.graph);
        if draft.is_stage() {
            self.shared.notes.stage(index);
            builder.run_all(&draft.commands, self.base_operations(index))?;
        }
        let (state, steps) = (builder.state, builder.steps);
        let scan = self.scanned(SCAN_STAGE, &state, label);
        self.sources[index] = Some(Source::Stage(StageId(self.stages.len())));
        self.stages.push(Stage {
            name: draft.label.clone(),
            base,
            platform: state.platform.clone(),
            steps,
            // What stands in for a stage is the result as it is.
            config: match &self.origins[index] {
                Some(origin) if !draft.is_stage() => origin.to_image(),
                _ => state.to_image(),
            },
            no_cache: self.no_cache(draft.name.as_deref()),
            scan,
        });
        if is_target {
            self.scan_context = self.scanned(SCAN_CONTEXT, &state, label);
        }
        self.keep(index, state);
        Ok(())
    }

    /// How many operations the base of a stage is shown as, and how many it counts as: a context counts as
    /// one that is not shown.
    fn base_operations(&self, index: usize) -> (usize, usize) {
        let draft = &self.graph.drafts[index];
        let is_pulled = self.origins[index].as_ref().is_some_and(|origin| origin.is_pulled);
        let counts = draft.base.is_none() && draft.base_name != "scratch";
        (usize::from(is_pulled), usize::from(counts))
    }

    fn keep(&mut self, index: usize, state: State) {
        if self.bases.contains(&index) {
            self.states.insert(index, state);
        }
    }

    fn no_cache(&self, name: Option<&str>) -> bool {
        match &self.shared.request.no_cache {
            NoCache::Off => false,
            NoCache::All => true,
            NoCache::Stages(names) => {
                names.iter().any(|given| given.eq_ignore_ascii_case(name.unwrap_or_default()))
            }
        }
    }

    /// Whether the attestations are asked to look into this stage, by an argument of the stage or a global one.
    fn scanned(&self, argument: &str, state: &State, label: Option<&str>) -> bool {
        let value = state.args.get(argument).or_else(|| self.shared.globals.env.get(argument));
        value.is_some_and(|value| args::names_stage(value, label.unwrap_or_default()))
    }

    fn finish(mut self, target: usize, epoch: Option<i64>) -> Result<Plan, Problem> {
        let Some(Source::Stage(id)) = self.sources[target] else {
            return Err(Problem::Instruction("the target stage has no result".into()));
        };
        let request = self.shared.request;
        let image = &mut self.stages[id.0].config;
        image.config.labels.extend(request.labels.clone());
        set_platform(image, request.platform.as_ref(), &request.build_platform);
        Ok(Plan {
            stages: self.stages,
            target: id,
            epoch,
            scan_context: self.scan_context,
            findings: Vec::new(),
        })
    }
}

fn base_of(source: &Source) -> Base {
    match source {
        Source::Stage(id) => Base::Stage(*id),
        Source::Image(image) => Base::Image(image.clone()),
        Source::NamedContext(name) => Base::NamedContext(name.clone()),
        Source::Scratch | Source::Context => Base::Scratch,
    }
}

/// A platform that was asked for is what the image says it is for, whatever its base says.
fn set_platform(image: &mut ImageConfig, asked: Option<&Platform>, default: &Platform) {
    if let Some(asked) = asked {
        let same = image.os == asked.os && image.architecture == asked.architecture;
        image.os.clone_from(&asked.os);
        image.architecture.clone_from(&asked.architecture);
        if asked.variant.is_some() || !same {
            image.variant.clone_from(&asked.variant);
        }
        if asked.os_version.is_some() || !same {
            image.os_version.clone_from(&asked.os_version);
        }
    }
    if image.architecture.is_empty() {
        image.os.clone_from(&default.os);
        image.architecture.clone_from(&default.architecture);
    }
    let Platform { os, architecture, variant, .. } = image.platform();
    (image.os, image.architecture, image.variant) = (os, architecture, variant);
}
