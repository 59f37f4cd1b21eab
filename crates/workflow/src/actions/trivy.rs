//! aquasecurity/trivy-action, carried out by wharf's own scanner.

use std::path::PathBuf;

use super::call::Call;
use super::{Input, Native};
use crate::engine::Scan;
use crate::model::StepKind;
use crate::run::{Fail, own_steps};

pub(crate) const ACTION: Native = Native {
    name: "aquasecurity/trivy-action",
    inputs: &[
        Input("scan-type", "image", 0),
        Input("image-ref", "", 0),
        Input("input", "", 0),
        Input("scan-ref", ".", 0),
        Input("exit-code", "", 0),
        Input("ignore-unfixed", "false", 0),
        Input("vuln-type", "os,library", 0),
        Input("severity", "UNKNOWN,LOW,MEDIUM,HIGH,CRITICAL", 0),
        Input("format", "table", 0),
        Input("template", "", 0),
        Input("output", "", 0),
        Input("skip-dirs", "", 0),
        Input("skip-files", "", 0),
        Input("cache-dir", "", 0),
        Input("timeout", "", 0),
        Input("ignore-policy", "", 0),
        Input("hide-progress", "", 0),
        Input("list-all-pkgs", "false", 0),
        Input("scanners", "", 0),
        Input("security-checks", "", 0),
        Input("trivyignores", "", 0),
        Input("artifact-type", "", 0),
        Input("github-pat", "", 0),
        Input("trivy-config", "", 0),
        Input("tf-vars", "", 0),
        Input("limit-severities-for-sarif", "false", 0),
        Input("docker-host", "", 0),
        Input("version", "", 0),
        Input("cache", "true", 0),
        Input("skip-setup-trivy", "false", 0),
        Input("token-setup-trivy", "", 0),
    ],
    run,
};

pub(crate) const SETUP: Native = Native {
    name: "aquasecurity/setup-trivy",
    inputs: &[
        Input("version", "latest", 0),
        Input("path", "", 0),
        Input("cache", "false", 0),
        Input("token", "", 0),
    ],
    run: |call| {
        call.say("wharf scans itself; there is nothing to install");
        Ok(())
    },
};

/// Trivy's words, least first.
const SEVERITIES: [&str; 5] = ["UNKNOWN", "LOW", "MEDIUM", "HIGH", "CRITICAL"];

fn run(call: &mut Call<'_, '_>) -> Result<(), Fail> {
    for input in ["trivy-config", "ignore-policy", "template", "tf-vars"] {
        if !call.text(input).is_empty() {
            return Err(Fail::Refused(format!(
                "`{input}` is read by trivy itself, and wharf's scanner does not know it"
            )));
        }
    }
    let format = match call.text("format") {
        "table" => "table",
        "json" => "json",
        "sarif" => "sarif",
        "cyclonedx" | "spdx" | "spdx-json" | "github" | "template" => {
            return Err(Fail::Refused(format!(
                "the format `{}` is an inventory; `wharf sbom` writes one",
                call.text("format")
            )));
        }
        other => return Err(Fail::Because(format!("unknown format: {other}"))),
    };
    let exit_code = match call.text("exit-code") {
        "" => 0,
        text => text
            .parse::<i32>()
            .map_err(|_| Fail::Because(format!("`exit-code` is `{text}`: expected a number")))?,
    };
    let mut severity = severity(call.text("severity"))?;
    if format == "sarif" && call.text("limit-severities-for-sarif") != "true" {
        // As the action does: SARIF holds all of them, and all of them count.
        severity = None;
    }
    let target = target(call)?;
    for path in call
        .lines("trivyignores")
        .iter()
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .filter(|path| !path.is_empty())
    {
        if !call.path(path).is_file() {
            return Err(Fail::Because(format!("ERROR: cannot find ignorefile '{path}'.")));
        }
        call.warn(&format!("`{path}` is trivy's list of exceptions, which wharf's scanner does not read"));
    }
    let output = match call.text("output") {
        "" => None,
        path => Some(PathBuf::from(path)),
    };
    let scan = Scan {
        target,
        only: scanners(call),
        format: format.into(),
        output: output.clone(),
        severity,
        ignore_unfixed: call.flag("ignore-unfixed")?,
        fail: exit_code != 0,
    };
    let invocation = call.leg.engine.scan(&scan);
    match call.run(invocation) {
        Ok(_) => {}
        Err(Fail::Because(why)) if exit_code != 0 && why.contains("exit code 1") => {
            return Err(Fail::Because(format!(
                "the scan found what `severity` names (exit-code {exit_code})"
            )));
        }
        Err(fail) => return Err(fail),
    }
    if let Some(path) = output {
        call.say(&format!("wrote {}", path.display()));
    }
    Ok(())
}

