//! A Dockerfile alone.

use std::collections::BTreeMap;

use wharf_dockerfile::{Dockerfile, lint};

use super::{last, stages};
use crate::findings::{Finding, Kind, Location, Severity};
use crate::image::DockerfileSource;
use crate::secrets::without_secrets;

/// What is remarkable about a Dockerfile: BuildKit's checks, then practice. One that does not parse is a finding. With an
/// `image`, it is left to say what only it shows for certain.
pub(crate) fn dockerfile(source: DockerfileSource<'_>, image: bool) -> Vec<Finding> {
    let parsed = match wharf_dockerfile::parse(source.text) {
        Ok(parsed) => parsed,
        Err(error) => {
            let title = format!("it is no Dockerfile that can be built: {error}");
            return vec![Finding::new(Kind::Config, "dockerfile-broken", Severity::High, source.path, title)];
        }
    };
    let mut checks = lint::check(&parsed);
    checks.extend(lint::check_instructions(&parsed));
    let lines: BTreeMap<u32, &str> = parsed
        .stages
        .iter()
        .flat_map(|stage| {
            let instructions = stage.instructions.iter().map(|i| (i.span.line, i.text.as_str()));
            std::iter::once((stage.span.line, stage.text.as_str())).chain(instructions)
        })
        .collect();
    let mut findings: Vec<Finding> = lint::select(checks, &parsed, &parsed.directives.check)
        .into_iter()
        .map(|check| {
            let instruction = lines.get(&check.span.line).copied().unwrap_or_default();
            of_buildkit(&check, instruction, source.path)
        })
        .collect();
    findings.extend(of_practice(&parsed, source, !image));
    findings
}

/// What practice says of a Dockerfile, without BuildKit's checks, in the order of its lines; nothing where it does not
/// parse.
pub fn practice(source: DockerfileSource<'_>) -> Vec<Finding> {
    let Ok(parsed) = wharf_dockerfile::parse(source.text) else { return Vec::new() };
    let mut findings = of_practice(&parsed, source, true);
    findings.sort_by_key(|finding| finding.location.as_ref().map(|place| place.line));
    findings
}

fn of_practice(parsed: &Dockerfile, source: DockerfileSource<'_>, guesses: bool) -> Vec<Finding> {
    let mut remarks = stages::check(parsed, source.context);
    remarks.extend(last::check(parsed, source.context, guesses));
    remarks.into_iter().filter(|r| !r.is_answered()).map(|r| r.into_finding(source.path)).collect()
}

