//! What stages start from: images, contexts, nothing; and what triggers do.

use super::super::{Base, BaseImage, BaseRef, ContextKind, ResolveError, plan};
use super::{PATH, build, history, planned, refused, resolve};

#[test]
fn an_empty_image_has_a_root_and_a_path() {
    let plan = planned("FROM scratch");
    assert_eq!(plan.config().working_dir, "/");
    assert_eq!(plan.config().env.as_deref(), Some([PATH.to_owned()].as_slice()));
    assert_eq!(plan.target().base, Base::Scratch);
    assert!(plan.target().steps.is_empty() && plan.target().config.history.is_empty());
}

#[test]
fn a_base_without_a_path_gets_one() {
    assert_eq!(
        planned("FROM nopath").config().env.as_deref().unwrap(),
        ["ONLY=this".to_owned(), PATH.to_owned()]
    );
}

#[test]
fn the_config_of_the_base_is_inherited_but_not_its_age() {
    let plan = planned("FROM configured\nRUN x");
    let config = plan.config();
    assert_eq!((config.user.as_str(), config.working_dir.as_str()), ("app", "/srv"));
    assert_eq!(config.labels["base"], "yes");
    assert_eq!(plan.target().config.created, None);
    assert!(config.other.is_empty() && config.stop_signal.is_none(), "BuildKit would not write them");
    let run = plan.runs()[0];
    assert_eq!((run.user.as_str(), run.cwd.as_str()), ("app", "/srv"));
    assert_eq!(run.args, ["/bin/ash", "-c", "x"]);
    assert_eq!(run.var("BASE"), Some("1"));
}

#[test]
fn references_are_asked_for_in_full_and_once() {
    let asked = std::cell::RefCell::new(Vec::new());
    let ask = |wanted: &[BaseRef]| -> Vec<Result<BaseImage, ResolveError>> {
        asked.borrow_mut().push(wanted.iter().map(ToString::to_string).collect::<Vec<_>>());
        resolve(wanted)
    };
    let build = build(
        "FROM busybox AS a\nFROM alpine:3\nCOPY --from=busybox:latest /x /\nCOPY --from=busybox /y /\nCOPY --from=a /z /",
    );
    let dockerfile = wharf_dockerfile::parse(build.text.as_bytes()).unwrap();
    plan(&dockerfile, &build.request, &ask).unwrap();
    assert_eq!(asked.into_inner(), [["docker.io/library/busybox:latest", "docker.io/library/alpine:3"]]);
}

#[test]
fn a_missing_base_names_what_it_may_have_meant() {
    let error = build("FROM scratch AS builder\nFROM bulder").try_plan().unwrap_err();
    assert_eq!(error.location.unwrap().span.line, 2);
    let super::super::Problem::Base { nearest, .. } = *error.problem else { panic!("another error") };
    assert_eq!(nearest.as_deref(), Some("builder"));
}

#[test]
fn what_is_no_reference_is_refused_even_in_a_stage_that_is_not_built() {
    assert!(refused("FROM a/B:tag AS x\nFROM scratch").contains("failed to parse stage name"));
    assert_eq!(planned("FROM nosuch AS x\nFROM scratch").stages.len(), 1);
    assert!(refused("ARG A\nFROM ${A}").contains("should not be blank"));
}

#[test]
fn triggers_come_first_and_are_not_inherited() {
    let plan = planned("FROM onbuild\nLABEL a=$T");
    assert_eq!(plan.created_by(), ["COPY . /app # buildkit", "ENV T=1", "LABEL a=1"]);
    assert_eq!(plan.config().on_build, None);
    let chained = "FROM scratch AS a\nONBUILD LABEL x=1\nFROM a AS b\nFROM b";
    assert_eq!(history(chained), ["LABEL x=1"]);
    let plan = build(chained).with(|request| request.target = Some("a".into())).plan();
    assert_eq!(plan.config().on_build.as_deref(), Some(["LABEL x=1".to_owned()].as_slice()));
    assert!(plan.created_by().is_empty());
}

#[test]
fn triggers_may_use_stages_of_the_dockerfile() {
    let plan = planned("FROM scratch AS side\nFROM onbuildfrom");
    assert_eq!(plan.stages.len(), 2);
    assert!(refused("FROM onbuildfrom").contains("side"));
    assert!(refused("FROM onbuildbad").contains("ONBUILD trigger"));
}

#[test]
fn images_that_files_are_copied_from_keep_their_triggers_to_themselves() {
    assert_eq!(history("FROM onbuildself"), ["COPY / /x # buildkit"]);
    assert_eq!(history("FROM scratch\nCOPY --from=onbuildbad / /"), ["COPY / / # buildkit"]);
}

#[test]
fn a_trigger_stands_where_its_from_does() {
    let plan = planned("FROM scratch AS side\n\nFROM onbuildfrom");
    assert_eq!(plan.target().steps[0].span.line, 3);
    assert_eq!(plan.target().steps[0].title, "[stage-1 2/2] ONBUILD COPY --from=side /a /b");
}

#[test]
fn a_context_stands_in_for_an_image() {
    let plan = build("FROM alpine:latest\nRUN x").context("alpine", ContextKind::Files).plan();
    assert_eq!(plan.target().base, Base::NamedContext("alpine".into()));
    assert_eq!(plan.config().working_dir, "/");
    let plan = build("FROM configured").context("configured", ContextKind::Image).plan();
    assert_eq!(plan.config().user, "app");
    let plan = build("FROM nosuch").context("nosuch", ContextKind::Scratch).plan();
    assert_eq!(plan.target().base, Base::Scratch);
}

#[test]
fn a_context_stands_in_for_a_whole_stage() {
    let text = "FROM nosuch AS configured\nRUN x\nFROM configured\nCOPY --from=configured /a /";
    let plan = build(text).context("configured", ContextKind::Image).plan();
    assert_eq!(plan.stages.len(), 1);
    assert!(plan.runs().is_empty());
    assert!(matches!(plan.target().base, Base::Image(_)));
    let plan = build(text)
        .context("configured", ContextKind::Image)
        .with(|r| r.target = Some("configured".into()))
        .plan();
    assert_eq!(plan.created_by(), [""; 0]);
    assert_eq!(plan.config().user, "app");
}

#[test]
fn the_platform_asked_for_is_what_the_image_says() {
    let plan = planned("FROM armonly");
    assert_eq!(plan.target().config.architecture, "arm64");
    let plan =
        build("FROM armonly").with(|request| request.platform = Some("linux/amd64".parse().unwrap())).plan();
    assert_eq!(plan.target().config.architecture, "amd64");
    assert!(refused("FROM --platform=a/b/c/d busybox").contains("failed to parse platform"));
    assert!(refused("ARG P\nFROM --platform=$P busybox").contains("empty platform value"));
}

#[test]
fn every_layer_has_a_line_in_the_history() {
    let text = "FROM files\nLABEL a=1\nRUN x y\nWORKDIR /w";
    let plan = build(text).context("files", ContextKind::Files).plan();
    let lines = &plan.target().config.history;
    assert_eq!(lines.iter().filter(|line| !line.empty_layer).count(), 3);
    assert_eq!(lines[3].created_by.as_deref(), Some("[2/3] WORKDIR /w"));
    assert_eq!(lines[3].comment.as_deref(), Some("buildkit.exporter.image.v0"));
    let plan = build("FROM files\nLABEL a=1").context("files", ContextKind::Files).plan();
    assert_eq!(plan.created_by(), ["LABEL a=1", "local source for files"]);
}
