//! docker/bake-action.

use serde_json::Value;

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
    let mut flags = vec!["--metadata-file".to_owned(), metadata.display().to_string()];
    for file in call.values("files") {
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
            "" | "false" => {}
            value => flags.extend([format!("--{input}"), value.to_owned()]),
        }
    }
    flags.extend(call.values("targets"));
    let source = call.text("source").to_owned();
    let folder = match source.as_str() {
        "" | "." | "{{defaultContext}}" => call.text("workdir").to_owned(),
        local if !local.contains("://") => local.to_owned(),
        remote => {
            return Err(Fail::Refused(format!(
                "it bakes `{remote}`, and wharf bakes what is in the workspace"
            )));
        }
    };
    for variable in call.lines("vars") {
        if let Some((name, value)) = variable.split_once('=') {
            call.env.insert(name.trim().to_owned(), value.to_owned());
        }
    }
    let directory = call.path(&folder);
    let invocation = call.leg.engine.bake(flags);
    call.run_in(invocation, directory)?;
    let text = std::fs::read_to_string(&metadata).unwrap_or_default();
    let document: Value = serde_json::from_str(&text).unwrap_or_default();
    call.output("metadata", serde_json::to_string_pretty(&document).unwrap_or_default());
    Ok(())
}
