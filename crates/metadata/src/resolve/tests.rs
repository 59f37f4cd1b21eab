//! Tests of names over snapshots of the situations that people build in.

use super::*;
use crate::snapshot::{Clock, Event, Fact, Git};

const COMMIT: &str = "e1098f9803926e73d31ef3a7bb37aaf7e614b26e";

fn git() -> Git {
    Git {
        commit: COMMIT.to_owned(),
        commit_date: Some("2024-05-06T05:08:09Z".parse().unwrap()),
        branch: Some("main".to_owned()),
        tags: Vec::new(),
        remote_branches: Vec::new(),
        default_branch: Some("main".to_owned()),
        remote: Some("git@github.com:org/churn.git".to_owned()),
        dirty: false,
        shallow: false,
    }
}

fn of_git(git: Git) -> Snapshot {
    let clock = Clock { now: "2024-06-01T12:00:00Z".parse().unwrap(), source_date_epoch: None };
    Snapshot { git: Some(git), event: None, model: None, clock }
}

fn of_ref(reference: &str) -> Snapshot {
    let fact = |value: &str, origin: &str| Some(Fact { value: value.to_owned(), origin: origin.to_owned() });
    let event = Event {
        system: "GitHub Actions",
        name: fact("push", "GITHUB_EVENT_NAME"),
        reference: fact(reference, "GITHUB_REF"),
        commit: fact(COMMIT, "GITHUB_SHA"),
        default_branch: fact("main", "event.repository.default_branch"),
        ..Event::default()
    };
    Snapshot { event: Some(event), ..of_git(git()) }
}

fn with_tags(tags: &[&str]) -> Rules {
    Rules {
        images: vec!["org/app".to_owned()],
        tags: tags.iter().map(|rule| (*rule).to_owned()).collect(),
        ..Rules::default()
    }
}

fn names(metadata: &Metadata) -> Vec<&str> {
    metadata.tags.iter().map(|tag| tag.name.as_str()).collect()
}

fn conventional(snapshot: &Snapshot) -> Metadata {
    resolve(snapshot, &Rules::conventional("org/app")).unwrap()
}

#[test]
fn conventions_name_branches_releases_and_requests() {
    assert_eq!(names(&conventional(&of_ref("refs/heads/main"))), ["main", "latest", "sha-e1098f9"]);
    assert_eq!(names(&conventional(&of_ref("refs/heads/feature/main"))), ["feature-main", "sha-e1098f9"]);
    let release = conventional(&of_ref("refs/tags/v1.2.3"));
    assert_eq!(names(&release), ["1.2.3", "1.2", "1", "sha-e1098f9", "latest"]);
    assert_eq!(release.release.as_deref(), Some("1.2.3"));
    assert_eq!(names(&conventional(&of_ref("refs/tags/v1.2.3-rc.1"))), ["1.2.3-rc.1", "sha-e1098f9"]);
    assert_eq!(names(&conventional(&of_ref("refs/tags/v0.2.3"))), ["0.2.3", "0.2", "sha-e1098f9", "latest"]);
    assert_eq!(names(&conventional(&of_ref("refs/pull/7/merge"))), ["pr-7", "sha-e1098f9"]);
}

