//! `on`: what starts a workflow.

use serde_json::Value;

use crate::availability::WORKFLOW;
use crate::glob::Patterns;
use crate::source::Span;
use crate::template::{Templates, Tree};
use crate::yaml::{Kind, Node};

/// One event that starts the workflow, with its filters.
#[derive(Debug, Clone)]
pub struct Trigger {
    /// The event.
    pub event: String,
    /// Where it stands.
    pub span: Span,
    /// Of these activity types only; none is the event's own default.
    pub types: Option<Vec<String>>,
    /// What refs and paths it is for.
    pub filters: Filters,
    /// The times of `schedule`.
    pub crons: Vec<String>,
    /// The inputs of `workflow_dispatch` and `workflow_call`.
    pub inputs: Vec<Input>,
    /// The secrets of `workflow_call`, and whether they must be there.
    pub secrets: Vec<(String, bool)>,
}

/// Filters on refs and paths.
#[derive(Debug, Clone, Default)]
pub struct Filters {
    /// `branches`.
    pub branches: Option<Patterns>,
    /// `branches-ignore`.
    pub branches_ignore: Option<Patterns>,
    /// `tags`.
    pub tags: Option<Patterns>,
    /// `tags-ignore`.
    pub tags_ignore: Option<Patterns>,
    /// `paths`.
    pub paths: Option<Patterns>,
    /// `paths-ignore`.
    pub paths_ignore: Option<Patterns>,
    /// The branch patterns as written.
    pub branch_texts: Vec<String>,
    /// The tag patterns as written.
    pub tag_texts: Vec<String>,
}

/// An input of a workflow.
#[derive(Debug, Clone)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// What it may be.
    pub kind: InputType,
    /// Whether it must be given.
    pub required: bool,
    /// What it is where it is not given.
    pub default: Option<Tree>,
}

/// What an input may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputType {
    /// A text.
    String,
    /// `true` or `false`.
    Boolean,
    /// A number.
    Number,
    /// One of these.
    Choice(Vec<String>),
    /// The name of an environment.
    Environment,
}

const EVENTS: [&str; 37] = [
    "push",
    "pull_request",
    "pull_request_target",
    "release",
    "schedule",
    "workflow_dispatch",
    "workflow_call",
    "workflow_run",
    "repository_dispatch",
    "branch_protection_rule",
    "check_run",
    "check_suite",
    "create",
    "delete",
    "deployment",
    "deployment_status",
    "discussion",
    "discussion_comment",
    "fork",
    "gollum",
    "image_version",
    "issue_comment",
    "issues",
    "label",
    "merge_group",
    "milestone",
    "page_build",
    "project",
    "project_card",
    "project_column",
    "public",
    "pull_request_comment",
    "pull_request_review",
    "pull_request_review_comment",
    "registry_package",
    "status",
    "watch",
];

