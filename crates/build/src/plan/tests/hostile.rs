//! Dockerfiles that nobody wrote in good faith.

use proptest::prelude::*;

use super::{build, refused, resolve};

#[test]
fn values_cannot_grow_without_bound() {
    let mut text = String::from("FROM scratch\nENV A=0123456789\n");
    for _ in 0..60 {
        text.push_str("ENV A=$A$A\n");
    }
    let message = refused(&text);
    assert!(message.contains("MiB") || message.contains("expand to more than"), "{message:.200}");
    let ports = "EXPOSE 0-65535 0-65535 0-65535 0-65535\n".repeat(100);
    assert!(refused(&format!("FROM scratch\n{ports}")).contains("MiB"));
}

#[test]
fn steps_cannot_multiply_variables_without_bound() {
    let text = format!("FROM busybox\nENV A={}\n{}", "x".repeat(60_000), "RUN x\n".repeat(3_000));
    assert!(refused(&text).contains("variables of the steps"));
}

#[test]
fn many_variables_take_time_in_proportion() {
    let mut text = String::from("FROM scratch\n");
    for number in 0..20_000 {
        text.push_str(&format!("ENV V{number}=$W{number}\n"));
    }
    assert_eq!(build(&text).plan().env().len(), 20_000);
}

const LINES: &[&str] = &[
    "FROM scratch AS a",
    "FROM a AS b",
    "FROM busybox",
    "FROM onbuildfrom AS side",
    "FROM $A",
    "ARG A=b",
    "ARG A",
    "ENV A=$B B=$A",
    "LABEL x=${A:-$B}",
    "COPY --from=a . $A",
    "COPY --from=1 x y",
    "COPY --parents a/./b* .",
    "ADD https://h/$A.git?ref=$B /",
    "RUN --mount=from=b,target=x id",
    "RUN --mount=type=secret,id=$A id",
    "WORKDIR $A",
    "USER $B",
    "EXPOSE $A",
    "ONBUILD RUN x",
    "CMD x",
    "ENTRYPOINT []",
    "SHELL [\"$A\"]",
    "COPY <<E $A\n$B\nE",
    "VOLUME $A",
    "STOPSIGNAL $A",
    "HEALTHCHECK NONE",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_dockerfile_has_a_plan_or_an_error(
        lines in proptest::collection::vec(0..LINES.len(), 0..14),
        value in "\\PC{0,8}",
        target in proptest::option::of("[ab01]"),
    ) {
        let text: String = lines.iter().map(|line| format!("{}\n", LINES[*line])).collect();
        let build = build(&text).arg("A", &value).with(|request| request.target = target);
        if let Ok(dockerfile) = wharf_dockerfile::parse(text.as_bytes()) {
            if let Ok(plan) = super::plan(&dockerfile, &build.request, &resolve) {
                prop_assert_eq!(&plan, &super::plan(&dockerfile, &build.request, &resolve).unwrap());
                prop_assert!(plan.target.0 < plan.stages.len());
            }
            let _ = super::check(&dockerfile, &build.request, &resolve);
        }
    }
}
