//! Checks that need the plan.

use super::{build, refused};

#[track_caller]
fn assert_found(text: &str, rules: &[&str]) {
    assert_eq!(build(text).found(), rules, "{text}");
}

#[test]
fn variables_without_a_value() {
    assert_found("FROM scratch\nLABEL a=$NOPE", &["UndefinedVar"]);
    assert_found("FROM scratch\nARG A\nLABEL a=$A$PATH", &[]);
    assert_found("FROM scratch\nARG A=$NOPE", &["UndefinedVar"]);
    assert_found("FROM $NOPE", &["InvalidDefaultArgInFrom", "UndefinedArgInFrom"]);
    assert_found("FROM --platform=$BUILDPLATFORM scratch", &[]);
    assert_found("ARG A\nFROM ${A:-busybox}", &[]);
    assert_found("ARG A\nFROM busybox:$A", &["InvalidDefaultArgInFrom"]);
}

#[test]
fn instructions_that_work_but_should_not_be_written_so() {
    assert_found("FROM busybox\nWORKDIR x\nWORKDIR y", &["WorkdirRelativePath"]);
    assert_found("FROM busybox AS a\nWORKDIR /x\nFROM a\nWORKDIR y", &[]);
    assert_found(
        "FROM busybox\nCMD a\nCMD [\"b\"]",
        &["JSONArgsRecommended", "MultipleInstructionsDisallowed"],
    );
    assert_found("FROM configured\nCMD a", &[]);
    assert_found("FROM busybox\nENV A 1", &["LegacyKeyValueFormat"]);
    assert_found("FROM busybox\nENV API_KEY=1\nARG PUBLIC_KEY", &["SecretsUsedInArgOrEnv"]);
    assert_found("FROM busybox\nEXPOSE 1:80/TCP", &["ExposeProtoCasing", "ExposeInvalidFormat"]);
    assert_found("FROM --platform=$TARGETPLATFORM busybox", &["RedundantTargetPlatform"]);
    assert_found("FROM --platform=linux/arm64 busybox", &["FromPlatformFlagConstDisallowed"]);
    assert_found("FROM armonly", &["InvalidBaseImagePlatform"]);
}

#[test]
fn sources_that_the_ignore_file_leaves_out() {
    let ignoring = |text: &str| build(text).with(|request| request.ignore = b"secret\n".to_vec());
    let text =
        "# check=experimental=CopyIgnoredFile\nFROM scratch\nCOPY secret /\nADD secret/x /\nCOPY open /";
    assert_eq!(ignoring(text).found(), ["CopyIgnoredFile", "CopyIgnoredFile"]);
    assert_eq!(ignoring(&text[text.find("FROM").unwrap()..]).found(), [""; 0]);
}

#[test]
fn stages_that_are_not_built_are_checked_only_by_the_checker() {
    let text = "FROM scratch AS unused\nLABEL a=$NOPE\nFROM scratch\nLABEL b=1";
    assert_found(text, &["UndefinedVar"]);
    assert!(build(text).plan().findings.is_empty());
}

#[test]
fn findings_are_errors_where_the_dockerfile_says_so() {
    let text = "FROM scratch\nMAINTAINER me\nLABEL a=$NOPE";
    assert_eq!(build(text).plan().findings.len(), 2);
    let message = refused(&format!("# check=error=true\n{text}"));
    assert!(
        message.starts_with("lint violation found for rules: MaintainerDeprecated, UndefinedVar\nline 3: ")
    );
    assert!(
        refused(&format!("# check=skip=UndefinedVar;error=true\n{text}"))
            .contains("rules: MaintainerDeprecated\n")
    );
    let skipping = build(&format!("# check=error=true\n{text}")).arg("BUILDKIT_DOCKERFILE_CHECK", "skip=all");
    assert!(skipping.plan().findings.is_empty());
    assert!(build(text).arg("BUILDKIT_DOCKERFILE_CHECK", "nope").refused().contains("check option"));
}

#[test]
fn the_checker_finds_what_it_can_where_there_is_no_plan() {
    let build = build("FROM scratch\nLABEL a=$NOPE\nCOPY a b\nEXPOSE x");
    let dockerfile = wharf_dockerfile::parse(build.text.as_bytes()).unwrap();
    let (findings, error) = super::check(&dockerfile, &build.request, &super::resolve);
    assert_eq!(findings.len(), 1);
    assert!(error.unwrap().to_string().contains("invalid containerPort"));
}
