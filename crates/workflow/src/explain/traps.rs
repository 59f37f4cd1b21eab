//! What goes wrong in workflows of this kind, found where it stands.

use serde_json::Value;

use super::script;
use super::simulate::{is, secrets_in};
use super::{EventPlan, JobPlan, Trap};
use crate::event::Event;
use crate::expr::{Expr, ExprKind, Function};
use crate::model::{Body, Job, Step, StepKind, Workflow};
use crate::source::Span;

/// The traps of one workflow.
pub(super) struct Traps<'a> {
    workflow: &'a Workflow,
    found: Vec<Trap>,
    /// Logins that an event leaves out: event, ref, line.
    skipped_logins: Vec<(String, usize)>,
}

impl<'a> Traps<'a> {
    pub(super) fn new(workflow: &'a Workflow) -> Self {
        Self { workflow, found: Vec::new(), skipped_logins: Vec::new() }
    }

    /// All of them, in the order of the file.
    pub(super) fn finish(mut self) -> Vec<Trap> {
        self.found.sort_by_key(|trap| (trap.place, trap.rule));
        self.found
    }

    fn add(&mut self, rule: &'static str, level: &'static str, span: Span, message: String, advice: &str) {
        let place = self.workflow.source.place(span.start);
        // Several events may fall into one trap; it is told once.
        if !self.found.iter().any(|trap| trap.rule == rule && trap.place == place) {
            self.found.push(Trap { rule, level, place, span, message, advice: advice.to_owned() });
        }
    }

    /// The place of the first line of a step that holds `text`; the step's own without one.
    fn line_in(&self, step: &Step, text: &[&str]) -> Span {
        let from = step.span.start;
        let slice = self.workflow.source.slice(step.span);
        let mut at = from;
        for line in slice.split_inclusive('\n') {
            if text.iter().any(|text| line.contains(text)) {
                let indent = line.len() - line.trim_start().len();
                return Span::new(at + indent, at + line.trim_end().len());
            }
            at += line.len();
        }
        Span::new(from, from + slice.find('\n').unwrap_or(slice.len()))
    }

    pub(super) fn login_skipped(&mut self, event: &Event, step: &Step) {
        let line = self.workflow.source.place(step.span.start).line;
        self.skipped_logins.push((event.name.clone(), line));
    }

    /// Tags that a metadata step makes.
    pub(super) fn tagged(&mut self, event: &Event, step: &Step, tags: &str) {
        if !tags.lines().any(|tag| tag.rsplit('/').next().is_some_and(|tag| tag.contains(":-"))) {
            return;
        }
        let span = self.line_in(step, &["prefix={{branch}}", "prefix={{tag}}", "prefix={{base_ref}}"]);
        self.add(
            "empty-prefix",
            "error",
            span,
            format!("the prefix is empty on {}: the tag begins with `-`, which is no tag, and the build stops", described(event)),
            "take another prefix, `prefix=sha-`, or leave the rule out there: `enable=${{ startsWith(github.ref, 'refs/heads/') }}`",
        );
    }

    /// An image that is built.
    pub(super) fn built(&mut self, event: &Event, step: &Step, tags: &[String], push: bool) {
        let slice = self.workflow.source.slice(step.span).to_owned();
        if !slice.contains("context:") {
            let span = self.line_in(step, &["uses:"]);
            self.add(
                "git-context",
                "note",
                span,
                "without `context`, the commit is built from git and not from the workspace: what earlier steps made is not in it".into(),
                "say `context: .` to build what is checked out",
            );
        }
        if push && tags.is_empty() {
            let span = self.line_in(step, &["tags:", "uses:"]);
            self.add(
                "no-tags",
                "error",
                span,
                format!("there are no tags on {}, and a push needs one", described(event)),
                "give a rule that makes a tag for this event",
            );
        }
    }

    /// A cache that is written.
    pub(super) fn cached(&mut self, event: &Event, step: &Step, reference: &str, plan: &JobPlan) {
        if logged_in(reference, plan) {
            return;
        }
        let span = self.line_in(step, &["cache-to"]);
        let login = self.skipped_logins.iter().find(|(name, _)| *name == event.name);
        let why = login
            .map_or("nothing logs in".to_owned(), |(_, line)| format!("the login of line {line} is skipped"));
        self.add(
            "cache-without-login",
            "error",
            span,
            format!("on {} {why}, and the export of the cache to {} needs a login: the step fails", described(event), host(reference)),
            "export only where the login runs: `cache-to: ${{ github.event_name != 'pull_request' && 'type=registry,…' || '' }}`",
        );
    }