#[test]
fn the_classic_preset_has_no_invalid_tags_and_no_false_main() {
    let classic = |reference: &str| {
        let metadata = resolve(&of_ref(reference), &Rules::classic("org/app")).unwrap();
        assert_eq!(metadata.warnings, Vec::<String>::new(), "{reference}");
        names(&metadata).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let build = "build-20240601-120000";
    assert_eq!(classic("refs/heads/main"), ["main-e1098f9", "latest", "sha-e1098f9", build]);
    assert_eq!(classic("refs/heads/feature/main"), ["feature-main-e1098f9", "sha-e1098f9", build]);
    assert_eq!(classic("refs/tags/v1.2.3"), ["v1.2.3", "v1.2", "v1", "sha-e1098f9", build]);
    assert_eq!(classic("refs/tags/v1.2.3-rc.1"), ["v1.2.3-rc.1", "sha-e1098f9", build]);
    assert_eq!(classic("refs/pull/7/merge"), ["pr-7", "sha-e1098f9", build]);
}

#[test]
fn an_emptied_affix_drops_the_tag_and_says_what_to_do() {
    let rules = with_tags(&["type=sha,prefix={{branch}}-", "type=semver,pattern={{version}}"]);
    let metadata = resolve(&of_ref("refs/tags/v1.2.3"), &rules).unwrap();
    assert_eq!(names(&metadata), ["1.2.3", "latest"]);
    let [warning] = metadata.warnings.as_slice() else { panic!("{:?}", metadata.warnings) };
    assert!(warning.starts_with("rule `type=sha,prefix={{branch}}-` gives `-e1098f9`: "), "{warning}");
    assert!(
        warning.contains("`prefix={{branch}}-` is empty here") && warning.contains("`enable=`"),
        "{warning}"
    );
}

#[test]
fn what_an_empty_part_leaves_is_dropped_wherever_it_is_empty() {
    let dropped = |tags: &[&str], flavor: &[&str]| {
        let flavor = flavor.iter().map(|item| (*item).to_owned()).collect();
        let metadata = resolve(&of_ref("refs/tags/v1.2.3"), &Rules { flavor, ..with_tags(tags) }).unwrap();
        assert_eq!(metadata.dropped, metadata.warnings);
        (names(&metadata).into_iter().map(str::to_owned).collect::<Vec<_>>(), metadata.dropped)
    };
    let (tags, why) = dropped(&["type=sha", "type=semver,pattern={{version}}"], &["suffix=-{{branch}}"]);
    assert_eq!(tags, Vec::<String>::new());
    assert!(why[0].contains("the flavor's `suffix=-{{branch}}` is empty here"), "{why:?}");
    let (tags, why) = dropped(&["type=raw,value={{branch}},prefix=b", "type=sha"], &[]);
    assert_eq!(tags, ["sha-e1098f9"]);
    assert!(why[0].contains("its value is empty here"), "{why:?}");
    let flavor = ["suffix=-{{branch}},onlatest=true"];
    let (tags, why) = dropped(&["type=semver,pattern={{version}},suffix="], &flavor);
    assert_eq!(tags, ["1.2.3"]);
    assert!(why[0].starts_with("the flavor gives `latest-`"), "{why:?}");
    // A value that is empty and has nothing around it is a rule that does not apply.
    assert_eq!(dropped(&["type=raw,value={{branch}}"], &[]), (vec![], vec![]));
}

#[test]
fn an_invalid_start_drops_the_tag() {
    let metadata =
        resolve(&of_ref("refs/heads/日本語"), &with_tags(&["type=ref,event=branch", "type=sha"])).unwrap();
    assert_eq!(names(&metadata), ["sha-e1098f9"]);
    assert!(metadata.warnings[0].contains("gives `-`"), "{:?}", metadata.warnings);
}

#[test]
fn a_tag_that_is_too_long_is_an_error() {
    let reference = format!("refs/heads/{}", "x".repeat(129));
    let error = resolve(&of_ref(&reference), &with_tags(&["type=ref,event=branch"])).unwrap_err();
    assert_eq!(error.rule, "type=ref,event=branch");
    assert!(error.problem.contains("129 characters"), "{error}");
}

#[test]
fn tags_know_how_they_move() {
    let rules = with_tags(&[
        "type=semver,pattern={{version}}",
        "type=semver,pattern=v{{major}}.{{minor}}",
        "type=semver,pattern={{major}},prefix=app-",
        "type=raw,value=next,rolling=true",
        "type=raw,value=extra",
        "type=raw,value=lts,immutable=true",
        "type=sha",
    ]);
    let metadata = resolve(&of_ref("refs/tags/v1.2.3"), &rules).unwrap();
    let motions: Vec<_> = metadata.tags.iter().map(|tag| (tag.name.as_str(), tag.motion)).collect();
    let expected = [
        ("1.2.3", Motion::Immutable),
        ("v1.2", Motion::Rolling),
        ("app-1", Motion::Rolling),
        ("next", Motion::Rolling),
        ("extra", Motion::Free),
        ("lts", Motion::Immutable),
        ("sha-e1098f9", Motion::Free),
        ("latest", Motion::Rolling),
    ];
    assert_eq!(motions, expected);
    let branch = resolve(&of_ref("refs/heads/1.2"), &with_tags(&["type=ref,event=branch"])).unwrap();
    assert_eq!(branch.tags[0].motion, Motion::Free);
}

#[test]
fn rules_that_make_no_sense_are_errors_with_their_text() {
    for (rule, problem) in [
        ("type=semver,pattern={{version}},patern=x", "unknown attribute `patern`"),
        ("type=sha,event=branch", "unknown attribute `event`"),
        ("type=nope", "`type` is `nope`"),
        ("type=raw,value={{brnach}}", "there is no `brnach` here"),
        ("type=semver,pattern={{branch}}", "there is no `branch` here"),
        ("type=raw,value={{branch", "expected"),
        ("type=match,pattern=(", "not a regular expression"),
        ("type=semver,pattern={{version}},match=[", "not a regular expression"),
        ("type=raw,value=x,enable=maybe", "`enable` is `maybe`"),
        ("type=raw,value=x,priority=high", "`priority` must be a number"),
        ("type=raw,value=x,rolling=yes", "`rolling` is `yes`"),
        ("type=ref,event=push", "`event` is `push`"),
        ("type=semver", "`pattern` is missing"),
    ] {
        let error = resolve(&of_ref("refs/heads/main"), &with_tags(&[rule])).unwrap_err();
        assert_eq!(error.rule, rule);
        assert!(error.problem.contains(problem), "{error}");
    }
    let images = |image: &str| Rules { images: vec![image.to_owned()], ..Rules::default() };
    for image in ["org/app:1.0", "Org/App Name", "-x", "name=a,enable=yes", "key=x"] {
        assert!(resolve(&of_ref("refs/heads/main"), &images(image)).is_err(), "{image}");
    }
    let label = Rules { labels: vec!["no equals sign".to_owned()], ..with_tags(&["type=sha"]) };
    assert!(resolve(&of_ref("refs/heads/main"), &label).is_err());
}

#[test]
fn labels_tell_the_truth() {
    let labels = conventional(&of_ref("refs/heads/main")).labels;
    let label = |name: &str| labels[&format!("org.opencontainers.image.{name}")].as_str();
    assert_eq!(label("created"), "2024-06-01T12:00:00Z");
    assert_eq!(label("revision"), COMMIT);
    assert_eq!(label("source"), "https://github.com/org/churn");
    assert_eq!(label("title"), "churn");
    assert_eq!(label("version"), "main");
    assert!(!labels.contains_key("org.opencontainers.image.description"));

    let mut snapshot = of_git(Git { dirty: true, ..git() });
    snapshot.clock.source_date_epoch = Some("2020-01-01T00:00:00Z".parse().unwrap());
    snapshot.model = Some(crate::Model { path: "m.pkl".into(), sha256: "ab".into(), ..Default::default() });
    let labels = conventional(&snapshot).labels;
    assert_eq!(labels["org.opencontainers.image.revision"], format!("{COMMIT}-dirty"));
    assert_eq!(labels["org.opencontainers.image.created"], "2020-01-01T00:00:00Z");
    assert_eq!(labels["dev.wharf.model.sha256"], "ab");
    assert!(!labels.contains_key("dev.wharf.model.name"));
}

#[test]
fn own_labels_are_expanded_and_win() {
    let rules = Rules {
        labels: vec!["a={{branch}}".to_owned(), "org.opencontainers.image.title=Mine".to_owned()],
        annotations: vec!["b=1".to_owned()],
        ..with_tags(&["type=sha"])
    };
    let metadata = resolve(&of_ref("refs/heads/main"), &rules).unwrap();
    assert_eq!(metadata.labels["a"], "main");
    assert_eq!(metadata.labels["org.opencontainers.image.title"], "Mine");
    assert_eq!(metadata.annotations["b"], "1");
    assert!(!metadata.annotations.contains_key("a"));
}

#[test]
fn without_ci_git_says_what_is_built() {
    assert_eq!(names(&conventional(&of_git(git()))), ["main", "latest", "sha-e1098f9"]);
    let tagged = Git { tags: vec!["rel".into(), "v1.2.3".into(), "v1.10.0".into()], ..git() };
    assert_eq!(conventional(&of_git(tagged.clone())).version.as_deref(), Some("1.10.0"));
    let dirty = conventional(&of_git(Git { dirty: true, ..tagged }));
    assert_eq!(dirty.version.as_deref(), Some("main"));
    assert!(dirty.warnings[0].contains("`v1.10.0` does not count"), "{:?}", dirty.warnings);
    let detached = Git { branch: None, remote_branches: vec!["topic/x".into()], ..git() };
    assert_eq!(names(&conventional(&of_git(detached))), ["topic-x", "sha-e1098f9"]);
    let lost = Git { branch: None, remote_branches: vec!["a".into(), "b".into()], ..git() };
    assert_eq!(names(&conventional(&of_git(lost))), ["sha-e1098f9"]);
    let unnamed = Git { default_branch: None, branch: Some("master".into()), ..git() };
    assert_eq!(names(&conventional(&of_git(unnamed))), ["master", "latest", "sha-e1098f9"]);
}

#[test]
fn every_rule_is_explained() {
    let explain = conventional(&of_ref("refs/heads/main")).explain;
    let of = |rule: &str| explain.iter().find(|explained| explained.rule == rule).unwrap();
    let branch = of("type=ref,event=branch");
    assert_eq!(branch.tag.as_deref(), Some("main"));
    assert_eq!(branch.reason, "from `refs/heads/main` (GITHUB_REF)");
    let request = of("type=ref,event=pr");
    assert_eq!(request.tag, None);
    assert_eq!(request.reason, "needs a pull request; this is `refs/heads/main` (GITHUB_REF)");
    assert_eq!(of("type=sha").reason, "from the commit (GITHUB_SHA)");
}

#[test]
fn nothing_at_all_gives_nothing_but_no_error() {
    let clock = Clock { now: "2024-06-01T12:00:00Z".parse().unwrap(), source_date_epoch: None };
    let nowhere = Snapshot { git: None, event: None, model: None, clock };
    let metadata = conventional(&nowhere);
    assert!(metadata.tags.is_empty() && metadata.version.is_none());
}

fn any_rule() -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::prelude::*;
    let kinds = proptest::sample::select(vec![
        "type=ref,event=branch",
        "type=ref,event=tag",
        "type=ref,event=pr",
        "type=sha",
        "type=sha,prefix={{branch}}-",
        "type=edge",
        "type=schedule",
        "type=raw,value={{branch}}{{tag}}",
        "type=raw,value={{base_ref}}",
        "type=raw,value={{date 'dddd Z'}}",
        "type=semver,pattern={{version}}",
        "type=semver,pattern={{raw}}",
        "type=semver,pattern={{major}}.{{minor}}",
        "type=pep440,pattern={{version}}",
        "type=match,pattern=(.*)\\d",
    ]);
    let affixes = proptest::sample::select(vec![
        "",
        ",prefix={{tag}}",
        ",suffix=-{{branch}}",
        ",prefix=ü",
        ",suffix=.",
    ]);
    (kinds, affixes).prop_map(|(kind, affix)| format!("{kind}{affix}"))
}

