//! Which stages are planned, and in which order.

use super::super::{Base, NoCache, StageId};
use super::{build, planned, refused};

#[test]
fn only_what_the_target_reaches_is_planned() {
    let text = "FROM busybox AS a\nRUN a\nFROM busybox AS b\nRUN b\nFROM scratch AS c\nCOPY --from=a / /\nFROM c\nRUN d";
    let names = |plan: &super::Plan| plan.stages.iter().map(|stage| stage.name.clone()).collect::<Vec<_>>();
    let plan = planned(text);
    assert_eq!(names(&plan), ["a", "c", "stage-3"]);
    assert_eq!((plan.target, &plan.target().base), (StageId(2), &Base::Stage(StageId(1))));
    let plan = build(text).with(|request| request.target = Some("B".into())).plan();
    assert_eq!(names(&plan), ["b"]);
}

#[test]
fn a_target_is_a_name_and_not_a_number() {
    let text = "FROM scratch AS builder\nFROM scratch";
    assert_eq!(
        build(text).with(|r| r.target = Some("0".into())).refused(),
        "target stage \"0\" could not be found"
    );
    let error = build(text).with(|r| r.target = Some("bulider".into())).try_plan().unwrap_err();
    assert_eq!(error.to_string(), "target stage \"bulider\" could not be found (did you mean builder?)");
    assert!(refused("FROM scratch\nFROM 0").contains("0: failed to resolve"));
}

#[test]
fn a_name_used_twice_means_the_later_stage() {
    let plan = planned("FROM scratch AS a\nLABEL n=1\nFROM scratch AS a\nLABEL n=2\nFROM a");
    assert_eq!(plan.config().labels["n"], "2");
    let plan = planned("FROM scratch AS a\nLABEL n=1\nFROM a AS a\nLABEL m=2\nFROM a");
    assert_eq!(plan.created_by(), ["LABEL n=1", "LABEL m=2"]);
}

#[test]
fn stages_cannot_use_themselves_or_one_another() {
    let own = refused("FROM scratch AS a\nCOPY --from=a / /");
    assert_eq!(own, "circular dependency detected on stage: a\nline 2, column 1: COPY --from=a / /");
    assert!(refused("FROM scratch\nCOPY --from=0 / /").contains("on stage: stage-0\n"));
    let both = "FROM scratch AS a\nCOPY --from=b / /\nFROM scratch AS b\nCOPY --from=a / /";
    let error = build(both).try_plan().unwrap_err();
    assert!(error.to_string().starts_with("circular dependency"));
    assert!(error.location.is_some());
    assert!(refused("FROM scratch\nCOPY --from=later / /\nFROM scratch AS later\nFROM scratch AS end\nCOPY --from=0 / /")
        .contains("cannot copy from stage \"later\""));
}

#[test]
fn a_long_chain_of_stages_is_no_deep_one() {
    let mut text = String::from("FROM scratch AS s0\n");
    for number in 1..5_000 {
        text.push_str(&format!("FROM scratch AS s{number}\nCOPY --from=s{} / /\n", number - 1));
    }
    assert_eq!(planned(&text).stages.len(), 5_000);
}

#[test]
fn steps_are_counted_like_buildkit_counts_them() {
    let plan = planned(
        "FROM busybox AS a\nENV X=1\nRUN one $X\nFROM scratch\nCOPY --from=a / /\nWORKDIR /\nWORKDIR /w",
    );
    let titles =
        |name: &str| plan.stage(name).steps.iter().map(|step| step.title.clone()).collect::<Vec<_>>();
    assert_eq!(titles("a"), ["ENV X=1", "[a 2/2] RUN one 1"]);
    assert_eq!(
        titles("stage-1"),
        ["[stage-1 1/3] COPY --from=a / /", "WORKDIR /", "[stage-1 2/3] WORKDIR /w"]
    );
    let plan = build("FROM busybox\nRUN x").with(|request| request.multi_platform = true).plan();
    assert_eq!(plan.target().steps[0].title, "[linux/amd64 2/2] RUN x");
}

#[test]
fn the_cache_can_be_shunned_by_name() {
    let text = "FROM scratch AS a\nFROM scratch AS b\nCOPY --from=a / /";
    let plan = build(text).with(|request| request.no_cache = NoCache::Stages(vec!["A".into()])).plan();
    assert!(plan.stage("a").no_cache && !plan.stage("b").no_cache);
    let plan = build(text).with(|request| request.no_cache = NoCache::All).plan();
    assert!(plan.stages.iter().all(|stage| stage.no_cache));
}