    /// A name that is pushed.
    pub(super) fn pushed(&mut self, event: &Event, step: &Step, name: &str, plan: &JobPlan) {
        let default = event.payload["repository"]["default_branch"].as_str().unwrap_or("main");
        let is_latest = name.ends_with(":latest")
            || (!name.rsplit('/').next().unwrap_or_default().contains(':') && !name.contains('@'));
        let ends_alike = event.branch().is_some_and(|branch| branch != default && branch.ends_with(default));
        if is_latest && ends_alike {
            let span = self.line_in(step, &["tags:", ":latest", "docker push"]);
            self.add(
                "latest-by-suffix",
                "error",
                span,
                format!("a push to `{}` moves `latest`, though it is not the default branch", event.branch().unwrap_or_default()),
                "compare the whole ref: github.ref == format('refs/heads/{0}', github.event.repository.default_branch)",
            );
        }
        if is_latest && event.name == "pull_request_target" {
            let span = self.line_in(step, &["tags:", ":latest", "docker push"]);
            self.add(
                "latest-from-pull-request",
                "error",
                span,
                "on pull_request_target `github.ref` is the base branch: `latest` becomes the image of a pull request".into(),
                "ask for github.event_name == 'push' as well",
            );
        }
        if !name.contains('$') && !logged_in(name, plan) {
            let span = self.line_in(step, &["push"]);
            self.add(
                "push-without-login",
                "warning",
                span,
                format!("on {} nothing logs in to {} before the push", described(event), host(name)),
                "log in before it, under the same condition",
            );
        }
    }

    /// An image that is scanned.
    pub(super) fn scanned(&mut self, event: &Event, step: &Step, image: &str, plan: &JobPlan) {
        let span = self.line_in(step, &["image-ref"]);
        let shown = super::simulate::shown(image);
        let pinned = "scan what was built, by digest and before the push: image-ref: NAME@${{ steps.build.outputs.digest }}, or `load: true` and scan first";
        if !plan.tags.contains(&shown) {
            let message = format!(
                "on {} this run does not build `{shown}`: the scan looks at the image of an earlier run, or at none",
                described(event)
            );
            self.add("scan-of-another-image", "error", span, message, pinned);
        } else if !plan.pushes.contains(&shown) {
            let message = format!(
                "on {} `{shown}` is never pushed, and the scan looks for it in the registry",
                described(event)
            );
            self.add("scan-of-unpushed-image", "error", span, message, pinned);
        } else if image.ends_with(":latest") {
            let message = format!(
                "`{shown}` is scanned after it was pushed: a bad image is published before anybody looks, and another run may have moved `latest`"
            );
            self.add("scan-after-push", "warning", span, message, pinned);
        }
    }

    /// What can be seen without an event.
    pub(super) fn look(&mut self, events: &[EventPlan]) {
        for job in &self.workflow.jobs {
            if let Body::Steps(steps) = &job.body {
                for step in steps {
                    self.mutable(step);
                    self.suffixes(step);
                    self.unheeded_scan(step, steps);
                }
                self.unset(job, steps);
                self.forks(job, steps);
            }
            self.races(job, events);
        }
    }

