//! Arguments: where they come from, how far they reach, who wins.

use super::{build, history, planned, refused};

#[test]
fn a_given_value_beats_the_default_which_beats_the_global_one() {
    let text = "ARG A=global\nFROM scratch\nARG A\nARG B=default\nARG C\nLABEL l=$A-$B-$C";
    assert_eq!(history(text), ["ARG A=global", "ARG B=default", "ARG C", "LABEL l=global-default-"]);
    let plan = build(text).arg("A", "x").arg("B", "y").arg("C", "z").plan();
    assert_eq!(plan.created_by(), ["ARG A=x", "ARG B=y", "ARG C=z", "LABEL l=x-y-z"]);
}

#[test]
fn a_global_argument_must_be_declared_again() {
    assert_eq!(history("ARG A=1\nFROM scratch\nLABEL l=[$A]"), ["LABEL l=[]"]);
}

#[test]
fn global_arguments_build_on_one_another() {
    let text = "ARG A=busy\nARG B=${A}box\nFROM $B\nARG B";
    assert_eq!(history(text), ["ARG B=busybox"]);
    assert!(build(text).arg("A", "no").refused().contains("nobox"));
}

#[test]
fn a_wrong_default_does_not_matter_where_a_value_is_given() {
    let text = "FROM scratch\nARG A=${}";
    assert!(refused(text).contains("bad substitution"));
    assert_eq!(build(text).arg("A", "1").plan().created_by(), ["ARG A=1"]);
}

#[test]
fn the_later_of_arg_and_env_wins_in_the_build_but_the_image_keeps_env() {
    let plan = planned(
        "FROM busybox\nENV A=env\nARG A=arg\nRUN x\nLABEL l=$A\nFROM busybox\nARG B=arg\nENV B=env\nRUN y",
    );
    assert_eq!(plan.created_by().last().unwrap(), "RUN |1 B=env /bin/sh -c y # buildkit");
    let plan = planned("FROM busybox\nENV A=env\nARG A=arg\nRUN x\nLABEL l=$A");
    assert_eq!(plan.created_by()[2..], ["RUN |1 A=arg /bin/sh -c x # buildkit", "LABEL l=arg"]);
    assert_eq!(plan.env(), ["A=env"]);
    assert_eq!(plan.runs()[0].var("A"), Some("arg"));
}

#[test]
fn stages_inherit_arguments_but_variables_of_the_image_win() {
    let plan = planned("FROM busybox AS a\nARG ONE=1\nENV TWO=env\nARG TWO=arg\nFROM a\nRUN x");
    let run = plan.runs()[0];
    assert_eq!((run.var("ONE"), run.var("TWO")), (Some("1"), Some("env")));
    assert_eq!(plan.created_by().last().unwrap(), "RUN |2 ONE=1 TWO=env /bin/sh -c x # buildkit");
}

#[test]
fn platforms_are_known_without_being_given() {
    let text = "FROM --platform=$BUILDPLATFORM busybox\nARG TARGETPLATFORM TARGETARCH TARGETVARIANT TARGETSTAGE BUILDOS";
    let plan = build(text).with(|request| request.platform = Some("linux/arm/v7".parse().unwrap())).plan();
    assert_eq!(
        plan.created_by(),
        ["ARG TARGETPLATFORM=linux/arm/v7 TARGETARCH=arm TARGETVARIANT=v7 TARGETSTAGE=default BUILDOS=linux"]
    );
    assert_eq!(plan.target().platform.to_string(), "linux/amd64");
    let image = &plan.target().config;
    assert_eq!((image.architecture.as_str(), image.variant.as_deref()), ("arm", Some("v7")));
    assert_eq!(
        history("FROM scratch AS out\nARG TARGETSTAGE\nARG TARGETARCH=mine"),
        ["ARG TARGETSTAGE=out", "ARG TARGETARCH=mine"]
    );
}

#[test]
fn proxies_reach_steps_and_nothing_else() {
    let text = "FROM busybox\nRUN x";
    let plan = build(text).arg("HTTP_PROXY", "http://p").plan();
    assert_eq!(plan.created_by(), ["RUN /bin/sh -c x # buildkit"]);
    let run = plan.runs()[0];
    assert_eq!(run.var("HTTP_PROXY"), None);
    let names: Vec<&str> = run.proxy.iter().map(|var| var.name.as_str()).collect();
    assert_eq!(names, ["HTTP_PROXY", "http_proxy"]);
    let declared = build("FROM busybox\nARG HTTP_PROXY\nRUN x").arg("HTTP_PROXY", "http://p").plan();
    assert_eq!(declared.created_by()[0], "ARG HTTP_PROXY=http://p");
}

#[test]
fn the_epoch_is_a_number_of_seconds() {
    let text = "ARG SOURCE_DATE_EPOCH\nFROM scratch\nARG SOURCE_DATE_EPOCH";
    let plan = build(text).arg("SOURCE_DATE_EPOCH", "007").plan();
    assert_eq!((plan.epoch, plan.created_by()), (Some(7), vec!["ARG SOURCE_DATE_EPOCH=7".to_owned()]));
    assert_eq!(build(text).arg("SOURCE_DATE_EPOCH", "").plan().epoch, None);
    assert!(build(text).arg("SOURCE_DATE_EPOCH", "soon").refused().contains("soon"));
    assert_eq!(planned("ARG SOURCE_DATE_EPOCH=12\nFROM scratch").epoch, Some(12));
}

#[test]
fn arguments_for_the_builder_do_what_they_say() {
    let plan = build("FROM busybox\nRUN --mount=type=cache,target=/c x")
        .arg("BUILDKIT_SANDBOX_HOSTNAME", "here")
        .arg("BUILDKIT_CACHE_MOUNT_NS", "mine")
        .plan();
    let run = plan.runs()[0];
    assert_eq!(run.hostname.as_deref(), Some("here"));
    let super::super::Mount::Cache(cache) = &run.mounts[0] else { panic!("{run:?}") };
    assert_eq!(cache.id, "mine//c");
    let scanned = planned(
        "ARG BUILDKIT_SBOM_SCAN_STAGE=a\nFROM busybox AS a\nFROM a\nARG BUILDKIT_SBOM_SCAN_CONTEXT=1\nRUN x",
    );
    assert!(scanned.stage("a").scan && !scanned.target().scan && scanned.scan_context);
    assert_eq!(scanned.runs()[0].var("BUILDKIT_SBOM_SCAN_CONTEXT"), None);
}
