//! Jobs that are whole workflows of the repository.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::context::{Names, object};
use super::report::RunResult;
use super::schedule::{Done, Level, Run, located, overall, told};
use super::stop::Stop;
use crate::model::{Call, Job, Workflow};
use crate::source::{Fault, Source};

/// GitHub's limit on workflows inside of workflows.
const MAX_DEPTH: usize = 9;

impl Run<'_> {
    #[expect(clippy::too_many_arguments, reason = "a call of a workflow is this much")]
    pub(super) fn call(
        &self,
        level: &Level<'_>,
        job: &Job,
        call: &Call,
        place: Vec<usize>,
        names: Names,
        name: String,
        stop: Stop,
    ) -> Done {
        match self.called(level, call, &place, &names, &name, stop) {
            Ok(done) => done,
            Err(reason) => {
                let result = RunResult::Failure;
                self.finish(place, told(job, name, result, Some(self.masker.mask(&reason))));
                Done { result, outputs: BTreeMap::new() }
            }
        }
    }

    fn called(
        &self,
        level: &Level<'_>,
        call: &Call,
        place: &[usize],
        names: &Names,
        name: &str,
        stop: Stop,
    ) -> Result<Done, String> {
        let at_call = |why: String| located(level, &Fault::new(call.span, why));
        let Some(path) = call.uses.strip_prefix("./") else {
            return Err(at_call(format!(
                "refused: `{}` is in another repository, and wharf downloads no workflows; copy it to ./.github/workflows",
                call.uses
            )));
        };
        if level.depth >= MAX_DEPTH {
            return Err(at_call(format!("workflows call each other deeper than {MAX_DEPTH}")));
        }
        let text = self.read(path).map_err(|why| at_call(format!("`{}`: {why}", call.uses)))?;
        let workflow =
            Workflow::read(Source { name: path.to_owned(), text }).map_err(|faults| faults.to_string())?;
        let Some(trigger) = workflow.trigger("workflow_call") else {
            return Err(at_call(format!("`{}` is not reusable: it has no `on: workflow_call`", call.uses)));
        };
        let mut given = Map::new();
        for (key, span, tree) in &call.with {
            if !trigger.inputs.iter().any(|input| input.name == *key) {
                return Err(located(
                    level,
                    &Fault::new(
                        *span,
                        format!("Invalid input, {key} is not defined in the referenced workflow."),
                    ),
                ));
            }
            given.insert(key.clone(), tree.value(names).map_err(|fault| located(level, &fault))?);
        }
        let mut inputs = Map::new();
        for input in &trigger.inputs {
            let value = match given.remove(&input.name) {
                Some(value) => value,
                None if input.required => {
                    return Err(at_call(format!(
                        "Input {} is required, but not provided while calling.",
                        input.name
                    )));
                }
                None => match &input.default {
                    Some(tree) => tree.value(names).map_err(|fault| fault.message)?,
                    None => Value::String(String::new()),
                },
            };
            inputs.insert(input.name.clone(), input.typed(value).map_err(&at_call)?);
        }
        let mut secrets = BTreeMap::new();
        if call.inherit {
            secrets = super::composite::texts(&names.values["secrets"]);
        }
        for entry in &call.secrets {
            let value = entry.value.text(names).map_err(|fault| located(level, &fault))?;
            self.masker.add(&value);
            secrets.insert(entry.name.clone(), value);
        }
        for (secret, required) in &trigger.secrets {
            if *required && secrets.get(secret).is_none_or(String::is_empty) {
                return Err(at_call(format!("Secret {secret} is required, but not provided while calling.")));
            }
        }
        let mut inner = level.names.clone();
        inner.set("inputs", Value::Object(inputs));
        inner.set("secrets", object(&secrets));
        let level = Level {
            workflow: &workflow,
            names: inner,
            prefix: format!("{name} / "),
            place: place.to_vec(),
            stop,
            depth: level.depth + 1,
        };
        let done = self.jobs(&level);
        let jobs = done.iter().map(|(id, done)| {
            (id.clone(), json!({"result": done.result.word(), "outputs": object(&done.outputs)}))
        });
        let mut names = level.names.clone();
        names.set("jobs", Value::Object(jobs.collect()));
        let mut outputs = BTreeMap::new();
        for output in &workflow.call_outputs {
            let value = output.value.text(&names).map_err(|fault| located(&level, &fault))?;
            outputs.insert(output.name.clone(), value);
        }
        Ok(Done { result: overall(&done), outputs })
    }

    /// A file of the commit.
    fn read(&self, path: &str) -> Result<String, String> {
        let setup = self.setup;
        if !setup.is_git {
            return std::fs::read_to_string(setup.repository.join(path)).map_err(|error| error.to_string());
        }
        let output = std::process::Command::new("git")
            .args(["-c", "safe.directory=*", "show", &format!("{}:{path}", setup.event.sha)])
            .current_dir(&setup.repository)
            .env_clear()
            .envs(&setup.env)
            .output()
            .map_err(|error| format!("starting git: {error}"))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err("workflow was not found in the commit".into())
    }
}