    fn mutable(&mut self, step: &Step) {
        let StepKind::Uses { action, span, .. } = &step.kind else { return };
        let Some((name, reference)) = action.split_once('@') else { return };
        let pinned = reference.len() == 40 && reference.bytes().all(|b| b.is_ascii_hexdigit());
        if pinned || action.starts_with("./") {
            return;
        }
        let is_version = reference.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit());
        let (level, what) = if is_version {
            ("warning", "a tag, which may be moved to other code")
        } else {
            ("error", "a branch, which is other code every day")
        };
        self.add(
            "mutable-ref",
            level,
            *span,
            format!("`{name}@{reference}` is {what}"),
            &format!("pin the commit and keep the name beside it: {name}@<40-digit SHA> # {reference}"),
        );
    }

    /// `endsWith(github.ref, 'main')` and the like.
    fn suffixes(&mut self, step: &Step) {
        let mut found = Vec::new();
        for template in step.templates() {
            for (expr, at) in template.exprs() {
                expr.walk(&mut |expr| {
                    if let Some(text) = suffix(expr) {
                        found.push((Span::new(at + expr.span.start, at + expr.span.end), text));
                    }
                });
            }
        }
        if let StepKind::Run { script, .. } = &step.kind
            && let Some(word) = ["${GITHUB_REF##*/}", "${{ github.ref##", "rev-parse --abbrev-ref"]
                .into_iter()
                .find(|word| script.raw.contains(word))
                .filter(|word| word.contains("##*/"))
        {
            found.push((self.line_in(step, &[word]), word.to_owned()));
        }
        for (span, text) in found {
            self.add(
                "ref-by-suffix",
                "warning",
                span,
                format!("`{text}` also holds for branches that only end in the name, such as feature/main"),
                "compare the whole ref: github.ref == 'refs/heads/main'",
            );
        }
    }

    fn unheeded_scan(&mut self, step: &Step, steps: &[Step]) {
        let StepKind::Uses { action, with, .. } = &step.kind else { return };
        if !is(action, "aquasecurity/trivy-action") {
            return;
        }
        let input = |name: &str| {
            with.iter().find(|entry| entry.name == name).map_or("", |entry| entry.value.raw.trim())
        };
        let uploads = steps.iter().any(|step| matches!(&step.kind, StepKind::Uses { action, .. } if is(action, "github/codeql-action/upload-sarif")));
        let span = self.line_in(step, &["uses:"]);
        if ["", "0"].contains(&input("exit-code")) {
            self.add(
                "scan-stops-nothing",
                "warning",
                span,
                "without `exit-code` no finding stops the run".into(),
                "say exit-code: '1'",
            );
        }
        if input("format") == "sarif" && !uploads {
            let span = self.line_in(step, &["output", "format"]);
            self.add(
                "sarif-not-uploaded",
                "note",
                span,
                "the report is written and then goes with the runner".into(),
                "upload it: github/codeql-action/upload-sarif",
            );
        }
        if input("format") == "sarif"
            && !input("severity").is_empty()
            && input("limit-severities-for-sarif") != "true"
        {
            let span = self.line_in(step, &["severity"]);
            self.add(
                "severity-ignored",
                "warning",
                span,
                "`severity` is not heeded for SARIF".into(),
                "say limit-severities-for-sarif: true",
            );
        }
    }

    /// Variables that nothing sets.
    fn unset(&mut self, job: &Job, steps: &[Step]) {
        let mut known: Vec<String> =
            self.workflow.env.iter().chain(&job.env).map(|entry| entry.name.clone()).collect();
        for step in steps {
            if let StepKind::Uses { action, .. } = &step.kind {
                for (name, exported) in EXPORTS {
                    if is(action, name) {
                        known.extend(exported.iter().map(|name| (*name).to_owned()));
                    }
                }
                continue;
            }
            let StepKind::Run { script, shell, .. } = &step.kind else { continue };
            let of_shell = shell
                .as_ref()
                .is_none_or(|shell| ["bash", "sh"].iter().any(|name| shell.raw.starts_with(name)));
            if !of_shell {
                continue;
            }
            let text: String = script
                .parts
                .iter()
                .map(|part| match part {
                    crate::template::Part::Literal(value) => crate::expr::text(value),
                    crate::template::Part::Expr(..) => "x".into(),
                })
                .collect();
            known.extend(script::set(&text));
            let own: Vec<&str> = step.env.iter().map(|entry| entry.name.as_str()).collect();
            for (name, _) in script::used(&text) {
                let is_known = known.contains(&name)
                    || own.contains(&name.as_str())
                    || RUNNER.iter().any(|prefix| name.starts_with(prefix));
                if is_known {
                    continue;
                }
                let span = self.variable(step, &name);
                let ecr = steps.iter().any(|step| matches!(&step.kind, StepKind::Uses { action, .. } if is(action, "aws-actions/amazon-ecr-login")));
                let advice = if ecr && name.contains("REGISTRY") {
                    "amazon-ecr-login sets an output, not a variable: give it an id and say ${{ steps.ID.outputs.registry }}".to_owned()
                } else {
                    format!("set it: `env: {{{name}: …}}`, or `${{{name}:-}}` where it may be missing")
                };
                self.add(
                    "unset-variable",
                    "error",
                    span,
                    format!("`${name}` is set nowhere, and is empty"),
                    &advice,
                );
            }
        }
    }

    fn variable(&self, step: &Step, name: &str) -> Span {
        let slice = self.workflow.source.slice(step.span);
        let at = [format!("${name}"), format!("${{{name}}}")]
            .iter()
            .filter_map(|text| slice.find(text.as_str()).map(|at| (at, text.len())))
            .min();
        at.map_or(step.span, |(at, length)| Span::new(step.span.start + at, step.span.start + at + length))
    }

    /// Secrets that code of a fork may read.
    fn forks(&mut self, job: &Job, steps: &[Step]) {
        let Some(trigger) = self
            .workflow
            .triggers
            .iter()
            .find(|trigger| ["pull_request_target", "workflow_run"].contains(&trigger.event.as_str()))
        else {
            return;
        };
        let checkout = steps.iter().find(|step| {
            matches!(&step.kind, StepKind::Uses { action, with, .. } if is(action, "actions/checkout")
                && with.iter().any(|entry| entry.name == "ref" && (entry.value.raw.contains("head") || entry.value.raw.contains("pull"))))
        });
        let uses_secrets = job.templates().iter().any(|template| !secrets_in(template).is_empty());
        match checkout {
            Some(step) => {
                let span = self.line_in(step, &["ref:"]);
                self.add(
                    "secrets-from-fork",
                    "error",
                    span,
                    format!("`{}` runs with the repository's secrets and its token, and this checks out the code of whoever opened the pull request", trigger.event),
                    "build pull requests under `pull_request`, without secrets; push from a workflow of the default branch",
                );
            }
            None if uses_secrets => {
                let (span, event) = (trigger.span, trigger.event.clone());
                self.add(
                    "secrets-from-fork",
                    "warning",
                    span,
                    format!(
                        "`{event}` gives pull requests from forks the secrets that the job `{}` uses",
                        job.id
                    ),
                    "use `pull_request`, under which forks get no secrets",
                );
            }
            None => {}
        }
    }

    /// Tags that move, and runs that may overtake each other.
    fn races(&mut self, job: &Job, events: &[EventPlan]) {
        if job.concurrency.is_some() || self.workflow.concurrency.is_some() {
            return;
        }
        let plans = events.iter().flat_map(|event| &event.jobs).filter(|plan| plan.id == job.id);
        let rolling: Vec<String> =
            plans.flat_map(|plan| &plan.pushes).filter(|name| rolls(name)).cloned().collect();
        if let Some(name) = rolling.first() {
            self.add(
                "no-concurrency",
                "warning",
                job.span,
                format!("two runs may push `{name}` at once, and the older may win"),
                "concurrency: {group: \"${{ github.workflow }}-${{ github.ref }}\", cancel-in-progress: false}",
            );
        }
    }
}