impl Templates<'_> {
    pub(super) fn triggers(&mut self, node: &Node) -> Vec<Trigger> {
        match &node.kind {
            Kind::Mapping(pairs) => pairs
                .iter()
                .map(|(key, value)| self.trigger(key.text().unwrap_or_default(), key.span, Some(value)))
                .collect(),
            _ => {
                let events = self.texts(node, "`on`");
                if events.is_empty() {
                    self.fault(node.span, "`on` names no event");
                }
                events.into_iter().map(|(event, span)| self.trigger(&event, span, None)).collect()
            }
        }
    }

    fn trigger(&mut self, event: &str, span: Span, node: Option<&Node>) -> Trigger {
        let mut trigger = Trigger {
            event: event.to_owned(),
            span,
            types: None,
            filters: Filters::default(),
            crons: Vec::new(),
            inputs: Vec::new(),
            secrets: Vec::new(),
        };
        if !EVENTS.contains(&event) {
            let near = EVENTS.iter().map(|known| (strsim::damerau_levenshtein(known, event), *known)).min();
            let fault = crate::source::Fault::new(
                span,
                format!("Unexpected value '{event}': no event has this name"),
            );
            self.faults.push(match near {
                Some((distance, near)) if distance <= 3 => fault.hint(format!("did you mean `{near}`?")),
                _ => fault,
            });
        }
        let Some(node) = node.filter(|node| !node.is_null()) else { return trigger };
        if event == "schedule" {
            trigger.crons = self.crons(node);
            return trigger;
        }
        let known: &[&str] = match event {
            "push" => &["branches", "branches-ignore", "tags", "tags-ignore", "paths", "paths-ignore"],
            "pull_request" | "pull_request_target" => {
                &["types", "branches", "branches-ignore", "paths", "paths-ignore"]
            }
            "workflow_dispatch" => &["inputs"],
            "workflow_call" => &["inputs", "secrets", "outputs"],
            "workflow_run" => &["workflows", "types", "branches", "branches-ignore"],
            _ => &["types"],
        };
        let pairs = self.mapping(node, &format!("`on.{event}`"), known);
        for (key, key_span, value) in &pairs {
            match *key {
                "types" => {
                    let types = self.texts(value, "`types`");
                    trigger.types = Some(types.into_iter().map(|(text, _)| text).collect());
                }
                "inputs" => trigger.inputs = self.inputs(value, event),
                "secrets" => {
                    for (name, _, value) in self.pairs(value, "`secrets`") {
                        let required =
                            value.get("required").is_some_and(|node| self.boolean(node, "`required`"));
                        trigger.secrets.push((name.to_owned(), required));
                    }
                }
                "outputs" | "workflows" => {}
                key if known.contains(&key) => self.filter(&mut trigger.filters, key, *key_span, value),
                _ => {}
            }
        }
        for kind in ["branches", "tags", "paths"] {
            let ignore = format!("{kind}-ignore");
            let both = pairs.iter().find(|(key, ..)| *key == ignore);
            if let (Some((_, span, _)), true) = (both, pairs.iter().any(|(key, ..)| *key == kind)) {
                self.fault(*span, format!("`{kind}` and `{ignore}` cannot both be used for one event"));
            }
        }
        trigger
    }

    fn filter(&mut self, filters: &mut Filters, key: &str, span: Span, value: &Node) {
        let texts = self.texts(value, &format!("`{key}`"));
        let mut good = Vec::new();
        for (text, span) in &texts {
            match Patterns::new([text.as_str()]) {
                Ok(_) => good.push(text.as_str()),
                Err(error) => self.fault(*span, error),
            }
        }
        let Ok(patterns) = Patterns::new(good.iter().copied()) else { return };
        if !key.ends_with("-ignore") && patterns.all_negative() {
            self.fault(
                span,
                format!(
                    "`{key}` has only patterns that take away; give one that adds, or use `{key}-ignore`"
                ),
            );
        }
        let written = || good.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        match key {
            "branches" => (filters.branches, filters.branch_texts) = (Some(patterns), written()),
            "branches-ignore" => filters.branches_ignore = Some(patterns),
            "tags" => (filters.tags, filters.tag_texts) = (Some(patterns), written()),
            "tags-ignore" => filters.tags_ignore = Some(patterns),
            "paths" => filters.paths = Some(patterns),
            _ => filters.paths_ignore = Some(patterns),
        }
    }

    fn crons(&mut self, node: &Node) -> Vec<String> {
        let Kind::Sequence(items) = &node.kind else {
            self.fault(node.span, "`schedule` must be a list of `cron`");
            return Vec::new();
        };
        let mut crons = Vec::new();
        for item in items {
            for (key, _, value) in self.mapping(item, "`schedule`", &["cron", "timezone"]) {
                if key == "cron" {
                    let cron = self.string(value, "`cron`");
                    if cron.split_whitespace().count() != 5 {
                        self.fault(
                            value.span,
                            format!("`{cron}` is no cron expression: five fields are needed"),
                        );
                    }
                    crons.push(cron);
                }
            }
        }
        crons
    }

    fn inputs(&mut self, node: &Node, event: &str) -> Vec<Input> {
        let known = ["description", "required", "default", "type", "options", "deprecationMessage"];
        let mut inputs = Vec::new();
        for (name, name_span, value) in self.pairs(node, "`inputs`") {
            let mut input =
                Input { name: name.to_owned(), kind: InputType::String, required: false, default: None };
            let (mut kind, mut options) = ("string".to_owned(), Vec::new());
            for (key, _, value) in self.mapping(value, "an input", &known) {
                match key {
                    "required" => input.required = self.boolean(value, "`required`"),
                    "default" => input.default = Some(self.tree(value, &WORKFLOW)),
                    "type" => kind = self.string(value, "`type`"),
                    "options" => options = self.texts(value, "`options`"),
                    _ => {}
                }
            }
            input.kind = match kind.as_str() {
                "string" => InputType::String,
                "boolean" => InputType::Boolean,
                "number" => InputType::Number,
                "choice" if event == "workflow_dispatch" => {
                    InputType::Choice(options.into_iter().map(|(text, _)| text).collect())
                }
                "environment" if event == "workflow_dispatch" => InputType::Environment,
                other => {
                    self.fault(name_span, format!("the type `{other}` of the input `{name}` is not known"));
                    InputType::String
                }
            };
            inputs.push(input);
        }
        inputs
    }
}

impl Input {
    /// A given value as the input's type.
    ///
    /// # Errors
    /// Why it is none.
    pub fn typed(&self, value: Value) -> Result<Value, String> {
        let text = crate::expr::text(&value);
        let wrong = |what: &str| Err(format!("the input `{}` is `{text}`: expected {what}", self.name));
        match &self.kind {
            InputType::String | InputType::Environment => Ok(Value::String(text)),
            InputType::Boolean => match text.to_ascii_lowercase().as_str() {
                "true" => Ok(Value::Bool(true)),
                "false" | "" => Ok(Value::Bool(false)),
                _ => wrong("true or false"),
            },
            InputType::Number => match text.trim().parse::<f64>() {
                Ok(number) => Ok(crate::expr::number(number)),
                Err(_) if text.is_empty() => Ok(0.into()),
                Err(_) => wrong("a number"),
            },
            InputType::Choice(options) if options.contains(&text) || text.is_empty() => {
                Ok(Value::String(text))
            }
            InputType::Choice(options) => wrong(&format!("one of {}", options.join(", "))),
        }
    }
}
