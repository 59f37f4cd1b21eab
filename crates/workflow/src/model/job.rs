//! Jobs.

use super::step::{Defaults, Entry, Step};
use crate::availability::{
    Available, JOB, JOB_DEFAULTS, JOB_ENV, JOB_IF, JOB_OUTPUTS, JOB_SECRETS, STRATEGY, WORKFLOW,
};
use crate::source::Span;
use crate::template::{Template, Templates, Tree};
use crate::yaml::{Kind, Node};

/// One job.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its key under `jobs`.
    pub id: String,
    /// Where that stands.
    pub span: Span,
    /// Its name, where it has one.
    pub name: Option<Template>,
    /// Jobs that go before, and where they are named.
    pub needs: Vec<(String, Span)>,
    /// When it runs.
    pub condition: Option<Template>,
    /// How it multiplies.
    pub strategy: Option<Strategy>,
    /// Variables of its steps.
    pub env: Vec<Entry>,
    /// What its steps do where they do not say.
    pub defaults: Defaults,
    /// What its token may do.
    pub permissions: Option<Permissions>,
    /// What it must not run beside of.
    pub concurrency: Option<Concurrency>,
    /// How long it may take.
    pub timeout_minutes: Option<Template>,
    /// Whether its failure is none of the workflow's.
    pub continue_on_error: Option<Template>,
    /// What later jobs see.
    pub outputs: Vec<Entry>,
    /// Where it would run.
    pub runs_on: Option<Tree>,
    /// The image it would run in, and where that is said.
    pub container: Option<(Tree, Span)>,
    /// The services beside it, and where they stand.
    pub services: Vec<(String, Span)>,
    /// The environment that it deploys to.
    pub environment: Option<Tree>,
    /// What it does.
    pub body: Body,
}

/// What a job does.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// Its own steps.
    Steps(Vec<Step>),
    /// A reusable workflow.
    Call(Call),
}

/// A call of a reusable workflow.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Which.
    pub uses: String,
    /// Where that stands.
    pub span: Span,
    /// Its inputs.
    pub with: Vec<(String, Span, Tree)>,
    /// Its secrets.
    pub secrets: Vec<Entry>,
    /// Whether it sees all of the caller's secrets.
    pub inherit: bool,
}

/// `strategy`.
#[derive(Debug, Clone, PartialEq)]
pub struct Strategy {
    /// The matrix, and where it stands.
    pub matrix: Option<(Tree, Span)>,
    /// Whether one failure stops the others.
    pub fail_fast: Option<Template>,
    /// How many run at once.
    pub max_parallel: Option<Template>,
}

/// `permissions`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Permissions {
    /// `read-all` or `write-all`.
    All(String),
    /// By scope.
    Scopes(Vec<(String, String)>),
}

/// `concurrency`.
#[derive(Debug, Clone, PartialEq)]
pub struct Concurrency {
    /// Where it stands.
    pub span: Span,
    /// The name of the lock.
    pub group: Template,
    /// Whether a newer run stops this one.
    pub cancel_in_progress: Option<Template>,
}

const KEYS: [&str; 18] = [
    "name",
    "needs",
    "if",
    "strategy",
    "env",
    "defaults",
    "permissions",
    "concurrency",
    "timeout-minutes",
    "continue-on-error",
    "outputs",
    "runs-on",
    "container",
    "services",
    "environment",
    "steps",
    "uses",
    "with",
];
const SCOPES: [&str; 16] = [
    "actions",
    "artifact-metadata",
    "attestations",
    "checks",
    "contents",
    "deployments",
    "discussions",
    "id-token",
    "issues",
    "models",
    "packages",
    "pages",
    "pull-requests",
    "repository-projects",
    "security-events",
    "statuses",
];