/// What the runner sets.
const RUNNER: [&str; 22] = [
    "GITHUB_",
    "RUNNER_",
    "ACTIONS_",
    "CI",
    "HOME",
    "PATH",
    "PWD",
    "OLDPWD",
    "USER",
    "SHELL",
    "HOSTNAME",
    "LANG",
    "LC_",
    "TMPDIR",
    "IFS",
    "RANDOM",
    "SECONDS",
    "BASH",
    "DOCKER_CONFIG",
    "JAVA_HOME",
    "LINENO",
    "XDG_",
];
/// What actions set.
const EXPORTS: [(&str, &[&str]); 4] = [
    (
        "aws-actions/configure-aws-credentials",
        &[
            "AWS_REGION",
            "AWS_DEFAULT_REGION",
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
        ],
    ),
    (
        "google-github-actions/auth",
        &[
            "GOOGLE_APPLICATION_CREDENTIALS",
            "GOOGLE_GHA_CREDS_PATH",
            "CLOUDSDK_CORE_PROJECT",
            "GCP_PROJECT",
            "GCLOUD_PROJECT",
            "GOOGLE_CLOUD_PROJECT",
        ],
    ),
    (
        "docker/metadata-action",
        &[
            "DOCKER_METADATA_OUTPUT_VERSION",
            "DOCKER_METADATA_OUTPUT_TAGS",
            "DOCKER_METADATA_OUTPUT_LABELS",
            "DOCKER_METADATA_OUTPUT_JSON",
            "DOCKER_METADATA_OUTPUT_ANNOTATIONS",
        ],
    ),
    ("actions/setup-python", &["pythonLocation", "PKG_CONFIG_PATH"]),
];

