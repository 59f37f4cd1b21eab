//! Instructions that change the image config.

use super::{build, history, planned, refused};

#[test]
fn variables_keep_their_place_and_take_the_last_value() {
    let plan = planned("FROM scratch\nENV A=1 B=$A\nENV A=2 B=$A C=\"x y\"");
    assert_eq!(plan.env(), ["A=2", "B=1", "C=x y"]);
    assert_eq!(plan.created_by(), ["ENV A=1 B=", "ENV A=2 B=1 C=x y"]);
}

#[test]
fn commands_and_entry_points() {
    let plan = planned("FROM configured\nENTRYPOINT [\"/new\"]");
    assert_eq!((plan.config().cmd.as_ref(), plan.config().args_escaped), (None, false));
    let plan = planned("FROM configured\nCMD [\"own\"]\nENTRYPOINT new \"x\"");
    assert_eq!(plan.config().cmd.as_deref().unwrap(), ["own"]);
    assert_eq!(plan.config().entrypoint.as_deref().unwrap(), ["/bin/ash", "-c", "new \"x\""]);
    assert!(plan.config().args_escaped);
    assert_eq!(plan.created_by(), [r#"CMD ["own"]"#, r#"ENTRYPOINT ["/bin/ash" "-c" "new \"x\""]"#]);
    let plan = planned("FROM scratch AS a\nCMD [\"own\"]\nFROM a\nENTRYPOINT [\"e\"]");
    assert_eq!(plan.config().cmd, None, "the stage itself has said no CMD");
    assert_eq!(planned("FROM configured\nCMD []").config().cmd, None);
}

#[test]
fn a_shell_is_used_from_where_it_is_chosen() {
    let plan = planned("FROM busybox\nRUN a\nSHELL [\"/bin/bash\", \"-c\"]\nRUN b\nCMD c");
    assert_eq!(
        plan.created_by(),
        [
            "RUN /bin/sh -c a # buildkit",
            "SHELL [/bin/bash -c]",
            "RUN /bin/bash -c b # buildkit",
            r#"CMD ["/bin/bash" "-c" "c"]"#
        ]
    );
}

#[test]
fn working_directories_make_layers_except_the_root() {
    let plan = planned("FROM scratch\nWORKDIR /\nWORKDIR /a/\nWORKDIR b\nUSER 7\nWORKDIR b");
    let steps = &plan.target().steps;
    assert_eq!(plan.created_by(), ["WORKDIR /", "WORKDIR /a/", "WORKDIR /a/b", "USER 7", "WORKDIR /a/b/b"]);
    assert_eq!(steps.iter().filter(|step| step.op.is_some()).count(), 3);
    let Some(super::Op::Workdir(last)) = &steps[4].op else { panic!("{steps:?}") };
    assert_eq!((last.path.as_str(), last.user.as_str()), ("/a/b/b", "7"));
    assert_eq!(plan.config().working_dir, "/a/b/b");
}

#[test]
fn ports_volumes_and_signals() {
    let plan = planned("FROM configured\nARG P=\"1 2/udp\"\nEXPOSE $P 8-9\nVOLUME /a /b\nSTOPSIGNAL SIGTERM");
    let ports: Vec<_> = plan.config().exposed_ports.keys().cloned().collect();
    assert_eq!(ports, ["1/tcp", "2/udp", "8/tcp", "80/tcp", "9/tcp"]);
    assert_eq!(plan.created_by()[2..], ["VOLUME [/a /b]", "STOPSIGNAL SIGTERM"]);
    assert!(refused("FROM scratch\nEXPOSE 80/icmp").contains("invalid proto"));
    assert!(refused("FROM scratch\nSTOPSIGNAL SIGNOPE").contains("signal"));
    assert!(refused("FROM scratch\nVOLUME $EMPTY").contains("can not be an empty string"));
}

#[test]
fn labels_of_the_request_come_last() {
    let plan = build("FROM scratch AS a\nLABEL a=1 b=1\nFROM a").with(|request| {
        request.labels.insert("b".into(), "2".into());
    });
    let plan = plan.plan();
    assert_eq!((plan.config().labels["a"].as_str(), plan.config().labels["b"].as_str()), ("1", "2"));
    assert_eq!(plan.stage("a").config.config.labels["b"], "1");
    assert_eq!(plan.created_by(), ["LABEL a=1 b=1"]);
}

#[test]
fn health_checks_keep_what_is_not_said_at_zero() {
    let plan = planned("FROM scratch\nHEALTHCHECK --interval=5s --retries=2 CMD [\"/ok\"]");
    let check = plan.config().healthcheck.clone().unwrap();
    assert_eq!((check.interval, check.timeout, check.retries), (5_000_000_000, 0, 2));
    assert_eq!(
        plan.created_by(),
        ["HEALTHCHECK {Test:[CMD /ok] Interval:5s Timeout:0s StartPeriod:0s StartInterval:0s Retries:2}"]
    );
}

#[test]
fn an_error_says_where_it_is() {
    let error = build("FROM scratch\nLABEL a=1\nLABEL b=${x^^}").try_plan().unwrap_err();
    let location = error.location.unwrap();
    assert_eq!((location.span.line, location.text.as_str()), (3, "LABEL b=${x^^}"));
    assert!(history("FROM scratch\nMAINTAINER a  b\nONBUILD RUN x").iter().eq(["MAINTAINER a  b"]));
}
