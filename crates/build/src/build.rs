//! One build from the request to the result.

use std::sync::OnceLock;
use std::sync::atomic::Ordering;
use std::time::Instant;

use wharf_dockerfile::Dockerfile;
use wharf_oci::Platform;

use crate::bases::Bases;
use crate::cache::Imports;
use crate::contexts::Contexts;
use crate::engine::Engine;
use crate::error::{BuildError, Cause};
use crate::event::{Event, Events};
use crate::export::{Exported, Exporting};
use crate::finish;
use crate::plan::{self, ContextKind, Plan};
use crate::request::{BuildRequest, NamedContext};
use crate::result::{BuildResult, Timings};
use crate::session::{Parts, Session, task_count};
use crate::snapshot::{Chain, Snapshots};
use crate::witness;
use crate::work::WorkDirectory;

/// A build whose cache turns out damaged is begun again, with what is damaged forgotten, at most so often.
const ATTEMPTS: usize = 5;

/// Builds what `request` asks for.
pub(crate) fn build(
    engine: &Engine,
    request: &BuildRequest,
    events: Events<'_>,
) -> Result<BuildResult, BuildError> {
    let mut attempt = 1;
    let imports = OnceLock::new();
    loop {
        let result = attempt_build(engine, request, &imports, events);
        let again = match result.as_ref().err().and_then(cause) {
            Some(Cause::Damaged { digest }) if attempt < ATTEMPTS => Some(digest.clone()),
            Some(Cause::Absent) if attempt < ATTEMPTS => None,
            _ => return result,
        };
        let imports = imports.get_or_init(Imports::default);
        match again {
            Some(digest) => {
                engine.store.discard(&digest)?;
                engine.state.forget_origin(&digest)?;
                imports.forget(&digest);
                let text = format!("layer {digest} is lost or damaged; its step runs again");
                events(Event::Warning { text });
            }
            None => imports.forget_results(),
        }
        attempt += 1;
    }
}

/// What a build failed over.
fn cause(error: &BuildError) -> Option<&Cause> {
    let (BuildError::Step { source, .. } | BuildError::Output { source, .. } | BuildError::Export(source)) =
        error
    else {
        return None;
    };
    Some(source.cause())
}

fn attempt_build(
    engine: &Engine,
    request: &BuildRequest,
    imports: &OnceLock<Imports>,
    events: Events<'_>,
) -> Result<BuildResult, BuildError> {
    let work = WorkDirectory::create(&engine.data.join("work"))?;
    let contexts = Contexts::new(engine, &work, request, events);
    let bases = Bases::new(engine, request);
    let (started, began) = (Instant::now(), jiff::Timestamp::now());
    let (name, text) = contexts.dockerfile()?;
    let parsed = wharf_dockerfile::parse(&text);
    let dockerfile = parsed.map_err(|source| BuildError::Parse { name: name.clone(), source })?;
    let (plans, imports) = std::thread::scope(|scope| {
        let imports =
            scope.spawn(|| imports.get_or_init(|| Imports::read(engine, &request.cache_from, events)));
        let plans = plans(request, &name, &dockerfile, &contexts, &bases);
        (plans, imports.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    let plans = plans?;
    bases.preflight().map_err(BuildError::Export)?;
    events(Event::Planned { steps: plans.iter().map(task_count).sum() });
    let planned = Instant::now();

    let looked_at = witness::published_bases(&plans, &bases).map_err(BuildError::Export)?;
    let snapshots = Snapshots { engine, work: &work, events, looked_at: &looked_at };
    let mut first = 0;
    let mut sessions = Vec::new();
    for plan in &plans {
        let parts = Parts {
            request,
            plan,
            dockerfile: &name,
            snapshots,
            contexts: &contexts,
            bases: &bases,
            imports,
            first,
        };
        first += task_count(plan);
        sessions.push(Session::new(parts));
    }
    let built = sessions.iter().map(Session::run).collect::<Result<Vec<Chain>, BuildError>>();
    let saved = contexts.save().map_err(BuildError::Export);
    let worked = Instant::now();
    let exported = built.and_then(|chains| {
        saved?;
        let made = sessions.iter().map(Session::made).collect::<Result<Vec<_>, _>>();
        let made = made.map_err(BuildError::Export)?.concat();
        let exporting = Exporting {
            engine,
            request,
            snapshots: &snapshots,
            plans: &plans,
            chains: &chains,
            made: &made,
            dockerfile: (&name, &text),
            started: began,
            invocation: &uuid::Uuid::new_v4().simple().to_string(),
        };
        exporting.run(events)
    });
    for session in &mut sessions {
        session.close_views();
        finish::keep_snapshots(session);
    }
    let Exported { image, images, outputs, provenance, caches } = exported?;
    Ok(BuildResult {
        image,
        images,
        outputs,
        provenance,
        caches,
        warnings: warnings(&plans),
        cached: sessions.iter().map(|session| session.cached.load(Ordering::Relaxed)).sum(),
        executed: sessions.iter().map(|session| session.executed.load(Ordering::Relaxed)).sum(),
        timings: Timings { plan: planned - started, steps: worked - planned, export: worked.elapsed() },
    })
}

/// The plans, one per platform.
fn plans(
    request: &BuildRequest,
    name: &str,
    dockerfile: &Dockerfile,
    contexts: &Contexts<'_>,
    bases: &Bases<'_>,
) -> Result<Vec<Plan>, BuildError> {
    let options = options(request, contexts)?;
    let platforms: Vec<Option<Platform>> = match request.platforms.as_slice() {
        [] => vec![options.platform.clone()],
        platforms => platforms.iter().cloned().map(Some).collect(),
    };
    let plan = |platform: Option<Platform>| {
        let options = plan::Request { platform, ..options.clone() };
        plan::plan(dockerfile, &options, &|references| bases.resolve(references))
            .map_err(|source| BuildError::Plan { name: name.to_owned(), source })
    };
    platforms.into_iter().map(plan).collect()
}

/// The options of the plan, with what the request says elsewhere.
pub(crate) fn options(request: &BuildRequest, contexts: &Contexts<'_>) -> Result<plan::Request, BuildError> {
    let kind = |context: &NamedContext| match context {
        NamedContext::Files(_) => ContextKind::Files,
        NamedContext::Image(_) | NamedContext::Layout { .. } => ContextKind::Image,
        NamedContext::Scratch => ContextKind::Scratch,
    };
    let mut options = request.options.clone();
    options.contexts = request.contexts.iter().map(|(name, context)| (name.clone(), kind(context))).collect();
    options.ignore = contexts
        .ignore_text()
        .map_err(|source| BuildError::Context { name: "of the build".into(), source })?;
    options.multi_platform = request.platforms.len() > 1;
    Ok(options)
}

fn warnings(plans: &[Plan]) -> Vec<String> {
    let findings = plans.first().map(|plan| plan.findings.as_slice()).unwrap_or_default();
    let text = |finding: &wharf_dockerfile::lint::Finding| {
        format!("{}: {} (line {})", finding.rule.name, finding.message, finding.span.line)
    };
    findings.iter().map(text).collect()
}
