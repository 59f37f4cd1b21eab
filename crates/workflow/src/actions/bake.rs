//! docker/bake-action.

use std::path::PathBuf;

use serde_json::Value;

use super::build_push::with_default_context;
use super::call::Call;
use super::{Input, Native};
use crate::run::Fail;

pub(crate) const ACTION: Native = Native {
    name: "docker/bake-action",
    inputs: &[
        Input("allow", "", 6),
        Input("builder", "", 1),
        Input("call", "", 6),
        Input("workdir", ".", 1),
        Input("source", "", 4),
        Input("files", "", 1),
        Input("targets", "", 1),
        Input("no-cache", "false", 1),
        Input("pull", "false", 1),
        Input("load", "false", 1),
        Input("provenance", "", 3),
        Input("push", "false", 1),
        Input("sbom", "", 3),
        Input("set", "", 1),
        Input("vars", "", 7),
        Input("github-token", "", 4),
    ],
    run,
};

fn run(call: &mut Call<'_, '_>) -> Result<(), Fail> {
    let metadata = call.leg.temp.join(format!("bake-metadata-{}.json", uuid::Uuid::new_v4()));
    if !["", "build"].contains(&call.text("call")) {
        return Err(Fail::Refused(format!(
            "its `call` is `{}`, and wharf only builds what it bakes",
            call.text("call")
        )));
    }
    let (directory, here) = (source(call)?, call.path(call.text("workdir")));
    let mut flags = vec!["--metadata-file".to_owned(), metadata.display().to_string()];
    for file in call.values("files") {
        // Beside the definition, or by this prefix where the action runs.
        let file = match file.strip_prefix("cwd://") {
            Some(file) => here.join(file).display().to_string(),
            None => file,
        };
        flags.extend(["--file".into(), file]);
    }
    for set in call.lines("set") {
        flags.extend(["--set".into(), set]);
    }
    for allow in call.values("allow") {
        flags.extend(["--allow".into(), allow]);
    }
    for (input, flag) in
        [("no-cache", "--no-cache"), ("pull", "--pull"), ("load", "--load"), ("push", "--push")]
    {
        if call.flag(input)? {
            flags.push(flag.into());
        }
    }
    for input in ["provenance", "sbom"] {
        match call.text(input) {
            "" => {}
            value => flags.push(format!("--{input}={value}")),
        }
    }
    for variable in call.lines("vars") {
        if let Some((name, value)) = variable.split_once('=') {
            call.env.insert(name.trim().to_owned(), value.to_owned());
        }
    }
    flags.extend(call.values("targets"));
    let invocation = call.leg.engine.bake(flags);
    call.run_in(invocation, directory)?;
    let text = std::fs::read_to_string(&metadata).unwrap_or_default();
    let document: Value = serde_json::from_str(&text).unwrap_or_default();
    call.output("metadata", serde_json::to_string_pretty(&document).unwrap_or_default());
    Ok(())
}

/// Where the definition is: since version 6 in the commit where nothing is said, before that in the workspace.
fn source(call: &mut Call<'_, '_>) -> Result<PathBuf, Fail> {
    let source = match call.text("source") {
        "" if call.version.is_none_or(|version| version >= 6) => "{{defaultContext}}".to_owned(),
        source => source.to_owned(),
    };
    if source.contains("://") || source.starts_with("git@") {
        return Err(Fail::Refused(format!("it bakes `{source}`, and wharf bakes what is in the workspace")));
    }
    let folder = match source.as_str() {
        "" | "." => call.text("workdir").to_owned(),
        source => with_default_context(call, source)?,
    };
    Ok(call.path(&folder))
}