fn of_buildkit(check: &lint::Finding, instruction: &str, path: &str) -> Finding {
    // The others are about style, and about builds of tomorrow.
    let severity = if check.rule.name == "SecretsUsedInArgOrEnv" { Severity::Medium } else { Severity::Low };
    let mut finding =
        Finding::new(Kind::Config, check.rule.name, severity, path, without_secrets(&check.message));
    finding.help = format!("{}. {}", check.rule.description, check.rule.url).trim().to_owned();
    let location = Location::new(path, check.span.line, instruction);
    finding.member = Some(location.instruction.chars().take(80).collect());
    finding = finding.sealed();
    finding.location = Some(location);
    finding
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::practice::BuildContext;

    fn rules(text: &str, has_ignore_file: bool) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        if has_ignore_file {
            std::fs::write(directory.path().join(".dockerignore"), ".git\n").unwrap();
        }
        let context = BuildContext::read(directory.path(), &directory.path().join("Dockerfile"));
        let source = DockerfileSource { path: "Dockerfile", text: text.as_bytes(), context: Some(&context) };
        let mut rules: Vec<String> = dockerfile(source, false)
            .into_iter()
            .map(|f| format!("{}:{}", f.rule, f.location.map_or(0, |l| l.line)))
            .collect();
        rules.sort();
        rules
    }

    #[test]
    fn a_service_as_it_is_often_written() {
        let text = "FROM python:latest\nCOPY . .\nCOPY model.pkl /app/\nRUN apt-get update && apt-get install -y gcc\n\
            RUN pip install torch flask==2.0\nRUN curl https://x.invalid/i.sh | sh\nCOPY src /app/src\nRUN chown -R app /app\nEXPOSE 8000\nCMD python app.py\n";
        assert_eq!(
            rules(text, false),
            [
                "JSONArgsRecommended:10",
                "apt-lists:4",
                "apt-recommends:4",
                "apt-unpinned:4",
                "base-latest:1",
                "base-not-pinned:1",
                "build-tools:4",
                "chown-doubles-layer:8",
                "copy-all:2",
                "download-unchecked:6",
                "healthcheck-missing:1",
                "model-before-dependencies:3",
                "pip-cache:5",
                "pip-cuda:5",
                "pip-unpinned:5",
                "pipefail:6",
                "source-before-dependencies:2",
                "user-root:1"
            ]
        );
    }

    #[test]
    fn a_service_as_it_should_be_is_quiet() {
        let text = "FROM python:3.12-slim@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa AS build\n\
            RUN apt-get update && apt-get install -y --no-install-recommends gcc=4:12.2.0-3 && rm -rf /var/lib/apt/lists/*\n\
            COPY requirements.txt .\nRUN --mount=type=cache,target=/root/.cache/pip pip install -r requirements.txt\n\
            FROM build\nCOPY --chown=app . /app\nUSER app\nEXPOSE 8000\nHEALTHCHECK CMD [\"/app/ready\"]\nCMD [\"python\", \"app.py\"]\n";
        assert_eq!(rules(text, true), [""; 0]);
    }

    #[test]
    fn comments_answer() {
        let text =
            "# hadolint ignore=DL3007\nFROM debian:latest\n# wharf ignore=sudo\nRUN sudo true\nUSER a\n";
        assert_eq!(rules(text, true), ["base-not-pinned:2"]);
    }

    #[test]
    fn other_systems_have_habits_too() {
        let text = "FROM alpine:3.20\nRUN apk add curl\nRUN dnf install vim\nRUN npm install left-pad @a/b@1.0\nRUN gem install x\n\
            ADD https://x.invalid/a /a\nADD a.txt /\nCOPY .env /\nRUN cd /x && sudo make\nRUN apt-get update\nUSER 0\n";
        assert_eq!(
            rules(text, true),
            [
                "add-for-copy:7",
                "add-url-unchecked:6",
                "apk-cache:2",
                "apk-unpinned:2",
                "apt-update-alone:10",
                "base-not-pinned:1",
                "cd-in-run:9",
                "copy-secret:8",
                "gem-unpinned:5",
                "npm-unpinned:4",
                "sudo:9",
                "user-root:11",
                "yum-cache:3",
                "yum-yes:3"
            ]
        );
    }

    #[test]
    fn what_would_not_work_is_seen_before_it_is_built() {
        let found = |text: &str| {
            let mut found = rules(text, true);
            found.retain(|rule| rule.starts_with("health") || rule.starts_with("user-site"));
            found
        };
        let two = "FROM python:3.12 AS b\nRUN pip install --user flask==3\nFROM python:3.12-slim\nCOPY --from=b /root/.local /root/.local\n";
        assert_eq!(found(&format!("{two}USER app\n")), ["user-site-unreadable:4"]);
        assert_eq!(found(&format!("{two}RUN chmod 755 /root\nUSER app\n")), [""; 0]);
        assert_eq!(found(two), [""; 0]);
        let own = "FROM python:3.12\nUSER app\nRUN pip install --user flask==3\n";
        assert_eq!(found(own), [""; 0], "its own home");
        let curl = "HEALTHCHECK CMD curl -f http://localhost:8000/ || exit 1\n";
        assert_eq!(found(&format!("FROM python:3.12-slim\n{curl}")), ["healthcheck-tool-missing:2"]);
        assert_eq!(found(&format!("FROM python:3.12\n{curl}")), [""; 0]);
        assert_eq!(
            found(&format!("FROM python:3.12-slim AS b\nRUN apt-get install -y curl\nFROM b\n{curl}")),
            [""; 0]
        );
    }

    #[test]
    fn a_module_that_nobody_names_is_a_risk() {
        let directory = tempfile::tempdir().unwrap();
        let text = "FROM python:3.12\nCOPY requirements.txt .\nRUN pip install -r requirements.txt\nHEALTHCHECK CMD python -c \"import requests\"\n";
        let found = |requirements: Option<&str>| {
            if let Some(text) = requirements {
                std::fs::write(directory.path().join("requirements.txt"), text).unwrap();
            }
            let context = BuildContext::read(directory.path(), &directory.path().join("Dockerfile"));
            let source =
                DockerfileSource { path: "Dockerfile", text: text.as_bytes(), context: Some(&context) };
            practice(source).iter().any(|finding| finding.rule == "healthcheck-module-unnamed")
        };
        assert!(!found(None), "nothing is known");
        assert!(found(Some("flask==3\n")) && !found(Some("flask==3\nRequests\n")));
    }

    #[test]
    fn bytes_are_said_where_the_context_is_known() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("data")).unwrap();
        std::fs::write(directory.path().join("data/train.csv"), vec![b'x'; 2_000_000]).unwrap();
        std::fs::write(directory.path().join("model.pkl"), vec![b'x'; 1_000_000]).unwrap();
        let context = BuildContext::read(directory.path(), &directory.path().join("Dockerfile"));
        let text = "FROM python:3.12\nCOPY model.pkl /app/\nCOPY . /app\nRUN pip install -r requirements.txt\nRUN chown -R app /app\n";
        let source = DockerfileSource { path: "Dockerfile", text: text.as_bytes(), context: Some(&context) };
        let titles: Vec<String> = practice(source).into_iter().map(|finding| finding.title).collect();
        for title in [
            "it copies `model.pkl` (1.0 MB) before the dependencies are installed",
            "it copies everything (3.0 MB: `data` 2.0 MB, `model.pkl` 1.0 MB), and there is no .dockerignore",
            "`chown -R` writes everything below `/app` a second time, 4.0 MB of what is copied",
        ] {
            assert!(titles.iter().any(|found| found == title), "{title}: {titles:#?}");
        }
    }

    #[test]
    fn a_later_chown_is_seen_from_the_working_directory() {
        let doubles =
            |text: &str| rules(text, true).iter().any(|rule| rule.starts_with("chown-doubles-layer"));
        let after = |copy: &str, chown: &str| {
            doubles(&format!("FROM a:1\nWORKDIR /srv\nWORKDIR app\n{copy}\nRUN useradd x && {chown}\n"))
        };
        for (copy, chown) in [
            ("COPY src/ ./src/", "chown -R x:x /srv/app"),
            ("COPY . .", "chown -R x /srv"),
            ("COPY a b ./", "chown -R x ."),
            ("ADD a.tar.gz data", "chgrp --recursive x data/raw"),
            ("COPY --from=b /venv /opt/venv", "chmod -R o+rx /opt"),
            ("COPY a $HOME/app", "chown -R x $HOME"),
        ] {
            assert!(after(copy, chown), "{copy}, {chown}");
        }
        for (copy, chown) in [
            ("COPY a /opt/a", "chown -R x ."),
            ("COPY src src", "chown -R x /srv/application"),
            ("COPY src src", "chown x /srv/app"),
            ("COPY src src", "chown -R x /var/log"),
        ] {
            assert!(!after(copy, chown), "{copy}, {chown}");
        }
    }

    #[test]
    fn what_does_not_parse_is_said() {
        assert_eq!(rules("NOPE\n", true), ["dockerfile-broken:0"]);
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "(FROM a\n)?(RUN |COPY |ADD |USER |SHELL )?\\PC{0,60}\n?") {
            rules(&text, false);
        }
    }
}
