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
    for input in ["trivy-config", "ignore-policy", "tf-vars"] {
        if !call.text(input).is_empty() {
            return Err(Fail::Refused(format!(
                "`{input}` is read by trivy itself, and wharf's scanner does not know it"
            )));
        }
    }
    let format = format(call.text("format"), call.text("template"))?;
    let exit_code = match call.text("exit-code") {
        "" => 0,
        text => text
            .parse::<i32>()
            .map_err(|_| Fail::Because(format!("`exit-code` is `{text}`: expected a number")))?,
    };
    let mut severities = severities(call.text("severity"))?;
    if call.text("format") == "sarif" && call.text("limit-severities-for-sarif") != "true" {
        // As the action does: SARIF holds all of them, and all of them count.
        severities.clear();
    }
    let target = target(call)?;
    let ignore_files = ignore_files(call)?;
    if format == "github" && !call.text("github-pat").is_empty() {
        call.warn("the snapshot is written, and not given to the dependency graph");
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
        severities,
        ignore_files,
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

/// Trivy's format in wharf's word. The templates that come with trivy are known by their names.
fn format(format: &str, template: &str) -> Result<&'static str, Fail> {
    if format != "template" {
        let known = ["table", "json", "sarif", "cyclonedx", "spdx-json", "github"];
        return match known.into_iter().find(|known| *known == format) {
            Some(known) => Ok(known),
            None if format == "spdx" => Err(Fail::Refused(
                "the format `spdx` is a text of tags and values; `spdx-json` is the same as JSON".into(),
            )),
            None => Err(Fail::Because(format!("unknown format: {format}"))),
        };
    }
    let name = template.trim_start_matches('@').rsplit('/').next().unwrap_or(template);
    match name {
        "gitlab.tpl" => Ok("gitlab"),
        "junit.tpl" => Ok("junit"),
        "html.tpl" => Ok("html"),
        "sarif.tpl" => Ok("sarif"),
        _ => Err(Fail::Refused(format!(
            "the template `{template}` is none that wharf's scanner can stand in for: gitlab.tpl, junit.tpl, html.tpl"
        ))),
    }
}

/// The lists of exceptions, which the scanner reads as they are.
fn ignore_files(call: &Call<'_, '_>) -> Result<Vec<PathBuf>, Fail> {
    let lines = call.lines("trivyignores");
    let names = lines.iter().flat_map(|line| line.split(',')).map(str::trim).filter(|name| !name.is_empty());
    names
        .map(|name| {
            let path = call.path(name);
            match path.is_file() {
                true => Ok(path),
                false => Err(Fail::Because(format!("ERROR: cannot find ignorefile '{name}'."))),
            }
        })
        .collect()
}

/// The severities that are named, in wharf's words; none where all are.
fn severities(text: &str) -> Result<Vec<String>, Fail> {
    let mut named = Vec::new();
    for word in text.split(',').map(|word| word.trim().to_ascii_uppercase()).filter(|word| !word.is_empty()) {
        if !SEVERITIES.contains(&word.as_str()) {
            return Err(Fail::Because(format!("unknown severity option: {word}")));
        }
        let word = if word == "UNKNOWN" { "info".to_owned() } else { word.to_ascii_lowercase() };
        if !named.contains(&word) {
            named.push(word);
        }
    }
    Ok(if named.len() == SEVERITIES.len() { Vec::new() } else { named })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_those_that_the_scanner_has() {
        for (name, template, expected) in [
            ("table", "", Some("table")),
            ("spdx-json", "", Some("spdx-json")),
            ("template", "@/contrib/gitlab.tpl", Some("gitlab")),
            ("template", "@$HOME/.local/bin/trivy-bin/contrib/html.tpl", Some("html")),
            ("template", "@contrib/asff.tpl", None),
            ("template", "{{ range . }}{{ end }}", None),
            ("spdx", "", None),
            ("yaml", "", None),
        ] {
            assert_eq!(format(name, template).ok(), expected, "{name} {template}");
        }
    }

    #[test]
    fn severities_are_a_list_and_not_a_threshold() {
        assert_eq!(severities("CRITICAL,low").ok(), Some(vec!["critical".to_owned(), "low".to_owned()]));
        assert_eq!(severities("UNKNOWN,LOW,MEDIUM,HIGH,CRITICAL").ok(), Some(Vec::new()));
        assert!(severities("GRAVE").is_err());
    }
}