proptest::proptest! {
    /// Every tag that leaves is one that registries take, whatever the ref and the rules; nothing panics.
    #[test]
    fn every_tag_is_valid_whatever_the_ref(
        reference in "(refs/(heads|tags|pull)/)?(v[0-9]{1,3}(\\.[0-9]{1,2}){0,3}(-[a-z0-9.]{0,4})?(\\+[a-z0-9]{0,3})?|[a-z0-9/._-]{0,20}|\\PC{0,24})",
        tags in proptest::collection::vec(any_rule(), 0..4),
        flavor in proptest::option::of("(prefix|suffix)=(\\{\\{branch\\}\\}|[a-z.-]{0,3}),onlatest=(true|false)"),
        event in "(push|schedule|pull_request|create)",
    ) {
        let mut snapshot = of_ref(&reference);
        if let Some(name) = snapshot.event.as_mut().and_then(|e| e.name.as_mut()) {
            name.value = event;
        }
        let rules = Rules { images: vec!["org/app".into()], tags, flavor: flavor.into_iter().collect(), ..Rules::default() };
        if let Ok(metadata) = resolve(&snapshot, &rules) {
            for (at, tag) in metadata.tags.iter().enumerate() {
                proptest::prop_assert!(wharf_oci::is_valid_tag(&tag.name), "{}", tag.name);
                proptest::prop_assert!(metadata.tags[..at].iter().all(|other| other.name != tag.name));
            }
        }
    }

    /// Any text as a rule is read or refused, and both are answers.
    #[test]
    fn no_rule_panics(rule in "\\PC{0,40}", flavor in "\\PC{0,20}", image in "\\PC{0,20}", label in "\\PC{0,20}") {
        let rules = Rules {
            images: vec![image],
            tags: vec![rule],
            flavor: vec![flavor],
            labels: vec![label.clone()],
            annotations: vec![label],
        };
        let _ = resolve(&of_ref("refs/heads/main"), &rules);
    }
}
