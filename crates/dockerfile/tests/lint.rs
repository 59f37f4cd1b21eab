//! The checks, by the findings they give.

use std::collections::BTreeSet;

use wharf_dockerfile::lint::{self, Finding, found, rules};
use wharf_dockerfile::*;

/// What all checks of the text find: name and line.
fn findings(text: &str) -> Vec<(&'static str, u32)> {
    named(&all(text))
}

fn all(text: &str) -> Vec<Finding> {
    let dockerfile = parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let mut findings = lint::check(&dockerfile);
    findings.extend(lint::check_instructions(&dockerfile));
    lint::select(findings, &dockerfile, &dockerfile.directives.check)
}

fn named(findings: &[Finding]) -> Vec<(&'static str, u32)> {
    findings.iter().map(|finding| (finding.rule.name, finding.span.line)).collect()
}

#[test]
fn every_check_of_the_text_has_something_to_say() {
    let cases: &[(&str, &[(&str, u32)])] = &[
        ("FROM a AS Base", &[("StageNameCasing", 1)]),
        ("FROM a as base", &[("FromAsCasing", 1)]),
        ("from a AS base", &[("FromAsCasing", 1)]),
        ("From a as base\nRUN b\nRUN c", &[("ConsistentInstructionCasing", 1)]),
        ("FROM a\nLABEL a=1 \\\n\n b=2\nUSER x", &[("NoEmptyContinuation", 4)]),
        ("FROM a\nLABEL a=1\nenv X=1", &[("ConsistentInstructionCasing", 3)]),
        ("from a\nRUN x", &[("ConsistentInstructionCasing", 1)]),
        ("from a\nrun x\nUSER x", &[("ConsistentInstructionCasing", 3)]),
        ("FROM a AS b\nFROM a AS b", &[("DuplicateStageName", 2)]),
        ("FROM a AS scratch", &[("ReservedStageName", 1)]),
        ("FROM a AS context", &[("ReservedStageName", 1)]),
        ("FROM a\nMAINTAINER me", &[("MaintainerDeprecated", 2)]),
        ("FROM a\nCMD x", &[("JSONArgsRecommended", 2)]),
        ("FROM a\nSHELL [\"sh\"]\nCMD x", &[]),
        (
            "FROM a\nENTRYPOINT x\nENTRYPOINT [\"y\"]",
            &[("JSONArgsRecommended", 2), ("MultipleInstructionsDisallowed", 2)],
        ),
        ("FROM a\nHEALTHCHECK NONE\nHEALTHCHECK CMD x", &[("MultipleInstructionsDisallowed", 2)]),
        ("FROM a\nCMD [\"x\"]\nFROM a\nCMD [\"x\"]", &[]),
        ("FROM a\nENV a b\nLABEL c d", &[("LegacyKeyValueFormat", 2), ("LegacyKeyValueFormat", 3)]),
        ("FROM a\nARG AWS_SECRET_ACCESS_KEY", &[("SecretsUsedInArgOrEnv", 2)]),
        (
            "FROM a\nENV token=x PUBLIC_KEY=y monkey=z KEY_FILE=w Api_Password=v",
            &[("SecretsUsedInArgOrEnv", 2), ("SecretsUsedInArgOrEnv", 2)],
        ),
        ("FROM a\nEXPOSE 80/TCP 81:82 $P", &[("ExposeProtoCasing", 2), ("ExposeInvalidFormat", 2)]),
        ("FROM a\nWORKDIR x\nWORKDIR y", &[("WorkdirRelativePath", 2)]),
        ("FROM a AS b\nWORKDIR /x\nFROM b\nWORKDIR y\nFROM a\nWORKDIR z", &[("WorkdirRelativePath", 6)]),
        ("FROM a\nWORKDIR $x\nWORKDIR \"y\"", &[]),
    ];
    for (text, expected) in cases {
        let mut found = findings(text);
        found.sort_unstable_by_key(|(name, line)| (*line, *name));
        let mut expected = expected.to_vec();
        expected.sort_unstable_by_key(|(name, line)| (*line, *name));
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn messages_are_buildkits() {
    let message = |text: &str| all(text).remove(0).message;
    for (text, expected) in [
        ("FROM a AS Base", "Stage name 'Base' should be lowercase"),
        ("FROM a as base", "'as' and 'FROM' keywords' casing do not match"),
        ("FROM a\nenv X=1", "Command 'env' should match the case of the command majority (uppercase)"),
        ("FROM a AS b\nFROM a AS b", "Duplicate stage name \"b\", stage names should be unique"),
        ("FROM a AS scratch", "Stage name should not use the same name as reserved stage \"scratch\""),
        ("FROM a\nMAINTAINER me", "Maintainer instruction is deprecated in favor of using label"),
        (
            "FROM a\nCMD x",
            "JSON arguments recommended for CMD to prevent unintended behavior related to OS signals",
        ),
        (
            "FROM a\nHEALTHCHECK NONE\nHEALTHCHECK NONE",
            "Multiple HEALTHCHECK instructions should not be used in the same stage because only the last one will be used",
        ),
        ("FROM a\nENV a b", "\"ENV key=value\" should be used instead of legacy \"ENV key value\" format"),
        ("FROM a\nENV TOKEN=b", "Do not use ARG or ENV instructions for sensitive data (ENV \"TOKEN\")"),
        ("FROM a\nEXPOSE 80/TcP", "Defined protocol '80/TcP' in EXPOSE instruction should be lowercase"),
        (
            "FROM a\nEXPOSE 127.0.0.1:80:80",
            "EXPOSE instruction should not define an IP address or host-port mapping, found '127.0.0.1:80:80'",
        ),
        ("FROM a\nWORKDIR x", "Relative workdir \"x\" can have unexpected results if the base image changes"),
    ] {
        assert_eq!(message(text), expected, "{text}");
    }
}

#[test]
fn options_skip_and_ask() {
    let text = "FROM a AS Base\nMAINTAINER me\n";
    assert_eq!(findings(&format!("# check=skip=MaintainerDeprecated\n{text}")), [("StageNameCasing", 2)]);
    assert_eq!(findings(&format!("# check=skip=all\n{text}")), []);
    let described =
        "# what it does\nFROM a AS base\n# x is fine\nARG x\n\n# not above\n\nARG y\n# no\nARG z w\n";
    assert_eq!(findings(described), []);
    let asked = format!("# check=skip=all;experimental=InvalidDefinitionDescription\n{described}");
    assert_eq!(findings(&asked), [("InvalidDefinitionDescription", 3), ("InvalidDefinitionDescription", 11)]);
    let messages: Vec<_> = all(&asked).into_iter().map(|finding| finding.message).collect();
    assert_eq!(
        messages,
        [
            "Comment for FROM should follow the format: `# base <description>`",
            "Comment for ARG should follow the format: `# <arg_key> <description>`",
        ]
    );
}

#[test]
fn a_comment_above_an_instruction_skips_there_only() {
    let text = "FROM a\n# check=skip=JSONArgsRecommended // by intent\nCMD x\nFROM b\nCMD y\n# check=nonsense\nENTRYPOINT z";
    assert_eq!(findings(text), [("JSONArgsRecommended", 5), ("JSONArgsRecommended", 7)]);
}

#[test]
fn names_are_unique_and_explained() {
    let names: BTreeSet<_> = rules::ALL.iter().map(|rule| rule.name).collect();
    assert_eq!(names.len(), rules::ALL.len());
    assert_eq!(
        rules::SECRETS_USED_IN_ARG_OR_ENV.url,
        "https://docs.docker.com/go/dockerfile/rule/secrets-used-in-arg-or-env/"
    );
    let experimental: Vec<_> =
        rules::ALL.iter().filter(|rule| rule.experimental).map(|rule| rule.name).collect();
    assert_eq!(experimental, ["CopyIgnoredFile", "InvalidDefinitionDescription"]);
}

#[test]
fn variables_get_suggestions() {
    let span = Span::default();
    let known = ["PATH", "VERSION"];
    assert_eq!(
        found::undefined_var("VERSOIN", known, span).message,
        "Usage of undefined variable '$VERSOIN' (did you mean $VERSION?)"
    );
    assert_eq!(found::undefined_var("X", [], span).message, "Usage of undefined variable '$X'");
    assert_eq!(
        found::undefined_arg_in_from("PTAH", known, span).message,
        "FROM argument 'PTAH' is not declared (did you mean PATH?)"
    );
    assert_eq!(
        found::invalid_default_arg_in_from("$BASE", span).message,
        "Default value for ARG $BASE results in empty or invalid base image name"
    );
}

#[test]
fn platforms_of_from() {
    let stage = |line: &str| parse(line.as_bytes()).unwrap().stages.remove(0);
    let expand = |stage: &Stage| {
        let value = |name: &str| (name == "TARGETPLATFORM").then(|| "linux/amd64".to_string());
        Lexer::new('\\').word(stage.platform.as_deref().unwrap(), value).unwrap()
    };
    let redundant = |line: &str| {
        let stage = stage(line);
        found::redundant_target_platform(&stage, &expand(&stage), Some("linux/amd64"))
            .map(|finding| finding.message)
    };
    assert_eq!(
        redundant("FROM --platform=$TARGETPLATFORM a").unwrap(),
        "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior"
    );
    assert_eq!(redundant("FROM --platform=${TARGETPLATFORM}$X a"), None);
    assert_eq!(redundant("FROM --platform=linux/amd64 a"), None);
    let constant = |line: &str| {
        let stage = stage(line);
        found::constant_platform(&stage, &expand(&stage)).map(|finding| finding.message)
    };
    assert_eq!(
        constant("FROM --platform=linux/arm64 a").unwrap(),
        "FROM --platform flag should not use constant value \"linux/arm64\""
    );
    assert_eq!(constant("FROM --platform=linux/arm64 a AS build_arm64"), None);
    assert_eq!(constant("FROM --platform=$TARGETPLATFORM a"), None);
    let (one, other) = ("linux/amd64".parse().unwrap(), "linux/arm64".parse().unwrap());
    assert_eq!(
        found::base_platform("img", &one, &other, Span::default()).unwrap().message,
        "Base image img was pulled with platform \"linux/arm64\", expected \"linux/amd64\" for current build"
    );
    assert_eq!(found::base_platform("img", &one, &one, Span::default()), None);
}

#[test]
fn sources_that_are_ignored() {
    let ignored = |line: &str, source: &str, patterns: &[&str]| {
        let instruction = parse_trigger(line).unwrap();
        let patterns = IgnorePatterns::new(patterns).unwrap();
        found::ignored_source(source, &instruction, &patterns).map(|finding| finding.message)
    };
    assert_eq!(
        ignored("COPY x /", "./tmp/x", &["tmp"]).unwrap(),
        "Attempting to Copy file \"tmp/x\" that is excluded by .dockerignore"
    );
    assert!(ignored("ADD x /", "x", &["*"]).unwrap().starts_with("Attempting to Add file \"x\""));
    assert_eq!(ignored("COPY x /", "x", &["*", "!y"]), None);
    assert_eq!(ignored("COPY . /", ".", &["x"]), None);
    assert!(ignored("COPY . /", ".", &["**"]).is_some());
}
