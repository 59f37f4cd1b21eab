//! docker/metadata-action, by the rules of `wharf meta --github-action`; what GitHub's API would say of the
//! repository comes from the event.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use wharf_metadata::action::{CommitDate, Inputs, Job, Outputs, Source, outputs};

use super::call::Call;
use super::{Input, Native};
use crate::run::Fail;

pub(crate) const ACTION: Native = Native {
    name: "docker/metadata-action",
    inputs: &[
        Input("context", "workflow", 4),
        Input("images", "", 1),
        Input("tags", "", 2),
        Input("flavor", "", 2),
        Input("labels", "", 2),
        Input("annotations", "", 5),
        Input("sep-tags", "", 1),
        Input("sep-labels", "", 1),
        Input("sep-annotations", "", 5),
        Input("bake-target", "", 1),
        Input("github-token", "", 2),
    ],
    run,
};

fn run(call: &mut Call<'_, '_>) -> Result<(), Fail> {
    let mut variables: BTreeMap<String, String> = call.leg.environment(&call.env);
    for (name, value) in &call.inputs {
        variables.insert(format!("INPUT_{}", name.to_uppercase()), value.clone());
    }
    let failed = |error: wharf_metadata::action::ActionError| Fail::Because(chain(&error));
    let inputs = Inputs::read(&variables).map_err(failed)?;
    let event = &call.leg.setup.event;
    let payload = event.payload.clone();
    let mut job = match inputs.source {
        Source::Workflow => Job::of_workflow(&variables, payload, &inputs).map_err(failed)?,
        Source::Git => of_git(call, &variables, payload)?,
    };
    if job.commit_date == CommitDate::Unknown
        && let Some(date) = commit_date(call, job.commit())
    {
        job.commit_date = CommitDate::parse(&date);
    }
    let now = now(&variables);
    let made = outputs(&inputs, &job, &repository(call), now).map_err(failed)?;
    write(call, &made)
}

/// The present; `WHARF_NOW` stands in for it in tests.
fn now(variables: &BTreeMap<String, String>) -> i64 {
    let fixed = variables.get("WHARF_NOW").and_then(|text| text.parse::<jiff::Timestamp>().ok());
    fixed.unwrap_or_else(jiff::Timestamp::now).as_millisecond()
}

/// What the action gives for an event, without a repository at hand: for explanations.
pub(crate) fn foreseen(
    variables: &BTreeMap<String, String>,
    payload: &Value,
    now: i64,
) -> Result<Outputs, String> {
    let text = |error: wharf_metadata::action::ActionError| chain(&error);
    let inputs = Inputs::read(variables).map_err(text)?;
    let job = Job::of_workflow(variables, payload.clone(), &inputs).map_err(text)?;
    outputs(&inputs, &job, &payload["repository"], now).map_err(text)
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

/// What the forge's API would say.
fn repository(call: &Call<'_, '_>) -> Value {
    let setup = call.leg.setup;
    let mut document = setup.event.payload["repository"].clone();
    let name = setup.event.repository.rsplit('/').next().unwrap_or_default();
    if !document.is_object() {
        document = json!({});
    }
    for (key, value) in [
        ("name", name.to_owned()),
        ("html_url", format!("https://github.com/{}", setup.event.repository)),
        ("default_branch", setup.default_branch.clone()),
    ] {
        if document[key].is_null() {
            document[key] = value.into();
        }
    }
    document
}

fn of_git(call: &Call<'_, '_>, variables: &BTreeMap<String, String>, payload: Value) -> Result<Job, Fail> {
    let git = call.leg.git(call.deadline)?;
    let workspace = &call.leg.workspace;
    let commit = git.run(workspace, &["show", "-s", "--format=%H%n%ci", "HEAD"])?;
    let (commit, date) = commit.split_once('\n').unwrap_or((&commit, ""));
    let branch = git.run(workspace, &["symbolic-ref", "--quiet", "HEAD"]);
    let reference = match branch {
        Ok(branch) => branch.trim().to_owned(),
        Err(_) if commit == call.leg.setup.event.sha => call.leg.setup.event.git_ref.clone(),
        Err(_) => {
            return Err(Fail::Because(
                "Cannot find what HEAD is: it is detached, and no ref of the event".into(),
            ));
        }
    };
    Job::of_git(variables, payload, &reference, commit, date).map_err(|error| Fail::Because(chain(&error)))
}

fn commit_date(call: &Call<'_, '_>, commit: &str) -> Option<String> {
    let setup = call.leg.setup;
    let git = call.leg.git(call.deadline).ok()?;
    git.run(&setup.repository, &["show", "-s", "--format=%cI", commit]).ok().filter(|date| !date.is_empty())
}

fn write(call: &mut Call<'_, '_>, made: &Outputs) -> Result<(), Fail> {
    let mut values: Vec<(&str, String)> = made.texts.clone();
    let directory = tempfile::Builder::new()
        .prefix("docker-actions-toolkit-")
        .tempdir_in(&call.leg.temp)
        .map_err(|error| Fail::Because(format!("making a folder for the bake files: {error}")))?
        .keep();
    for file in &made.bake_files {
        let path = directory.join(file.file_name);
        std::fs::write(&path, &file.content)
            .map_err(|error| Fail::Because(format!("writing {}: {error}", path.display())))?;
        values.push((file.output, path.display().to_string()));
    }
    for warning in &made.warnings {
        call.warn(warning);
    }
    for (title, key) in
        [("Docker image version", "version"), ("Docker tags", "tags"), ("Docker labels", "labels")]
    {
        let value = values.iter().find(|(name, _)| *name == key).map_or("", |(_, value)| value.as_str());
        call.say(&format!("▾ {title}\n{value}"));
    }
    for (name, value) in values {
        if made.export {
            let variable = format!("DOCKER_METADATA_OUTPUT_{}", name.replace('-', "_").to_uppercase());
            call.export(&variable, &value)?;
        }
        call.output(name, value);
    }
    Ok(())
}
