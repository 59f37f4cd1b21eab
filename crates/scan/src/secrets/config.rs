//! Credentials in an image's config: variables, labels, commands, and the arguments that history keeps.

use wharf_oci::ImageConfig;

use super::{finding, is_placeholder, looks_random, masked, matches, names_a_secret};
use crate::findings::{Finding, Kind, Severity};

/// Where findings of the config are said to be.
const PATH: &str = "image-config";

/// The credentials in an image's config.
pub(crate) fn scan_config(config: &ImageConfig) -> Vec<Finding> {
    let mut findings = Vec::new();
    let run = &config.config;
    for variable in run.env.iter().flatten() {
        let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
        check(&format!("ENV {name}"), variable, Some((name, value)), &mut findings);
    }
    for (name, value) in &run.labels {
        check(&format!("LABEL {name}"), value, None, &mut findings);
    }
    for command in [&run.entrypoint, &run.cmd].into_iter().flatten() {
        check("command", &command.join(" "), None, &mut findings);
    }
    for line in &config.history {
        let text = line.created_by.as_deref().unwrap_or_default();
        let declared = text.strip_prefix("ARG ").and_then(|argument| argument.split_once('='));
        let argument = build_arguments(text).chain(declared).find(|(name, _)| names_a_secret(name));
        let place = argument.map_or_else(|| "history".to_owned(), |(name, _)| format!("ARG {name}"));
        check(&place, text, argument, &mut findings);
    }
    findings.dedup_by(|a, b| a.rule == b.rule && a.member == b.member);
    findings
}

fn check(place: &str, text: &str, named: Option<(&str, &str)>, findings: &mut Vec<Finding>) {
    let found = matches(text, |rule| rule.applies_to(PATH));
    let any = !found.is_empty();
    findings.extend(
        found.into_iter().map(|(rule, range)| finding(rule, PATH, Some(place.to_owned()), &text[range])),
    );
    if let Some((name, value)) = named.filter(|(name, value)| {
        !any && names_a_secret(name) && value.len() >= 8 && !is_placeholder(value) && !value.starts_with('/')
    }) {
        let title =
            format!("`{name}` looks like a credential and is stored in the image ({})", masked(value));
        let severity = if looks_random(value) { Severity::High } else { Severity::Medium };
        let mut finding = Finding::new(Kind::Secret, "secret-in-config", severity, PATH, title);
        finding.member = Some(place.to_owned());
        findings.push(finding.sealed());
    }
}

/// The arguments that the builder wrote before a command: `|2 A=1 B=2 /bin/sh -c …`.
fn build_arguments(created_by: &str) -> impl Iterator<Item = (&str, &str)> {
    let arguments = created_by.trim_start_matches("RUN ").strip_prefix('|').unwrap_or_default();
    let count = arguments.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0);
    arguments.split(' ').skip(1).take(count).filter_map(|argument| argument.split_once('='))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wharf_oci::History;

    #[test]
    fn variables_and_arguments_are_looked_at() {
        let mut config = ImageConfig::default();
        config.config.env = Some(vec![
            "PATH=/usr/bin".into(),
            "GPG_KEY=A035C8C19219BA821ECEA86B64E628F8D684696D".into(),
            "DB_PASSWORD=hunter2hunter2".into(),
            "TOKEN_FILE=/run/secrets/token".into(),
            "TOKENIZER_NAME=bert-base-uncased".into(),
            "MAX_TOKENS=123456789".into(),
        ]);
        config.history = vec![History {
            created_by: Some("RUN |2 A=1 PIP_TOKEN=q8s7d6f5g4h3 /bin/sh -c pip install x # buildkit".into()),
            ..History::default()
        }];
        let places: Vec<_> = scan_config(&config).into_iter().filter_map(|finding| finding.member).collect();
        assert_eq!(places, ["ENV DB_PASSWORD", "ARG PIP_TOKEN"]);
    }
}
