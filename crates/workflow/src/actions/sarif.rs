//! github/codeql-action/upload-sarif: checked as GitHub checks it, and kept with the run's results.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::call::Call;
use super::{Input, Native};
use crate::engine::SarifUpload;
use crate::run::Fail;

pub(crate) const ACTION: Native = Native {
    name: "github/codeql-action/upload-sarif",
    inputs: &[
        Input("sarif_file", "../results", 1),
        Input("checkout_path", "", 1),
        Input("ref", "", 1),
        Input("sha", "", 1),
        Input("token", "", 1),
        Input("matrix", "", 1),
        Input("category", "", 1),
        Input("wait-for-processing", "true", 1),
    ],
    run,
};

/// GitHub's limits.
const RUNS_MAX: usize = 20;
const RESULTS_MAX: usize = 25_000;
const BYTES_MAX: u64 = 200 << 20;

fn run(call: &mut Call<'_, '_>) -> Result<(), Fail> {
    if call.text("ref").is_empty() != call.text("sha").is_empty() {
        return Err(Fail::Because("'ref' is required if and only if 'sha' is specified.".into()));
    }
    let given = call.text("sarif_file").to_owned();
    let path = call.path(&given);
    let mut files = Vec::new();
    if path.is_dir() {
        sarif_files(&path, &mut files);
        if files.is_empty() {
            return Err(Fail::Because(format!("No SARIF files found to upload in \"{given}\".")));
        }
    } else if path.is_file() {
        files.push(path);
    } else {
        return Err(Fail::Because(format!("Path does not exist: {given}")));
    }
    let category = call.text("category").to_owned();
    let into = call.leg.setup.results.join("sarif");
    let failed =
        |error: std::io::Error| Fail::Because(format!("keeping the report in {}: {error}", into.display()));
    std::fs::create_dir_all(&into).map_err(failed)?;
    let mut uploads = Vec::new();
    for file in files {
        let (runs, results) =
            check(&file).map_err(|why| Fail::Because(format!("Invalid SARIF. {}: {why}", file.display())))?;
        let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or("report");
        let name = if category.is_empty() {
            stem.to_owned()
        } else {
            format!("{stem}-{}", category.replace(['/', ' ', ':'], "-"))
        };
        uploads.push(upload(call, &file, &category).map_err(Fail::Because)?);
        let target = into.join(format!("{name}.sarif"));
        std::fs::copy(&file, &target).map_err(failed)?;
        call.leg.files.push(target.display().to_string());
        call.say(&format!(
            "{}: {runs} run(s), {results} result(s); kept as {}",
            file.display(),
            target.display()
        ));
    }
    let id = uploads.into_iter().flatten().next_back();
    call.output("sarif-id", id.unwrap_or_else(|| uuid::Uuid::new_v4().to_string()));
    Ok(())
}

/// Gives a report to code scanning where this run was told of an API (`GITHUB_API_URL`) and has a token for it.
fn upload(call: &mut Call<'_, '_>, file: &Path, category: &str) -> Result<Option<String>, String> {
    let setup = call.leg.setup;
    let token = match call.text("token") {
        "" => setup.secrets.get("GITHUB_TOKEN").cloned().unwrap_or_default(),
        token => token.to_owned(),
    };
    if !setup.env.contains_key("GITHUB_API_URL") || token.is_empty() {
        call.say("nothing is uploaded from this machine; with GITHUB_API_URL and a token it is");
        return Ok(None);
    }
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut document: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    for run in document["runs"].as_array_mut().into_iter().flatten().filter(|_| !category.is_empty()) {
        if run["automationDetails"]["id"].is_null() {
            run["automationDetails"]["id"] = format!("{category}/").into();
        }
    }
    let given = |name: &str, event: &str| match call.text(name) {
        "" => event.to_owned(),
        text => text.to_owned(),
    };
    let upload = SarifUpload {
        sarif: document.to_string(),
        sha: given("sha", &setup.event.sha),
        git_ref: given("ref", &setup.event.git_ref),
        token,
    };
    let env = call.leg.environment(&call.env);
    match call.leg.engine.upload_sarif(&upload, &env)? {
        Ok(id) => {
            call.say(&format!("code scanning has the report ({id})"));
            Ok(Some(id))
        }
        Err(why) => {
            call.warn(&format!("code scanning does not take the report: {why}"));
            Ok(None)
        }
    }
}

fn sarif_files(folder: &Path, into: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() {
            sarif_files(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "sarif") {
            into.push(path);
        }
    }
    into.sort();
}

/// Runs and results of a report that GitHub would take.
fn check(file: &Path) -> Result<(usize, usize), String> {
    let bytes = file.metadata().map_err(|error| error.to_string())?.len();
    if bytes > BYTES_MAX {
        return Err(format!("it has {bytes} bytes, which is too much"));
    }
    let text = std::fs::read(file).map_err(|error| error.to_string())?;
    let document: Value =
        serde_json::from_slice(&text).map_err(|error| format!("JSON syntax error: {error}"))?;
    match document["version"].as_str() {
        Some("2.1.0") => {}
        Some(other) => return Err(format!("version {other} is not supported; it must be 2.1.0")),
        None => return Err("it has no `version`".into()),
    }
    let runs = document["runs"].as_array().ok_or("it has no `runs`")?;
    if runs.len() > RUNS_MAX {
        return Err(format!("{} runs are more than {RUNS_MAX}", runs.len()));
    }
    let mut categories = std::collections::BTreeSet::new();
    let mut results = 0;
    for run in runs {
        let Some(tool) = run["tool"]["driver"]["name"].as_str() else {
            return Err("a run has no `tool.driver.name`".into());
        };
        let category = run["automationDetails"]["id"].as_str().unwrap_or_default();
        if !categories.insert((tool.to_owned(), category.to_owned())) {
            return Err(format!("several runs are of the tool {tool} and the category `{category}`"));
        }
        results += run["results"].as_array().map_or(0, Vec::len);
    }
    if results > RESULTS_MAX {
        return Err(format!("{results} results are more than {RESULTS_MAX}"));
    }
    Ok((runs.len(), results))
}