/// The least of the severities that are named; none where all are.
fn severity(text: &str) -> Result<Option<String>, Fail> {
    let mut least = None;
    for word in text.split(',').map(|word| word.trim().to_ascii_uppercase()).filter(|word| !word.is_empty()) {
        let at = SEVERITIES.iter().position(|known| *known == word);
        let at = at.ok_or_else(|| Fail::Because(format!("unknown severity option: {word}")))?;
        least = Some(least.map_or(at, |least: usize| least.min(at)));
    }
    Ok(least.filter(|least| *least > 1).map(|least| SEVERITIES[least].to_ascii_lowercase()))
}

fn scanners(call: &Call<'_, '_>) -> Vec<String> {
    let text = match call.text("scanners") {
        "" => call.text("security-checks"),
        text => text,
    };
    let known = |word: &str| match word.trim() {
        "vuln" => Some("vuln"),
        "secret" => Some("secret"),
        "license" => Some("licence"),
        "misconfig" | "config" => Some("config"),
        _ => None,
    };
    match text {
        // Trivy's own default for images and folders.
        "" => vec!["vuln".into(), "secret".into()],
        text => text.split(',').filter_map(known).map(str::to_owned).collect(),
    }
}

/// What is scanned. An image comes from its registry, as on a fresh runner, unless this job made it here.
fn target(call: &mut Call<'_, '_>) -> Result<String, Fail> {
    let (image, archive, path) =
        (call.text("image-ref").to_owned(), call.text("input").to_owned(), call.text("scan-ref").to_owned());
    match call.text("scan-type") {
        "image" if !archive.is_empty() => Ok(archive),
        "image" if !image.is_empty() => {
            if made_here(call, &image) {
                call.say(&format!("scanning {image}, which this job has made"));
                return Ok(image);
            }
            call.say(&format!("{image} is not in this job's store: it is what the registry has"));
            let invocation = call.leg.engine.pull(&image);
            match call.run(invocation) {
                Ok(_) => Ok(image),
                Err(Fail::Because(why)) => {
                    Err(Fail::Because(format!("unable to find the image {image}: {why}")))
                }
                Err(fail) => Err(fail),
            }
        }
        "image" => Err(Fail::Because("one of `image-ref` and `input` is needed".into())),
        "fs" | "rootfs" | "repo" | "filesystem" | "config" => Ok(path),
        other => Err(Fail::Refused(format!(
            "the scan-type `{other}` is not one of wharf's scanner: image, fs, rootfs, repo, config"
        ))),
    }
}

/// Whether the image is in the local store by this job's doing: loaded, or made by a `docker` in a script.
fn made_here(call: &Call<'_, '_>, image: &str) -> bool {
    if call.leg.loaded.iter().any(|name| name == image) {
        return true;
    }
    let words =
        ["docker build", "docker buildx", "docker tag", "docker pull", "docker load", "docker import"];
    own_steps(call.leg.job).iter().any(|step| match &step.kind {
        StepKind::Run { script, .. } => words.iter().any(|word| script.raw.contains(word)),
        StepKind::Uses { .. } => false,
    })
}
