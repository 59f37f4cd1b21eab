//! Finds out what the drafts without a stage below them start from: nothing, an image, or files.

use std::collections::{BTreeMap, HashMap};

use wharf_dockerfile::lint::found;
use wharf_dockerfile::{Lexer, parse_trigger};
use wharf_oci::{ContainerConfig, ImageConfig, Platform, Reference};

use super::checks::Checks;
use super::contexts::Contexts;
use super::env::DEFAULT_PATH;
use super::graph::Graph;
use super::history;
use super::{BaseImage, BaseRef, ContextKind, PinnedImage, PlanError, Problem, Request, Resolve, Source};

/// What a draft starts from.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    /// Its files: never [`Source::Stage`] or [`Source::Context`].
    pub(super) source: Source,
    /// Its config, without triggers and without the time it was made.
    pub(super) config: ImageConfig,
    /// The triggers it had.
    pub(super) triggers: Vec<String>,
    /// What its steps run on.
    pub(super) platform: Platform,
    /// How each of its layers came to be, lowest first.
    pub(super) layers: Vec<String>,
    /// It is an image that the `FROM` itself names.
    pub(super) is_pulled: bool,
}

/// Resolves bases until triggers bring in nothing new.
pub(super) struct Bases<'a> {
    request: &'a Request,
    contexts: &'a Contexts<'a>,
    lexer: Lexer,
    checks: &'a Checks<'a>,
    resolve: Resolve<'a>,
    known: HashMap<BaseRef, BaseImage>,
}

/// A draft and what it needs to ask for.
struct Wanted {
    draft: usize,
    reference: BaseRef,
}

impl<'a> Bases<'a> {
    pub(super) fn new(
        request: &'a Request,
        contexts: &'a Contexts<'a>,
        lexer: Lexer,
        checks: &'a Checks<'a>,
        resolve: Resolve<'a>,
    ) -> Self {
        Self { request, contexts, lexer, checks, resolve, known: HashMap::new() }
    }

    /// The origins of all drafts that `needed` asks for and that have no stage below them. The triggers of
    /// base images and base stages become commands of the drafts, and what those use is resolved too.
    pub(super) fn settle(
        &mut self,
        graph: &mut Graph,
        needed: &dyn Fn(&Graph) -> Vec<bool>,
    ) -> Result<Vec<Option<Origin>>, PlanError> {
        let mut origins: Vec<Option<Origin>> = Vec::new();
        let mut triggered: Vec<bool> = Vec::new();
        loop {
            let reached = needed(graph);
            origins.resize(graph.drafts.len(), None);
            triggered.resize(graph.drafts.len(), false);
            self.find_origins(graph, &reached, &mut origins)?;
            let mut grown = false;
            for index in (0..reached.len()).filter(|index| reached[*index]) {
                // What stands for an image has no steps, so that image's triggers are nobody's.
                let has_steps = graph.drafts[index].is_stage();
                if has_steps && !std::mem::replace(&mut triggered[index], true) {
                    grown |= self.pull_triggers(graph, index, origins[index].as_ref())?;
                }
            }
            if !grown {
                return Ok(origins);
            }
        }
    }

    fn find_origins(
        &mut self,
        graph: &Graph,
        reached: &[bool],
        origins: &mut [Option<Origin>],
    ) -> Result<(), PlanError> {
        let mut wanted = Vec::new();
        for (draft, known) in origins.iter_mut().enumerate() {
            if known.is_some() || graph.drafts[draft].base.is_some() {
                continue;
            }
            let location = &graph.drafts[draft].location;
            match self.without_asking(graph, draft, reached[draft]) {
                Ok(Found::Origin(origin)) => *known = Some(*origin),
                Ok(Found::Ask(reference)) => wanted.push(Wanted { draft, reference: *reference }),
                Ok(Found::NotNeeded) => {}
                Err(problem) => return Err(PlanError::from(problem).at(location.span, &location.text)),
            }
        }
        self.ask(graph, &wanted)?;
        for Wanted { draft, reference } in wanted {
            origins[draft] =
                self.known.get(&reference).map(|image| self.image_origin(graph, draft, &reference, image));
        }
        Ok(())
    }

    /// What can be said of a draft from its name alone.
    fn without_asking(&self, graph: &Graph, index: usize, reached: bool) -> Result<Found, Problem> {
        let draft = &graph.drafts[index];
        let target = self.request.target_platform();
        if let Some(context) = &draft.replaced_by {
            let platform = draft.platform.as_ref().unwrap_or(target);
            return Ok(if reached {
                self.context_origin(context, platform, false)
            } else {
                Found::NotNeeded
            });
        }
        if draft.base_name == "scratch" {
            return Ok(Found::Origin(Box::new(Origin::empty(Source::Scratch, target))));
        }
        let reference: Reference = draft.base_name.parse().map_err(|source| Problem::Reference {
            name: draft.base_name.clone(),
            nearest: super::nearest(&draft.base_name, graph.labels()),
            source,
        })?;
        if !reached {
            return Ok(Found::NotNeeded);
        }
        let platform = draft.platform.as_ref().unwrap_or(target);
        if let Some(context) = self.contexts.find(&draft.base_name)? {
            return Ok(self.context_origin(context, platform, true));
        }
        let reference = match (reference.tag(), reference.digest()) {
            (None, None) => reference.with_tag("latest").unwrap_or(reference),
            _ => reference,
        };
        Ok(Found::Ask(Box::new(BaseRef::Image { reference, platform: platform.clone() })))
    }

