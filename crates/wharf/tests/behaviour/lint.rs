//! BuildKit's checks, by themselves and in a build, and what practice adds.

use crate::world::World;

const BAD: &str = "FROM scratch AS Base\nENV GREETING hello\nCMD echo $GREETING\n";

#[test]
fn a_credential_in_a_line_that_is_shown_is_masked() {
    let world = World::new();
    let token = "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";
    world.file("Dockerfile", &format!("FROM scratch\nARG PASSWORD=Xk29dkQpw83mLz\nENV HF_TOKEN={token}\n"));
    for command in [&["lint"][..], &["lint", "--json"], &["build", "--check", "."]] {
        let ran = world.wharf(command);
        assert!(ran.stdout.contains("SecretsUsedInArgOrEnv"), "{}{}", ran.stdout, ran.stderr);
        for secret in [token, "Xk29dkQpw83mLz"] {
            assert!(
                !ran.stdout.contains(secret) && !ran.stderr.contains(secret),
                "{command:?}: {}",
                ran.stdout
            );
        }
    }
}

#[test]
fn what_is_found_is_shown_with_its_lines_and_ends_with_code_1() {
    let world = World::new();
    world.file("Dockerfile", BAD);
    let ran = world.wharf(&["lint"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert_eq!(
        ran.stdout,
        "Check complete, 3 warnings have been found!

WARNING: StageNameCasing - https://docs.docker.com/go/dockerfile/rule/stage-name-casing/
Stage name 'Base' should be lowercase
Dockerfile:1
--------------------
   1 | >>> FROM scratch AS Base
   2 |     ENV GREETING hello
   3 |     CMD echo $GREETING
--------------------

WARNING: LegacyKeyValueFormat - https://docs.docker.com/go/dockerfile/rule/legacy-key-value-format/
\"ENV key=value\" should be used instead of legacy \"ENV key value\" format
Dockerfile:2
--------------------
   1 |     FROM scratch AS Base
   2 | >>> ENV GREETING hello
   3 |     CMD echo $GREETING
--------------------

WARNING: JSONArgsRecommended - https://docs.docker.com/go/dockerfile/rule/json-args-recommended/
JSON arguments recommended for CMD to prevent unintended behavior related to OS signals
Dockerfile:3
--------------------
   1 |     FROM scratch AS Base
   2 |     ENV GREETING hello
   3 | >>> CMD echo $GREETING
--------------------
"
    );
}

#[test]
fn a_build_asked_to_check_finds_the_same_and_builds_nothing() {
    let world = World::new();
    world.file("Dockerfile", BAD);
    let lint = world.wharf(&["--json", "lint", "."]);
    let check = world.wharf(&["--json", "build", "--call=check", "--tag", "it:1", "."]);
    assert_eq!((lint.code, check.code), (1, 1), "{}", check.stderr);
    let (lint, check): (serde_json::Value, serde_json::Value) =
        (serde_json::from_str(&lint.stdout).unwrap(), serde_json::from_str(&check.stdout).unwrap());
    assert_eq!(lint["warnings"], check["warnings"]);
    assert_eq!(lint["warnings"][1]["ruleName"], "LegacyKeyValueFormat");
    assert_eq!(lint["warnings"][1]["location"]["ranges"][0]["start"]["line"], 2);
    assert_eq!(world.wharf_ok(&["images", "--quiet"]).stdout, "");
}

#[test]
fn the_file_says_what_is_skipped_and_what_is_an_error() {
    let world = World::new();
    world.file("Dockerfile", &format!("# check=skip=StageNameCasing,LegacyKeyValueFormat\n{BAD}"));
    let some = world.wharf(&["lint"]);
    assert_eq!(some.code, 1);
    assert_eq!(some.stdout.matches("WARNING: ").count(), 1, "{}", some.stdout);

    world.file("Dockerfile", &format!("# check=skip=all\n{BAD}"));
    let none = world.wharf_ok(&["build", "--check", "."]);
    assert_eq!(none.stdout, "Check complete, no warnings found.\n");

    world.file("Dockerfile", &format!("# check=error=true\n{BAD}"));
    let refused = world.wharf(&["build", "."]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("lint violation found for rules: "), "{}", refused.stderr);
}

#[test]
fn a_build_ends_with_its_warnings_and_goes_well() {
    let world = World::new();
    world.file("Dockerfile", BAD);
    let ran = world.wharf_ok(&["build", "."]);
    assert!(
        ran.stderr.contains("StageNameCasing: Stage name 'Base' should be lowercase (line 1)"),
        "{}",
        ran.stderr
    );
}

#[test]
fn several_files_are_checked_and_a_base_that_cannot_be_had_is_no_error() {
    let world = World::new();
    world.file("one/Dockerfile", "FROM scratch\nCOPY a /a\n");
    world.file("two.Dockerfile", "FROM nowhere.invalid/image\nENV A=$FROM_THE_IMAGE\nMAINTAINER me\n");
    let ran = world.wharf(&["lint", "--offline", "one", "two.Dockerfile"]);
    assert_eq!(ran.code, 1);
    assert_eq!(ran.stdout.matches("WARNING: ").count(), 1, "{}", ran.stdout);
    assert!(ran.stdout.contains("two.Dockerfile:3\n"), "{}", ran.stdout);
    assert_eq!(world.wharf_ok(&["lint", "--offline", "one"]).stdout, "Check complete, no warnings found.\n");
}

#[test]
fn what_is_no_dockerfile_is_a_usage_error() {
    let world = World::new();
    world.file("Dockerfile", "FROM scratch\nCOPPY a b\n");
    let ran = world.wharf(&["lint"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("did you mean COPY?"), "{}", ran.stderr);
    assert_eq!(world.wharf(&["lint", "missing"]).code, 2);
}

/// A service as it is often written.
const SERVICE: &str = "FROM python:3.12 AS builder\nCOPY requirements.txt .\nRUN pip install --user -r requirements.txt\n\
    FROM python:3.12-slim\nCOPY --from=builder /root/.local /root/.local\nCOPY . /app\nRUN chown -R app /app\nUSER app\n\
    HEALTHCHECK CMD curl -f http://localhost:8000/health\nCMD [\"python\", \"/app/serve.py\"]\n";

fn service() -> World {
    let world = World::new();
    world.file("Dockerfile", SERVICE);
    world.file("requirements.txt", "flask==3.0\n");
    world.file("data/train.csv", &"x".repeat(1_500_000));
    world
}

#[test]
fn practice_says_what_it_costs_and_what_to_do() {
    let world = service();
    let ran = world.wharf(&["lint", "--offline"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    for text in [
        "Check complete, no warnings found.\n\nPractice: ",
        "Dockerfile:6  medium  copy-all\n    it copies everything (1.5 MB: `data` 1.5 MB,",
        "Dockerfile:7  medium  chown-doubles-layer\n    `chown -R` writes everything below `/app` a second time, 1.5 MB of what is copied\n    Use `COPY --chown=…`",
        "Dockerfile:5  high  user-site-unreadable\n",
        "Dockerfile:9  high  healthcheck-tool-missing\n    the health check wants `curl`, which `python:3.12-slim` does not have",
    ] {
        assert!(ran.stdout.contains(text), "{text}\n{}", ran.stdout);
    }
    let document: serde_json::Value =
        serde_json::from_str(&world.wharf(&["lint", "--offline", "--json"]).stdout).unwrap();
    assert_eq!(document["warnings"], serde_json::json!([]));
    let rules: Vec<&str> =
        document["practice"].as_array().unwrap().iter().map(|r| r["rule"].as_str().unwrap()).collect();
    assert!(rules.contains(&"copy-all") && rules.contains(&"base-not-pinned"), "{rules:?}");
}

#[test]
fn practice_can_be_left_out_and_answered_for() {
    let world = service();
    let alone = world.wharf_ok(&["lint", "--offline", "--rules", "buildkit"]);
    assert_eq!(alone.stdout, "Check complete, no warnings found.\n");
    world.file(
        ".wharfignore",
        "copy-all # small\nchown-doubles-layer # small\npip-cache # a builder\n\
         user-site-unreadable # /root is opened elsewhere\nhealthcheck-tool-missing # curl comes with the base\n",
    );
    let answered = world.wharf_ok(&["lint", "--offline"]);
    assert!(answered.stdout.contains("base-not-pinned"), "advice is shown: {}", answered.stdout);
    assert!(!answered.stdout.contains("copy-all"), "{}", answered.stdout);
    let practice = world.wharf_ok(&["lint", "--offline", "--rules", "practice"]);
    assert!(!practice.stdout.contains("Check complete"), "{}", practice.stdout);
    let check = world.wharf(&["build", "--check", "--file", "Dockerfile", "."]);
    assert!(!check.stdout.contains("Practice"), "{}", check.stdout);
}

/// A Dockerfile with arguments, secrets and agents.
const TAKES: &str = "ARG FROM_WHERE=scratch\n# VERSION is what it is called\nARG VERSION=1\nARG NOBODY\n\
    # base has the tools\nFROM ${FROM_WHERE} AS base\nARG VERSION\nARG TARGETARCH\nARG MODE=$VERSION-x\n\
    FROM scratch AS apart\nARG APART\nFROM base\nRUN --mount=type=secret,id=token,required=true true\n\
    RUN --mount=type=ssh true\n";

#[test]
fn an_outline_says_what_a_build_takes() {
    let world = World::new();
    world.file("Dockerfile", TAKES);
    let ran = world.wharf_ok(&["build", "--call=outline", "--build-arg", "VERSION=2", "."]);
    let expected = "BUILD ARG     VALUE    DESCRIPTION\nFROM_WHERE    scratch\n\
        VERSION       2\nMODE          2-x\n\nSECRET  REQUIRED\ntoken   true\n\n\
        SSH      REQUIRED\ndefault\n\n";
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(&ran.stdout), words(expected), "{}", ran.stdout);

    let ran = world.wharf_ok(&["build", "--call=outline,format=json", "--target", "base", "."]);
    let document: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        (document["name"].as_str(), document["description"].as_str()),
        (Some("base"), Some("has the tools"))
    );
    assert_eq!(document["args"][1]["location"]["ranges"][0]["start"]["line"], 3);
    assert_eq!(document.get("secrets"), None);
}

#[test]
fn targets_are_listed_as_docker_lists_them() {
    let world = World::new();
    world.file("Dockerfile", TAKES);
    let ran = world.wharf_ok(&["build", "--call=targets", "."]);
    assert_eq!(ran.stdout, "TARGET     DESCRIPTION\nbase       has the tools\napart\n(default)\n");
    let ran = world.wharf_ok(&["build", "--call", "targets,format=json", "."]);
    let document: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(document["targets"][0]["base"], "${FROM_WHERE}");
    assert_eq!(document["targets"][2]["default"], true);
    for bad in ["outlines", "check,format=xml"] {
        assert_eq!(world.wharf(&["build", "--call", bad, "."]).code, 2, "{bad}");
    }
}