impl Templates<'_> {
    pub(super) fn job(&mut self, id: &str, span: Span, node: &Node) -> Job {
        self.check_id(id, span, "job");
        let mut job = Job {
            id: id.to_owned(),
            span,
            name: None,
            needs: Vec::new(),
            condition: None,
            strategy: None,
            env: Vec::new(),
            defaults: Defaults::default(),
            permissions: None,
            concurrency: None,
            timeout_minutes: None,
            continue_on_error: None,
            outputs: Vec::new(),
            runs_on: None,
            container: None,
            services: Vec::new(),
            environment: None,
            body: Body::Steps(Vec::new()),
        };
        let known = [&KEYS[..], &["secrets"]].concat();
        let (mut uses, mut with, mut secrets, mut inherit, mut steps) =
            (None, Vec::new(), Vec::new(), false, None);
        for (key, key_span, value) in self.mapping(node, "a job", &known) {
            match key {
                "name" => job.name = Some(self.read(value, &JOB)),
                "needs" => job.needs = self.texts(value, "`needs`"),
                "if" => job.condition = self.condition(value, &JOB_IF),
                "strategy" => job.strategy = Some(self.strategy(value)),
                "env" => job.env = self.entries(value, "`env`", &JOB_ENV),
                "defaults" => job.defaults = self.defaults(value, &JOB_DEFAULTS),
                "permissions" => job.permissions = Some(self.permissions(value)),
                "concurrency" => job.concurrency = Some(self.concurrency(value, &JOB)),
                "timeout-minutes" => job.timeout_minutes = Some(self.read(value, &JOB)),
                "continue-on-error" => job.continue_on_error = Some(self.read(value, &JOB)),
                "outputs" => job.outputs = self.entries(value, "`outputs`", &JOB_OUTPUTS),
                "runs-on" => job.runs_on = Some(self.tree(value, &JOB)),
                "container" => job.container = Some((self.tree(value, &JOB_ENV), key_span)),
                "services" => {
                    let services = self.pairs(value, "`services`");
                    job.services =
                        services.iter().map(|(name, span, _)| ((*name).to_owned(), *span)).collect();
                }
                "environment" => job.environment = Some(self.tree(value, &JOB_OUTPUTS)),
                "steps" => steps = Some((self.steps(value, false), key_span)),
                "uses" => uses = Some((self.string(value, "`uses`"), value.span)),
                "with" => {
                    let pairs = self.pairs(value, "`with`");
                    with = pairs.into_iter().map(|(k, s, v)| (k.to_owned(), s, self.tree(v, &JOB))).collect();
                }
                "secrets" if value.text() == Some("inherit") => inherit = true,
                "secrets" => secrets = self.entries(value, "`secrets`", &JOB_SECRETS),
                _ => {}
            }
        }
        match (uses, steps) {
            (Some((uses, span)), None) => {
                if !uses.starts_with("./") && !uses.contains('@') {
                    self.fault(span, format!("`{uses}` is no reusable workflow: ./.github/workflows/FILE or owner/repo/.github/workflows/FILE@ref"));
                }
                job.body = Body::Call(Call { uses, span, with, secrets, inherit });
            }
            (Some(_), Some((_, span))) => self.fault(span, "a job has `steps` or `uses`, not both"),
            (None, Some((steps, _))) => {
                if job.runs_on.is_none() {
                    self.fault(span, "Required property is missing: runs-on");
                }
                job.body = Body::Steps(steps);
            }
            (None, None) => self.fault(span, format!("the job `{id}` has neither `steps` nor `uses`")),
        }
        job
    }

    /// The steps of a job or of a composite action.
    pub(crate) fn steps(&mut self, node: &Node, composite: bool) -> Vec<Step> {
        let Kind::Sequence(items) = &node.kind else {
            self.fault(node.span, format!("`steps` must be a list, and this is {}", node.described()));
            return Vec::new();
        };
        if items.is_empty() {
            self.fault(node.span, "`steps` is empty");
        }
        let steps: Vec<Step> = items.iter().filter_map(|item| self.step(item, composite)).collect();
        for (at, step) in steps.iter().enumerate() {
            let same = |other: &Step| other.id.is_some() && other.id == step.id;
            if steps[..at].iter().any(same) {
                let id = step.id.as_deref().unwrap_or_default();
                self.fault(
                    step.span,
                    format!("The identifier '{id}' may not be used more than once within the same scope"),
                );
            }
        }
        steps
    }

    fn strategy(&mut self, node: &Node) -> Strategy {
        let mut strategy = Strategy { matrix: None, fail_fast: None, max_parallel: None };
        for (key, span, value) in self.mapping(node, "`strategy`", &["matrix", "fail-fast", "max-parallel"]) {
            match key {
                "matrix" => strategy.matrix = Some((self.tree(value, &STRATEGY), span)),
                "fail-fast" => strategy.fail_fast = Some(self.read(value, &STRATEGY)),
                "max-parallel" => strategy.max_parallel = Some(self.read(value, &STRATEGY)),
                _ => {}
            }
        }
        strategy
    }

    pub(super) fn permissions(&mut self, node: &Node) -> Permissions {
        if let Some(text) = node.text().filter(|_| !node.is_null()) {
            if !["read-all", "write-all"].contains(&text) {
                self.fault(node.span, format!("`{text}` is neither `read-all` nor `write-all`"));
            }
            return Permissions::All(text.to_owned());
        }
        let mut scopes = Vec::new();
        for (scope, _, value) in self.mapping(node, "`permissions`", &SCOPES) {
            let level = self.string(value, "a permission");
            if !["read", "write", "none"].contains(&level.as_str()) {
                self.fault(value.span, format!("`{level}` is none of read, write, none"));
            }
            scopes.push((scope.to_owned(), level));
        }
        Permissions::Scopes(scopes)
    }

    pub(super) fn concurrency(&mut self, node: &Node, available: &Available) -> Concurrency {
        let span = node.span;
        if node.text().is_some() {
            return Concurrency { span, group: self.read(node, available), cancel_in_progress: None };
        }
        let (mut group, mut cancel_in_progress) = (None, None);
        for (key, _, value) in self.mapping(node, "`concurrency`", &["group", "cancel-in-progress"]) {
            match key {
                "group" => group = Some(self.read(value, available)),
                _ => cancel_in_progress = Some(self.read(value, available)),
            }
        }
        let group = group.unwrap_or_else(|| {
            self.fault(span, "Required property is missing: group");
            Template::literal("", span)
        });
        Concurrency { span, group, cancel_in_progress }
    }

    pub(super) fn workflow_concurrency(&mut self, node: &Node) -> Concurrency {
        self.concurrency(node, &WORKFLOW)
    }
}