    /// A named context as the base of a stage, or, where `is_base` is false, in place of a stage: then
    /// nothing is filled in that it does not say itself.
    fn context_origin(&self, name: &str, platform: &Platform, is_base: bool) -> Found {
        let source = match self.contexts.kind(name) {
            Some(ContextKind::Image) => {
                let reference = BaseRef::Context { name: name.into(), platform: platform.clone() };
                return Found::Ask(Box::new(reference));
            }
            Some(ContextKind::Scratch) => Source::Scratch,
            Some(ContextKind::Files) | None => Source::NamedContext(name.into()),
        };
        let mut origin = Origin::empty(source, platform);
        if !is_base {
            origin.config.config = ContainerConfig::default();
        }
        Found::Origin(Box::new(origin))
    }

    /// Asks for all that is not known yet, each once.
    fn ask(&mut self, graph: &Graph, wanted: &[Wanted]) -> Result<(), PlanError> {
        let mut first: BTreeMap<usize, &Wanted> = BTreeMap::new();
        let mut seen = HashMap::new();
        for item in wanted.iter().filter(|item| !self.known.contains_key(&item.reference)) {
            first.insert(*seen.entry(&item.reference).or_insert(item.draft), item);
        }
        if first.is_empty() {
            return Ok(());
        }
        let references: Vec<BaseRef> = first.values().map(|item| item.reference.clone()).collect();
        for ((draft, item), answer) in first.into_iter().zip((self.resolve)(&references)) {
            let draft = &graph.drafts[draft];
            let image = answer.map_err(|source| {
                PlanError::from(Problem::Base {
                    name: draft.base_name.clone(),
                    reference: item.reference.to_string(),
                    nearest: super::nearest(&draft.base_name, graph.labels()),
                    source,
                })
                .at(draft.location.span, &draft.location.text)
            })?;
            self.known.insert(item.reference.clone(), image);
        }
        Ok(())
    }

    fn image_origin(&self, graph: &Graph, index: usize, reference: &BaseRef, image: &BaseImage) -> Origin {
        let draft = &graph.drafts[index];
        let (BaseRef::Image { platform, .. } | BaseRef::Context { platform, .. }) = reference;
        let actual = image.config.platform();
        let is_pulled = matches!(reference, BaseRef::Image { .. }) && has_layers(&image.config);
        if is_pulled {
            self.checks.report(found::base_platform(
                &draft.base_name,
                platform,
                &actual,
                draft.location.span,
            ));
        }
        let mut config = inherited(&image.config);
        let layer = format!("pulled from {reference}@{}", image.digest);
        let layers = vec![layer; config.rootfs.diff_ids.len()];
        let triggers = config.config.on_build.take().unwrap_or_default();
        Origin {
            source: Source::Image(PinnedImage {
                reference: reference.to_string(),
                digest: image.digest.clone(),
                platform: platform.clone(),
            }),
            config,
            triggers,
            platform: if draft.replaced_by.is_some() { actual } else { platform.clone() },
            layers,
            is_pulled,
        }
    }

    /// Puts the triggers of what `index` starts from before its own instructions. Tells whether they take
    /// files from elsewhere.
    fn pull_triggers(
        &self,
        graph: &mut Graph,
        index: usize,
        origin: Option<&Origin>,
    ) -> Result<bool, PlanError> {
        let triggers: Vec<String> = match (origin, graph.drafts[index].base) {
            (Some(origin), _) => origin.triggers.clone(),
            (None, Some(base)) => graph.drafts[base].recorded_triggers(),
            (None, None) => Vec::new(),
        };
        let location = graph.drafts[index].location.clone();
        let mut commands = Vec::with_capacity(triggers.len());
        for trigger in triggers {
            let mut instruction = parse_trigger(&trigger).map_err(|source| {
                PlanError::from(Problem::Trigger { trigger, source }).at(location.span, &location.text)
            })?;
            instruction.span = location.span;
            commands.push(graph.command(instruction, self.lexer, true)?);
        }
        let uses_more = commands.iter().any(|command| !command.sources.is_empty());
        graph.drafts[index].commands.splice(0..0, commands);
        Ok(uses_more)
    }
}

/// What is taken over from a base image's config: all that BuildKit knows of, and nothing that is empty. What
/// else other builders write there describes their image and not the one that is built on it.
fn inherited(base: &ImageConfig) -> ImageConfig {
    fn said<T>(list: &mut Option<Vec<T>>) {
        *list = list.take().filter(|list| !list.is_empty());
    }
    let mut image = base.clone();
    image.created = None;
    image.other.retain(|key, _| key == "os.features");
    let config = &mut image.config;
    config.other.clear();
    said(&mut config.env);
    said(&mut config.cmd);
    said(&mut config.entrypoint);
    said(&mut config.shell);
    config.stop_signal = config.stop_signal.take().filter(|signal| !signal.is_empty());
    image
}

/// Whether an image brings files. Old images list none of their layers, but their history shows them.
fn has_layers(image: &ImageConfig) -> bool {
    !image.rootfs.diff_ids.is_empty() || image.history.iter().any(|line| !line.empty_layer)
}

enum Found {
    Origin(Box<Origin>),
    Ask(Box<BaseRef>),
    NotNeeded,
}

impl Origin {
    /// What `FROM scratch` starts from.
    fn empty(source: Source, platform: &Platform) -> Self {
        let mut config = ImageConfig::empty(platform);
        config.config.working_dir = "/".into();
        config.config.env = Some(vec![DEFAULT_PATH.into()]);
        let layers = match &source {
            Source::NamedContext(name) => vec![format!("local source for {name}")],
            _ => Vec::new(),
        };
        Self { source, config, triggers: Vec::new(), platform: platform.clone(), layers, is_pulled: false }
    }

    /// The image that it is.
    pub(super) fn to_image(&self) -> ImageConfig {
        let mut image = self.config.clone();
        history::complete(&mut image.history, &self.layers);
        image
    }
}
