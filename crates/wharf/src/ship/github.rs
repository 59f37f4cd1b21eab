//! What a GitHub job gets to see: step outputs, and a summary that people read.

use std::fs::OpenOptions;
use std::io::Write;

use anyhow::Context;

use super::report::Report;
use crate::exit::Failure;
use crate::output::size;
use crate::settings::host::variable;

/// Writes to the files that the runner names; does nothing outside of GitHub Actions.
pub(super) fn publish(report: &Report) -> Result<(), Failure> {
    if let Some(path) = variable("GITHUB_OUTPUT") {
        append(&path, &outputs(report))?;
    }
    if let Some(path) = variable("GITHUB_STEP_SUMMARY") {
        append(&path, &summary(report))?;
    }
    Ok(())
}

fn append(path: &str, text: &str) -> Result<(), Failure> {
    let mut file =
        OpenOptions::new().append(true).create(true).open(path).with_context(|| format!("opening {path}"))?;
    file.write_all(text.as_bytes()).with_context(|| format!("writing {path}"))?;
    Ok(())
}

/// `name=value` lines; the tags, which are several lines, in the runner's here-document form.
fn outputs(report: &Report) -> String {
    let end = "wharf_end_of_tags";
    format!(
        "digest={}\nversion={}\nimageid={}\ntags<<{end}\n{}\n{end}\n",
        report.digest,
        report.version,
        report.image_id,
        report.names().join("\n"),
    )
}

fn summary(report: &Report) -> String {
    let mut text = format!("## {} {}\n\n", report.image, report.version);
    text.push_str(&format!("`{}`, {}\n\n", report.digest, size::bytes(report.size)));
    text.push_str("| gate | verdict | why |\n|---|---|---|\n");
    for gate in &report.gates {
        let why = gate.detail.replace('|', "\\|");
        text.push_str(&format!(
            "| {} | {} | {why} |\n",
            gate.name,
            format!("{:?}", gate.verdict).to_lowercase()
        ));
    }
    if !report.pushed.is_empty() {
        text.push_str("\n| published as | sent |\n|---|---|\n");
    }
    for to in &report.pushed {
        let names: Vec<String> = to.tags.iter().map(|tag| format!("`{}:{tag}`", to.repository)).collect();
        text.push_str(&format!("| {} | {} |\n", names.join("<br>"), size::bytes(to.bytes_sent)));
    }
    for to in &report.failed {
        text.push_str(&format!("\n**Not published to `{}`**: {}\n", to.repository, to.error));
    }
    text.push_str("\n| phase | seconds | result |\n|---|---|---|\n");
    for phase in &report.phases {
        text.push_str(&format!("| {} | {:.1} | {} |\n", phase.name, phase.seconds, phase.result));
    }
    text.push('\n');
    text
}
