//! `wharf meta`: from git, from each CI system, from flags and from `wharf.toml`, and what it refuses.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::world::{Ran, World};

const IMAGE: [&str; 2] = ["--image", "org/app"];

fn git_in(directory: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=Robin", "-c", "user.email=robin@example.invalid"])
        .args(["-c", "protocol.file.allow=always"])
        .args(args)
        .current_dir(directory)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_COMMITTER_DATE", "2026-01-01T00:00:00Z")
        .output()
        .unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A repository with one commit on `main`.
fn repository() -> World {
    let world = World::new();
    let project = world.path("project");
    git_in(&project, &["init", "--quiet", "--initial-branch", "main"]);
    world.file("app.txt", "one");
    git_in(&project, &["add", "--all"]);
    git_in(&project, &["commit", "--quiet", "--message", "one"]);
    world
}

fn git(world: &World, args: &[&str]) -> String {
    git_in(&world.path("project"), args)
}

fn meta(world: &World, args: &[&str], variables: &[(&str, &str)]) -> Ran {
    let mut command = world.command(&[&["meta"], args].concat());
    command.envs(variables.iter().copied()).output().unwrap().into()
}

fn document(world: &World, args: &[&str], variables: &[(&str, &str)]) -> Value {
    let ran = meta(world, &[args, &["--json"]].concat(), variables);
    assert_eq!(ran.code, 0, "{args:?}: {}", ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap()
}

/// The names of the tags, one after the other.
fn names(document: &Value) -> String {
    let names = document["tag-names"].as_array().unwrap().iter();
    names.map(|name| name.as_str().unwrap()).collect::<Vec<_>>().join(" ")
}

#[test]
fn rules_come_from_flags_then_settings_then_conventions() {
    let world = repository();
    let sha = git(&world, &["rev-parse", "--short=7", "HEAD"]);
    assert_eq!(names(&document(&world, &IMAGE, &[])), format!("main latest sha-{sha}"));
    world.file(
        "wharf.toml",
        "[image]\nname = \"org/model\"\ntags = [\"type=ref,event=branch\"]\n[image.labels]\nteam = \"{{branch}}\"\n",
    );
    let of_settings = document(&world, &[], &[]);
    assert_eq!(of_settings["tags"], serde_json::json!(["org/model:main"]));
    assert_eq!(of_settings["labels"]["team"], "main");
    let typed =
        ["--image", "a/b", "--image", "ghcr.io/A/b", "--tag", "type=raw,value=x", "--label", "team=mine"];
    let typed = document(&world, &typed, &[]);
    assert_eq!(typed["tags"], serde_json::json!(["a/b:x", "ghcr.io/a/b:x"]));
    assert_eq!(typed["labels"]["team"], "mine");
    let flavoured = document(&world, &["--flavor", "prefix=dev-", "--annotation", "note={{sha}}"], &[]);
    assert_eq!(flavoured["version"], "dev-main");
    assert!(flavoured["annotations"].as_array().unwrap().contains(&format!("manifest:note={sha}").into()));
}

#[test]
fn the_classic_preset_is_known_to_flags_and_settings() {
    let world = repository();
    let sha = git(&world, &["rev-parse", "--short=7", "HEAD"]);
    let build = "build-20260102-030405";
    let classic = ["--preset", "classic"];
    assert_eq!(names(&document(&world, &classic, &[])), format!("main-{sha} latest sha-{sha} {build}"));
    git(&world, &["switch", "--quiet", "--create", "feature/main"]);
    world.file("wharf.toml", "[image]\npreset = \"classic\"\n");
    assert_eq!(names(&document(&world, &[], &[])), format!("feature-main-{sha} sha-{sha} {build}"));
    git(&world, &["tag", "v1.2.3"]);
    assert_eq!(names(&document(&world, &[], &[])), format!("v1.2.3 v1.2 v1 sha-{sha} {build}"));
}

#[test]
fn every_format_says_the_same() {
    let world = repository();
    let args = |format| {
        [&IMAGE[..], &["--tag", "type=ref,event=branch", "--label", "note=it's so", "--format", format]]
            .concat()
    };
    let table = meta(&world, &args("table"), &[]).stdout;
    assert!(table.contains("version  main\n") && table.contains("org/app:main  freely\n"), "{table}");
    let json: Value = serde_json::from_str(&meta(&world, &args("json"), &[]).stdout).unwrap();
    assert_eq!(json["tags"][0], "org/app:main");
    assert_eq!(json["moves"]["main"], "freely");
    let bake: Value = serde_json::from_str(&meta(&world, &args("bake"), &[]).stdout).unwrap();
    let target = &bake["target"]["docker-metadata-action"];
    assert_eq!(target["tags"], json["tags"]);
    assert_eq!(target["labels"], json["labels"]);
    assert_eq!(target["args"]["DOCKER_META_VERSION"], "main");
    let env = meta(&world, &args("env"), &[]).stdout;
    let script =
        format!("{env}\nprintf '%s|%s' \"$DOCKER_METADATA_OUTPUT_TAGS\" \"$DOCKER_METADATA_OUTPUT_LABELS\"");
    let read = Command::new("sh").arg("-c").arg(script).output().unwrap();
    let read = String::from_utf8(read.stdout).unwrap();
    assert!(read.starts_with("org/app:main|note=it's so\norg.opencontainers"), "{read}");
}

#[test]
fn explain_says_where_each_tag_comes_from_and_why_a_rule_gave_none() {
    let world = repository();
    let github =
        [("GITHUB_ACTIONS", "true"), ("GITHUB_REF", "refs/heads/main"), ("GITHUB_SHA", "abcdef0123")];
    let table = meta(&world, &[&IMAGE[..], &["--explain"]].concat(), &github).stdout;
    for line in [
        "GitHub Actions",
        "from `refs/heads/main` (GITHUB_REF)",
        "needs a pull request; this is `refs/heads/main` (GITHUB_REF)",
        "from the commit (GITHUB_SHA)",
    ] {
        assert!(table.contains(line), "{line:?} is missing: {table}");
    }
    let json = document(&world, &["--explain", "--tag", "type=ref,event=tag"], &github);
    assert_eq!(json["explain"][0]["tag"], Value::Null);
    assert_eq!(json["explain"][0]["reason"], "needs a tag; this is `refs/heads/main` (GITHUB_REF)");
    let bake = meta(&world, &["--explain", "--format", "bake"], &github);
    assert!(serde_json::from_str::<Value>(&bake.stdout).is_ok());
    assert!(bake.stderr.contains("from the commit (GITHUB_SHA)"), "{}", bake.stderr);
}

#[test]
fn an_emptied_prefix_is_a_warning_and_strict_makes_it_an_error() {
    let world = repository();
    let release = [("GITHUB_ACTIONS", "true"), ("GITHUB_REF", "refs/tags/v1.2.3")];
    let rules = ["--tag", "type=sha,prefix={{branch}}-", "--tag", "type=semver,pattern={{version}}"];
    let lax = meta(&world, &[&rules[..], &["--json"]].concat(), &release);
    assert_eq!(lax.code, 0);
    for part in ["type=sha,prefix={{branch}}-", "use another prefix", "enable="] {
        assert!(lax.stderr.contains(part), "{part:?} is missing: {}", lax.stderr);
    }
    assert_eq!(names(&serde_json::from_str(&lax.stdout).unwrap()), "1.2.3 latest");
    let strict = meta(&world, &[&rules[..], &["--strict"]].concat(), &release);
    assert_eq!((strict.code, strict.stdout.as_str()), (2, ""));
    assert!(strict.stderr.starts_with("error: rule `type=sha,prefix={{branch}}-`"), "{}", strict.stderr);
}

/// What the job is, its variables, and the tags.
type Job<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);

#[test]
fn every_ci_system_says_what_is_built() {
    let world = repository();
    let sha = "e1098f9803926e73d31ef3a7bb37aaf7e614b26e";
    let cases: [Job; 20] = [
        (
            "GitHub branch",
            &[("GITHUB_ACTIONS", "true"), ("GITHUB_REF", "refs/heads/dev"), ("GITHUB_SHA", sha)],
            "dev sha-e1098f9",
        ),
        (
            "GitHub request",
            &[
                ("GITHUB_ACTIONS", "true"),
                ("GITHUB_EVENT_NAME", "pull_request"),
                ("GITHUB_REF", "refs/pull/7/merge"),
                ("GITHUB_SHA", sha),
            ],
            "pr-7 sha-e1098f9",
        ),
        (
            "GitLab branch",
            &[
                ("GITLAB_CI", "true"),
                ("CI_COMMIT_BRANCH", "main"),
                ("CI_COMMIT_REF_NAME", "main"),
                ("CI_DEFAULT_BRANCH", "main"),
                ("CI_COMMIT_SHA", sha),
                ("CI_PIPELINE_SOURCE", "push"),
            ],
            "main latest sha-e1098f9",
        ),
        (
            "GitLab request",
            &[
                ("GITLAB_CI", "true"),
                ("CI_MERGE_REQUEST_IID", "7"),
                ("CI_COMMIT_SHA", sha),
                ("CI_PIPELINE_SOURCE", "merge_request_event"),
            ],
            "pr-7 sha-e1098f9",
        ),
        (
            "GitLab tag",
            &[("GITLAB_CI", "true"), ("CI_COMMIT_TAG", "v1.2.3"), ("CI_COMMIT_SHA", sha)],
            "1.2.3 1.2 1 sha-e1098f9 latest",
        ),
        (
            "Bitbucket tag",
            &[("BITBUCKET_BUILD_NUMBER", "1"), ("BITBUCKET_TAG", "v1.2.3"), ("BITBUCKET_COMMIT", sha)],
            "1.2.3 1.2 1 sha-e1098f9 latest",
        ),
        (
            "Bitbucket request",
            &[
                ("BITBUCKET_BUILD_NUMBER", "1"),
                ("BITBUCKET_PR_ID", "7"),
                ("BITBUCKET_BRANCH", "x"),
                ("BITBUCKET_COMMIT", sha),
            ],
            "pr-7 sha-e1098f9",
        ),
        (
            "CircleCI branch",
            &[("CIRCLECI", "true"), ("CIRCLE_BRANCH", "feature/x"), ("CIRCLE_SHA1", sha)],
            "feature-x sha-e1098f9",
        ),
        (
            "CircleCI tag",
            &[("CIRCLECI", "true"), ("CIRCLE_TAG", "v1.2.3"), ("CIRCLE_SHA1", sha)],
            "1.2.3 1.2 1 sha-e1098f9 latest",
        ),
        (
            "Jenkins branch",
            &[("JENKINS_URL", "https://ci"), ("BRANCH_NAME", "dev"), ("GIT_COMMIT", sha)],
            "dev sha-e1098f9",
        ),
        (
            "Jenkins request",
            &[
                ("JENKINS_URL", "https://ci"),
                ("BRANCH_NAME", "PR-7"),
                ("CHANGE_ID", "7"),
                ("GIT_COMMIT", sha),
            ],
            "pr-7 sha-e1098f9",
        ),
        (
            "Azure branch",
            &[("TF_BUILD", "True"), ("BUILD_SOURCEBRANCH", "refs/heads/dev"), ("BUILD_SOURCEVERSION", sha)],
            "dev sha-e1098f9",
        ),
        (
            "Azure tag",
            &[("TF_BUILD", "True"), ("BUILD_SOURCEBRANCH", "refs/tags/v1.2.3"), ("BUILD_SOURCEVERSION", sha)],
            "1.2.3 1.2 1 sha-e1098f9 latest",
        ),
        (
            "Azure request",
            &[
                ("TF_BUILD", "True"),
                ("BUILD_REASON", "PullRequest"),
                ("BUILD_SOURCEBRANCH", "refs/pull/7/merge"),
                ("BUILD_SOURCEVERSION", sha),
            ],
            "pr-7 sha-e1098f9",
        ),
        (
            "Buildkite branch",
            &[
                ("BUILDKITE", "true"),
                ("BUILDKITE_BRANCH", "main"),
                ("BUILDKITE_PIPELINE_DEFAULT_BRANCH", "main"),
                ("BUILDKITE_COMMIT", sha),
                ("BUILDKITE_PULL_REQUEST", "false"),
            ],
            "main latest sha-e1098f9",
        ),
        (
            "Buildkite request",
            &[
                ("BUILDKITE", "true"),
                ("BUILDKITE_BRANCH", "x"),
                ("BUILDKITE_PULL_REQUEST", "7"),
                ("BUILDKITE_COMMIT", sha),
            ],
            "pr-7 sha-e1098f9",
        ),
        (
            "Drone tag",
            &[
                ("DRONE", "true"),
                ("DRONE_BUILD_EVENT", "tag"),
                ("DRONE_TAG", "v1.2.3"),
                ("DRONE_COMMIT_SHA", sha),
            ],
            "1.2.3 1.2 1 sha-e1098f9 latest",
        ),
        (
            "Woodpecker branch",
            &[
                ("CI", "woodpecker"),
                ("CI_PIPELINE_EVENT", "push"),
                ("CI_COMMIT_BRANCH", "dev"),
                ("CI_COMMIT_SHA", sha),
            ],
            "dev sha-e1098f9",
        ),
        (
            "Tekton branch",
            &[
                ("PARAM_REVISION", sha),
                ("PARAM_SOURCE_BRANCH", "dev"),
                ("PARAM_REPO_URL", "https://host/org/app"),
            ],
            "dev sha-e1098f9",
        ),
        (
            "Tekton request",
            &[("PARAM_REVISION", sha), ("PARAM_PULL_REQUEST_NUMBER", "7"), ("PARAM_SOURCE_BRANCH", "dev")],
            "pr-7 sha-e1098f9",
        ),
    ];
    for (system, variables, expected) in cases {
        assert_eq!(names(&document(&world, &IMAGE, variables)), expected, "{system}");
    }
}

#[test]
fn git_alone_says_what_is_built_in_every_kind_of_checkout() {
    let world = repository();
    git(&world, &["tag", "v1.2.3"]);
    let sha = git(&world, &["rev-parse", "--short=7", "HEAD"]);
    let release = format!("1.2.3 1.2 1 sha-{sha} latest");
    let at = |path: &Path| {
        let mut command = world.command(&["meta", "--image", "org/app", "--json"]);
        let ran = Ran::from(command.arg(path).output().unwrap());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        names(&serde_json::from_str(&ran.stdout).unwrap())
    };
    let url = format!("file://{}", world.path("project").display());
    let clone = |name: &str, more: &[&str]| {
        git_in(&world.path("home"), &[&["clone", "--quiet"], more, &[url.as_str(), name]].concat());
        world.path("home").join(name)
    };
    assert_eq!(at(&clone("shallow", &["--depth", "1", "--branch", "v1.2.3"])), release);
    let detached = clone("detached", &[]);
    git_in(&detached, &["checkout", "--quiet", "--detach"]);
    assert_eq!(at(&detached), release);
    git_in(&detached, &["tag", "--delete", "v1.2.3"]);
    assert_eq!(at(&detached), format!("main latest sha-{sha}"));
    git_in(&detached, &["worktree", "add", "--quiet", "-b", "topic/x", "../tree"]);
    assert_eq!(at(&world.path("home").join("tree")), format!("topic-x sha-{sha}"));
    let outer = world.path("home").join("outer");
    fs::create_dir(&outer).unwrap();
    git_in(&outer, &["init", "--quiet", "--initial-branch", "outer"]);
    git_in(&outer, &["submodule", "--quiet", "add", &url, "inner"]);
    git_in(&outer, &["commit", "--quiet", "--message", "one"]);
    assert_eq!(at(&outer.join("inner")), release);
    assert!(at(&outer).starts_with("outer sha-"));
}

#[test]
fn labels_tell_of_uncommitted_changes_the_epoch_and_the_model() {
    let world = repository();
    let commit = git(&world, &["rev-parse", "HEAD"]);
    world.file("wharf.toml", "[image]\nname = \"org/app\"\n[model]\nartifact = \"model/model.pkl\"\n");
    let revision = "org.opencontainers.image.revision";
    let unborn = document(&world, &[], &[("SOURCE_DATE_EPOCH", "1700000000")]);
    assert_eq!(unborn["labels"][revision], commit.as_str());
    assert_eq!(unborn["labels"]["org.opencontainers.image.created"], "2023-11-14T22:13:20Z");
    assert_eq!(unborn["labels"]["dev.wharf.model.sha256"], Value::Null);

    world.file("app.txt", "changed");
    world.file("model/MLmodel", "flavors:\n  sklearn:\n    pickled_model: model.pkl\nrun_id: abc\n");
    world.file("model/model.yaml", "name: churn\nversion: 1.4.2\n");
    let model = world.path("project/model/model.pkl");
    fs::write(&model, b"\x80\x04csklearn.linear_model._logistic\nLogisticRegression\n.").unwrap();
    let labels = document(&world, &[], &[])["labels"].clone();
    assert_eq!(labels[revision], format!("{commit}-dirty").as_str());
    assert_eq!(labels["dev.wharf.model.path"], "model/model.pkl");
    assert_eq!(labels["dev.wharf.model.name"], "churn");
    assert_eq!(labels["dev.wharf.model.version"], "1.4.2");
    assert_eq!(labels["dev.wharf.model.format"], "pickle/sklearn");
    let sum = Command::new("sha256sum").arg(&model).output().unwrap().stdout;
    let sum = String::from_utf8(sum).unwrap();
    assert_eq!(labels["dev.wharf.model.sha256"], sum.split(' ').next().unwrap());
}

/// The drop-in, with an output file to look at.
fn action(world: &World, variables: &[(&str, &str)]) -> (Ran, String) {
    let output = world.path("output");
    fs::write(&output, "").unwrap();
    let output = output.display().to_string();
    let given = [
        ("GITHUB_REPOSITORY", "org/app"),
        ("GITHUB_OUTPUT", output.as_str()),
        ("GITHUB_API_URL", "http://127.0.0.1:1"),
    ];
    let variables = [&given[..], variables].concat();
    let ran = meta(world, &["--github-action"], &variables);
    (ran, fs::read_to_string(&output).unwrap())
}

#[test]
fn bad_rules_are_usage_errors_that_quote_the_rule_and_write_nothing() {
    let world = repository();
    let long = format!("type=raw,value={}", "x".repeat(129));
    for (args, part) in [
        (["--tag", "type=nope"], "type=nope"),
        (["--tag", "type=sha,colour=red"], "unknown attribute `colour`"),
        (["--tag", "type=match,pattern=(["], "type=match,pattern=(["),
        (["--tag", "type=semver,pattern={{version"], "{{version"),
        (["--tag", "type=semver,pattern={{branch}}"], "there is no `branch` here"),
        (["--tag", "type=raw"], "type=raw"),
        (["--tag", &long], "129 characters"),
        (["--image", "Not An Image"], "not an image"),
        (["--image", "org/app:1.0"], "org/app:1.0"),
        (["--flavor", "latest=maybe"], "latest=maybe"),
        (["--label", "no equals sign"], "no equals sign"),
        (["--preset", "modern"], "modern"),
    ] {
        let output = world.path("output").display().to_string();
        let ran = meta(&world, &args, &[("GITHUB_OUTPUT", &output)]);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(part), "{part:?} is missing: {}", ran.stderr);
        assert!(!world.path("output").exists());
    }
    for (input, value) in [
        ("INPUT_TAGS", "type=nope"),
        ("INPUT_TAGS", "type=semver"),
        ("INPUT_IMAGES", "name=,enable=true"),
        ("INPUT_FLAVOR", "latest=maybe"),
        ("INPUT_CONTEXT", "Git"),
        ("DOCKER_METADATA_SET_OUTPUT_ENV", "perhaps"),
    ] {
        let (ran, output) = action(&world, &[(input, value)]);
        assert_eq!((ran.code, output.as_str()), (2, ""), "{input}={value}: {}", ran.stderr);
        assert!(ran.stdout.contains("::error::"), "{}", ran.stdout);
    }
}

