//! Actions in the repository, carried out: their steps here, their scripts by node.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use serde_json::{Map, Value};

use super::context::object;
use super::exec::{Fail, Left};
use super::leg::{Frame, Leg};
use super::local::{self, Action, ActionBody};
use super::post::{Post, PostWork};
use super::process::Process;
use crate::model::{Defaults, Step};

/// Actions inside of actions, GitHub's limit.
const MAX_DEPTH: usize = 9;

impl Leg<'_> {
    pub(crate) fn local_action(
        &mut self,
        action: &str,
        given: BTreeMap<String, String>,
        name: &str,
        frame: &Frame,
        env: &BTreeMap<String, String>,
        deadline: Option<Instant>,
    ) -> Result<Left, Fail> {
        if frame.depth >= MAX_DEPTH {
            return Err(Fail::Because(format!("`{action}`: actions are nested deeper than {MAX_DEPTH}")));
        }
        let folder = self.local_path(action)?;
        let described = local::read(&folder, action).map_err(Fail::Because)?;
        let inputs = self.action_inputs(&described, given, name)?;
        match &described.body {
            ActionBody::Docker => Err(Fail::Refused(format!(
                "`{action}` is a container action; build and run it in a step instead: docker build, docker run --rm"
            ))),
            ActionBody::Composite(steps) => {
                self.composite(&described, steps, inputs, &folder, frame, env, deadline)
            }
            ActionBody::Node { main, pre, post, post_if } => {
                let mut left = Left::default();
                if let Some(pre) = pre {
                    left = self.node(name, &folder, pre, &inputs, env, &BTreeMap::new(), deadline)?;
                }
                let state = std::mem::take(&mut left.state);
                let done = self.node(name, &folder, main, &inputs, env, &state, deadline);
                let state = match &done {
                    Ok(left) => state.into_iter().chain(left.state.clone()).collect(),
                    Err(_) => state,
                };
                if let Some(post) = post {
                    let work =
                        PostWork::Node { folder, script: post.clone(), inputs, state, env: env.clone() };
                    self.posts.push(Post { name: name.to_owned(), condition: post_if.clone(), work });
                }
                done
            }
        }
    }

    /// The inputs of an action: given, or by default.
    fn action_inputs(
        &mut self,
        action: &Action,
        mut given: BTreeMap<String, String>,
        name: &str,
    ) -> Result<BTreeMap<String, String>, Fail> {
        let known: Vec<&str> = action.inputs.iter().map(|(name, ..)| name.as_str()).collect();
        let unexpected: Vec<String> =
            given.keys().filter(|key| !known.contains(&key.as_str())).cloned().collect();
        if !unexpected.is_empty() {
            let message = format!(
                "Unexpected input(s) '{}', valid inputs are ['{}']",
                unexpected.join("', '"),
                known.join("', '")
            );
            self.annotate(name, "warning", &message);
        }
        for (input, default, _) in &action.inputs {
            if !given.contains_key(input) {
                let value = match default {
                    Some(default) => {
                        default.text(&self.names).map_err(|fault| Fail::Because(fault.message))?
                    }
                    None => String::new(),
                };
                given.insert(input.clone(), value);
            }
        }
        Ok(given)
    }

    #[expect(clippy::too_many_arguments, reason = "a call of an action is this much")]
    fn composite(
        &mut self,
        action: &Action,
        steps: &[Step],
        inputs: BTreeMap<String, String>,
        folder: &Path,
        outer: &Frame,
        env: &BTreeMap<String, String>,
        deadline: Option<Instant>,
    ) -> Result<Left, Fail> {
        let mut frame = Frame {
            outputs: Map::new(),
            source: action.source.clone(),
            env: env.clone(),
            inputs: Some(object(&inputs)),
            action_path: folder.to_owned(),
            defaults: Defaults::default(),
            failed: false,
            depth: outer.depth + 1,
        };
        let before = (self.names.clone(), self.deadline);
        self.deadline = deadline;
        self.steps(steps, &mut frame);
        self.refresh(&frame);
        let mut left = Left::default();
        let mut fault = None;
        for (output, value) in &action.outputs {
            match value.as_ref().map(|value| value.text(&self.names)).transpose() {
                Ok(value) => {
                    left.outputs.insert(output.clone(), value.unwrap_or_default());
                }
                Err(error) => fault = Some(self.located(&error, &frame)),
            }
        }
        (self.names, self.deadline) = before;
        match fault {
            _ if frame.failed => {
                let inner = self.reports.iter().rev().find(|report| {
                    report.depth > outer.depth && report.conclusion == super::RunResult::Failure
                });
                let why = inner.map_or(String::new(), |report| {
                    format!("`{}`: {}", report.name, report.message.clone().unwrap_or_default())
                });
                Err(Fail::Because(format!("a step of the action failed: {why}")))
            }
            Some(fault) => Err(Fail::Because(fault)),
            None => Ok(left),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a call of a script is this much")]
    pub(crate) fn node(
        &mut self,
        name: &str,
        folder: &Path,
        script: &str,
        inputs: &BTreeMap<String, String>,
        env: &BTreeMap<String, String>,
        state: &BTreeMap<String, String>,
        deadline: Option<Instant>,
    ) -> Result<Left, Fail> {
        let node = self.which("node").ok_or_else(|| {
            Fail::Refused("a JavaScript action needs `node`, which is not installed on this machine".into())
        })?;
        let mut all = self.environment(env);
        for (input, value) in inputs {
            all.insert(format!("INPUT_{}", input.to_uppercase().replace(' ', "_")), value.clone());
        }
        for (key, value) in state {
            all.insert(format!("STATE_{key}"), value.clone());
        }
        all.insert("GITHUB_ACTION_PATH".into(), folder.display().to_string());
        let file = folder.join(script);
        if !file.is_file() {
            return Err(Fail::Because(format!("File not found: '{}'", file.display())));
        }
        let process = Process {
            program: node,
            args: vec![file.display().to_string()],
            env: all,
            directory: self.workspace.clone(),
            stdin: None,
        };
        self.process(name, process, deadline)
    }
}

/// An object's members as texts.
pub(crate) fn texts(value: &Value) -> BTreeMap<String, String> {
    let members = value.as_object().into_iter().flatten();
    members.map(|(key, value)| (key.clone(), crate::expr::text(value))).collect()
}