/// A test of a ref by its end or by a part of it.
fn suffix(expr: &Expr) -> Option<String> {
    let ExprKind::Call(function @ (Function::EndsWith | Function::Contains), arguments) = &expr.kind else {
        return None;
    };
    let [subject, text] = arguments.as_slice() else { return None };
    let path = subject.path()?.join(".");
    let ExprKind::Literal(Value::String(text)) = &text.kind else { return None };
    let of_ref =
        ["github.ref", "github.ref_name", "github.head_ref", "github.base_ref"].contains(&path.as_str());
    (of_ref && !text.starts_with("refs/") && !text.is_empty())
        .then(|| format!("{}({path}, '{text}')", function.name()))
}

/// Whether a name is expected to move: neither a full version nor a commit.
fn rolls(name: &str) -> bool {
    let Some((_, tag)) = name.rsplit('/').next().unwrap_or_default().split_once(':') else { return true };
    let version = tag.trim_start_matches('v').split(['-', '+']).next().unwrap_or_default();
    let is_version =
        version.split('.').count() == 3 && version.split('.').all(|part| part.parse::<u64>().is_ok());
    !is_version && !tag.contains("{sha}") && !tag.contains("{short}") && !tag.contains("${")
}

fn host(reference: &str) -> String {
    match reference.split_once('/') {
        Some((host, _)) if host.contains(['.', ':', '$']) || host == "localhost" => host.to_owned(),
        _ => "docker.io".into(),
    }
}

fn logged_in(reference: &str, plan: &JobPlan) -> bool {
    let host = host(reference);
    let is_ecr = host.contains(".dkr.ecr.");
    host.contains('$')
        || host.starts_with("localhost")
        || host.starts_with("127.")
        || plan.logins.iter().any(|login| {
            *login == host
                || login.contains('$')
                || is_ecr && login == "ecr"
                || host == "docker.io" && login.ends_with("docker.io/v1/")
        })
}

fn described(event: &Event) -> String {
    match (event.tag(), event.branch()) {
        _ if event.is_pull_request() => "pull requests".into(),
        (Some(_), _) => "tags".into(),
        (None, Some(branch)) => format!("pushes to {branch}"),
        (None, None) => event.name.clone(),
    }
}

/// Every rule with what it is about.
pub(super) const RULES: [(&str, &str); 18] = [
    ("empty-prefix", "A tag rule's prefix is empty for some events"),
    ("git-context", "The build takes the commit and not the workspace"),
    ("no-tags", "A push has no tags for some events"),
    ("cache-without-login", "A cache is exported where nothing logs in"),
    ("latest-by-suffix", "A branch that only ends in the default branch's name moves latest"),
    ("latest-from-pull-request", "A pull request moves latest"),
    ("push-without-login", "An image is pushed where nothing logs in"),
    ("scan-of-another-image", "The scan looks at an image of an earlier run"),
    ("scan-of-unpushed-image", "The scan looks for an image that was not pushed"),
    ("scan-after-push", "The scan comes after the push"),
    ("mutable-ref", "An action is named by something that can be moved"),
    ("ref-by-suffix", "A ref is compared by its end"),
    ("scan-stops-nothing", "No finding stops the run"),
    ("sarif-not-uploaded", "A report is written and lost"),
    ("severity-ignored", "A severity is not heeded"),
    ("unset-variable", "A variable is set nowhere"),
    ("secrets-from-fork", "Code of a fork may read secrets"),
    ("no-concurrency", "Two runs may move one tag at once"),
];