#[test]
fn a_broken_world_is_a_usage_error_too() {
    let world = repository();
    let event = world.path("event.json");
    let github = |path: &Path| {
        let path = path.display().to_string();
        let variables = [
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_EVENT_PATH", path.as_str()),
            ("GITHUB_REF", "refs/heads/main"),
        ];
        meta(&world, &IMAGE, &variables)
    };
    let missing = github(&event);
    assert_eq!(missing.code, 2, "{}", missing.stderr);
    assert!(missing.stderr.contains("event.json"), "{}", missing.stderr);
    fs::write(&event, "{ \"ref\": ").unwrap();
    let malformed = github(&event);
    assert_eq!(malformed.code, 2, "{}", malformed.stderr);
    assert!(malformed.stderr.contains("event.json"), "{}", malformed.stderr);
    let path = event.display().to_string();
    let (ran, output) = action(&world, &[("GITHUB_EVENT_PATH", &path)]);
    assert_eq!((ran.code, output.as_str()), (2, ""), "{}", ran.stderr);

    use std::os::unix::ffi::OsStrExt;
    let mut command = world.command(&["meta", "--image", "org/app"]);
    command.env("GITHUB_ACTIONS", "true").env("GITHUB_REF", std::ffi::OsStr::from_bytes(b"refs/heads/\xff"));
    let strange: Ran = command.output().unwrap().into();
    assert_eq!(strange.code, 2, "{}", strange.stderr);
    assert!(strange.stderr.contains("GITHUB_REF is not UTF-8"), "{}", strange.stderr);

    let empty = world.path("home").join("empty");
    fs::create_dir(&empty).unwrap();
    git_in(&empty, &["init", "--quiet"]);
    let ran = meta(&world, &["--image", "org/app", &empty.display().to_string()], &[]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("has no commits"), "{}", ran.stderr);
}
