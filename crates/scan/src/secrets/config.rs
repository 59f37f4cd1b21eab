//! Credentials in an image's config: variables, labels, commands, and the arguments that history keeps.

use std::collections::HashSet;

use wharf_oci::ImageConfig;

use super::{Rules, SecretRules, finding, is_placeholder, looks_random, masked, matches, names_a_secret};
use crate::findings::{Finding, Kind, Location, Severity};
use crate::image::Provenance;

/// Where findings of the config are said to be.
const PATH: &str = "image-config";

/// The credentials in an image's config, each once, where it is said first.
pub(crate) fn scan_config(
    config: &ImageConfig,
    provenance: &Provenance,
    rules: &SecretRules,
) -> Vec<Finding> {
    let mut search = Search { rules: rules.get(), findings: Vec::new(), known: HashSet::new() };
    let run = &config.config;
    for variable in run.env.iter().flatten() {
        let named = variable.split_once('=').unwrap_or((variable, ""));
        let at = provenance.setting("ENV", named.0);
        search.check(&format!("ENV {}", named.0), variable, Some(named), at);
    }
    for (name, value) in &run.labels {
        search.check(&format!("LABEL {name}"), value, None, provenance.setting("LABEL", name));
    }
    for (instruction, command) in [("ENTRYPOINT", &run.entrypoint), ("CMD", &run.cmd)] {
        let command = command.iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" ");
        search.check(instruction, &command, None, provenance.setting(instruction, ""));
    }
    for (index, line) in config.history.iter().enumerate() {
        let text = line.created_by.as_deref().unwrap_or_default();
        let at = provenance.line(index).and_then(|origin| origin.location.as_ref());
        let (arguments, command) = build_arguments(text);
        for argument in arguments.into_iter().chain(text.strip_prefix("ARG ")) {
            let Some((name, value)) = argument.split_once('=') else { continue };
            search.check(&format!("ARG {name}"), argument, Some((name, value)), at);
        }
        search.check("history", command, None, at);
    }
    search.findings
}

struct Search<'r> {
    rules: &'r Rules,
    findings: Vec<Finding>,
    /// History repeats what variables, labels and arguments say.
    known: HashSet<String>,
}

impl Search<'_> {
    /// Looks at a text that the config has at `place`; if it is a value, it may also be told by its name.
    fn check(&mut self, place: &str, text: &str, named: Option<(&str, &str)>, at: Option<&Location>) {
        let found = matches(self.rules, text, |rule| rule.applies_to(PATH));
        let any = !found.is_empty();
        for (rule, range) in found {
            let secret = &text[range];
            self.add(secret, place, at, finding(rule, PATH, None, secret));
        }
        let Some((name, value)) = named.filter(|(name, value)| {
            !any && names_a_secret(name)
                && value.len() >= 8
                && !is_placeholder(value)
                && !value.starts_with('/')
        }) else {
            return;
        };
        let title =
            format!("`{name}` looks like a credential and is stored in the image ({})", masked(value));
        let severity = if looks_random(value) { Severity::High } else { Severity::Medium };
        self.add(value, place, at, Finding::new(Kind::Secret, "secret-in-config", severity, PATH, title));
    }

    fn add(&mut self, secret: &str, place: &str, at: Option<&Location>, mut finding: Finding) {
        if self.known.insert(secret.to_owned()) {
            finding.member = Some(place.to_owned());
            finding.location = at.cloned();
            self.findings.push(finding.sealed());
        }
    }
}

/// The arguments that the builder wrote before a command, and the command: `|2 A=1 B=2 /bin/sh -c …`.
fn build_arguments(created_by: &str) -> (Vec<&str>, &str) {
    let none = (Vec::new(), created_by);
    let Some((count, mut rest)) =
        created_by.trim_start_matches("RUN ").strip_prefix('|').and_then(|text| text.split_once(' '))
    else {
        return none;
    };
    let Ok(count) = count.parse::<usize>() else { return none };
    let mut arguments = Vec::new();
    for _ in 0..count {
        let Some((argument, behind)) = rest.split_once(' ') else { break };
        arguments.push(argument);
        rest = behind;
    }
    (arguments, rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wharf_oci::History;

    use crate::image::DockerfileSource;

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
        let places: Vec<_> = scan_config(&config, &Provenance::default(), &SecretRules::default())
            .into_iter()
            .filter_map(|finding| finding.member)
            .collect();
        assert_eq!(places, ["ENV DB_PASSWORD", "ARG PIP_TOKEN"]);
    }

    #[test]
    fn each_credential_is_told_once_and_at_its_own_place() {
        let token = "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";
        let key = "sk-proj-abcdefghijklmnopqrstuvwxT3BlbkFJabcdefghijklmnopqrstuvwx";
        let mut config = ImageConfig::default();
        config.config.env = Some(vec![format!("HF_TOKEN={token}")]);
        let lines = [
            "ARG PIP_TOKEN=q8s7d6f5g4h3".to_owned(),
            format!("ENV HF_TOKEN={token}"),
            format!(
                "RUN |1 PIP_TOKEN=q8s7d6f5g4h3 /bin/sh -c curl -H 'Authorization: Bearer {key}' x # buildkit"
            ),
        ];
        config.history = lines.map(|line| History { created_by: Some(line), ..History::default() }).to_vec();
        let text = format!(
            "FROM a\nARG PIP_TOKEN=q8s7d6f5g4h3\nENV HF_TOKEN={token}\nRUN curl -H 'Authorization: Bearer {key}' x\n"
        );
        let source = DockerfileSource { path: "Dockerfile", text: text.as_bytes(), context: None };
        let provenance = Provenance::new(&config, Some(source));
        let found: Vec<_> = scan_config(&config, &provenance, &SecretRules::default())
            .into_iter()
            .map(|finding| {
                (finding.member.unwrap_or_default(), finding.location.map(|location| location.line))
            })
            .collect();
        let at = |place: &str, line| (place.to_owned(), Some(line));
        assert_eq!(found, [at("ENV HF_TOKEN", 3), at("ARG PIP_TOKEN", 2), at("history", 4)]);
    }
}
