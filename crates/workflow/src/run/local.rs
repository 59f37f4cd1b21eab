//! Actions in the repository: `action.yml` read and checked.

use std::path::{Path, PathBuf};

use crate::availability::{Available, STEP};
use crate::model::Step;
use crate::source::{Fault, Faults, Source};
use crate::template::{Template, Templates};
use crate::yaml;

/// An action's description.
#[derive(Debug)]
pub(crate) struct Action {
    pub(crate) source: Source,
    /// Name, default, whether it must be given.
    pub(crate) inputs: Vec<(String, Option<Template>, bool)>,
    pub(crate) outputs: Vec<(String, Option<Template>)>,
    pub(crate) body: ActionBody,
}

/// What it does.
#[derive(Debug)]
pub(crate) enum ActionBody {
    /// Steps.
    Composite(Vec<Step>),
    /// Scripts for node.
    Node { main: String, pre: Option<String>, post: Option<String>, post_if: Option<Template> },
    /// An image.
    Docker,
}

/// The folder of `./path` in a workspace; not one outside of it.
pub(crate) fn folder(workspace: &Path, action: &str) -> Result<PathBuf, String> {
    let path = workspace.join(action.trim_start_matches("./"));
    let real = path.canonicalize().map_err(|_| {
        format!(
            "Can't find 'action.yml', 'action.yaml' or 'Dockerfile' under '{}'. Did you forget to run actions/checkout before running your local action?",
            path.display()
        )
    })?;
    let root = workspace.canonicalize().map_err(|error| error.to_string())?;
    if real.starts_with(root) { Ok(real) } else { Err(format!("`{action}` is outside of the repository")) }
}

/// Reads the action in a folder; `shown` is what it is called in errors.
pub(crate) fn read(folder: &Path, shown: &str) -> Result<Action, String> {
    for name in ["action.yml", "action.yaml"] {
        if let Ok(text) = std::fs::read_to_string(folder.join(name)) {
            let name = format!("{}/{name}", shown.trim_start_matches("./").trim_end_matches('/'));
            return parse(Source { name, text }).map_err(|faults| faults.to_string());
        }
    }
    if folder.join("Dockerfile").is_file() {
        return Ok(Action {
            source: Source { name: shown.into(), text: String::new() },
            inputs: Vec::new(),
            outputs: Vec::new(),
            body: ActionBody::Docker,
        });
    }
    Err(format!("Can't find 'action.yml', 'action.yaml' or 'Dockerfile' under '{}'", folder.display()))
}

const OUTPUTS: Available = STEP;

pub(crate) fn parse(source: Source) -> Result<Action, Faults> {
    let node = match yaml::read(&source.text) {
        Ok(node) => node,
        Err(fault) => return Err(Faults { source, faults: vec![fault] }),
    };
    let mut templates = Templates { source: &source, faults: Vec::new() };
    let mut inputs = Vec::new();
    if let Some(yaml::Kind::Mapping(pairs)) = node.get("inputs").map(|node| &node.kind) {
        for (name, about) in pairs {
            let default = about.get("default").map(|node| templates.read(node, &STEP));
            let required = about.get("required").is_some_and(|node| node.text() == Some("true"));
            inputs.push((name.text().unwrap_or_default().to_ascii_lowercase(), default, required));
        }
    }
    let mut outputs = Vec::new();
    if let Some(yaml::Kind::Mapping(pairs)) = node.get("outputs").map(|node| &node.kind) {
        for (name, about) in pairs {
            let value = about.get("value").map(|node| templates.read(node, &OUTPUTS));
            outputs.push((name.text().unwrap_or_default().to_owned(), value));
        }
    }
    let body = match node.get("runs") {
        Some(runs) => body(&mut templates, runs),
        None => {
            templates.faults.push(Fault::new(node.span, "Required property is missing: runs"));
            ActionBody::Docker
        }
    };
    let faults = templates.faults;
    if faults.is_empty() {
        Ok(Action { source, inputs, outputs, body })
    } else {
        Err(Faults { source, faults })
    }
}

fn body(templates: &mut Templates<'_>, runs: &yaml::Node) -> ActionBody {
    let text = |key: &str| runs.get(key).and_then(yaml::Node::text).map(str::to_owned);
    match text("using").as_deref() {
        Some("composite") => match runs.get("steps") {
            Some(steps) => ActionBody::Composite(templates.steps(steps, true)),
            None => {
                templates.faults.push(Fault::new(runs.span, "Required property is missing: steps"));
                ActionBody::Docker
            }
        },
        Some("docker") => ActionBody::Docker,
        Some(node) if node.starts_with("node") => {
            let Some(main) = text("main") else {
                templates.faults.push(Fault::new(runs.span, "Required property is missing: main"));
                return ActionBody::Docker;
            };
            let post_if =
                runs.get("post-if").and_then(|node| templates.condition(node, &crate::availability::STEP_IF));
            ActionBody::Node { main, pre: text("pre"), post: text("post"), post_if }
        }
        other => {
            let message = format!(
                "'using: {}' is not supported, use 'docker', 'composite' or 'node20'",
                other.unwrap_or_default()
            );
            templates.faults.push(Fault::new(runs.span, message));
            ActionBody::Docker
        }
    }
}
