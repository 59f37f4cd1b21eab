//! Variables as jobs of each system have them (captured; names and ids replaced).

use serde_json::{Value, json};

use super::*;

const SHA: &str = "e1098f9803926e73d31ef3a7bb37aaf7e614b26e";

fn variables(pairs: &[(&str, &str)]) -> Variables {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// System, event, ref, commit, base and default branch; empty where unknown.
fn seen_with(pairs: &[(&str, &str)], document: &Value) -> [String; 6] {
    let variables = variables(pairs);
    let system = System::detect(&variables).expect("a CI system");
    let event = system.event(&variables, document);
    let value = |fact: Option<Fact>| fact.map_or_else(String::new, |fact| fact.value);
    [
        event.system.to_owned(),
        value(event.name),
        value(event.reference),
        value(event.commit),
        value(event.base),
        value(event.default_branch),
    ]
}

fn seen(pairs: &[(&str, &str)]) -> [String; 6] {
    seen_with(pairs, &Value::Null)
}

#[test]
fn outside_of_ci_there_is_no_system() {
    assert!(
        System::detect(&variables(&[("HOME", "/root"), ("CI", "true"), ("PARAM_REVISION", "x")])).is_none()
    );
}

mod github {
    use super::*;

    fn job<'a>(event: &'a str, reference: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let mut pairs = vec![
            ("CI", "true"),
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_EVENT_NAME", event),
            ("GITHUB_REF", reference),
            ("GITHUB_SHA", SHA),
            ("GITHUB_REPOSITORY", "tidewater-ml/churn-scorer"),
            ("GITHUB_SERVER_URL", "https://github.com"),
        ];
        pairs.extend_from_slice(more);
        pairs
    }

    #[test]
    fn a_push_knows_its_default_branch_from_the_event() {
        let document = json!({ "base_ref": null, "repository": { "default_branch": "trunk" } });
        let seen = seen_with(&job("push", "refs/heads/feature/x", &[]), &document);
        assert_eq!(seen, ["GitHub Actions", "push", "refs/heads/feature/x", SHA, "", "trunk"]);
    }

    #[test]
    fn a_tag_knows_the_branch_that_it_was_pushed_from() {
        let document = json!({ "base_ref": "refs/heads/main" });
        let seen = seen_with(&job("push", "refs/tags/v1.2.3", &[]), &document);
        assert_eq!(seen[2..5], ["refs/tags/v1.2.3", SHA, "main"]);
    }

    #[test]
    fn a_pull_request_goes_into_its_base() {
        let seen = seen(&job("pull_request", "refs/pull/7/merge", &[("GITHUB_BASE_REF", "main")]));
        assert_eq!(seen[1..5], ["pull_request", "refs/pull/7/merge", SHA, "main"]);
    }

    #[test]
    fn pull_request_target_is_the_request_and_not_the_base_branch() {
        let pairs = job("pull_request_target", "refs/heads/main", &[("GITHUB_BASE_REF", "main")]);
        assert_eq!(seen_with(&pairs, &json!({ "number": 318 }))[2], "refs/pull/318/merge");
    }

    #[test]
    fn the_event_dates_the_commit_and_describes_the_repository() {
        let document = json!({
            "commits": [{ "id": "0", "timestamp": "2024-01-01T00:00:00Z" }],
            "head_commit": { "id": SHA, "timestamp": "2024-05-06T07:08:09+02:00" },
            "repository": {
                "name": "churn-scorer", "description": "Scores customers", "html_url": "https://github.com/t/c",
                "license": { "spdx_id": "Apache-2.0" },
            },
        });
        let variables = variables(&job("push", "refs/heads/main", &[]));
        let event = System::detect(&variables).unwrap().event(&variables, &document);
        assert_eq!(event.commit_date.unwrap().to_string(), "2024-05-06T05:08:09Z");
        assert_eq!(event.repository.license, "Apache-2.0");
        assert_eq!(event.repository.url, "https://github.com/t/c");
    }

    #[test]
    fn without_an_event_file_the_variables_are_enough() {
        let variables = variables(&job("push", "refs/heads/main", &[]));
        let event = System::detect(&variables).unwrap().event(&variables, &Value::Null);
        assert_eq!(event.repository.url, "https://github.com/tidewater-ml/churn-scorer");
        assert_eq!(event.repository.name, "churn-scorer");
    }
}

mod gitlab {
    use super::*;

    const COMMON: [(&str, &str); 5] = [
        ("CI", "true"),
        ("GITLAB_CI", "true"),
        ("CI_COMMIT_SHA", SHA),
        ("CI_DEFAULT_BRANCH", "main"),
        ("CI_PROJECT_URL", "https://gitlab.example.com/ml/churn"),
    ];

    fn job<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        COMMON.iter().chain(more).copied().collect()
    }

    #[test]
    fn a_branch() {
        let seen = seen(&job(&[
            ("CI_PIPELINE_SOURCE", "push"),
            ("CI_COMMIT_BRANCH", "main"),
            ("CI_COMMIT_TAG", ""),
        ]));
        assert_eq!(seen, ["GitLab CI", "push", "refs/heads/main", SHA, "", "main"]);
    }

    #[test]
    fn a_tag() {
        let seen = seen(&job(&[
            ("CI_PIPELINE_SOURCE", "push"),
            ("CI_COMMIT_TAG", "v1.2.3"),
            ("CI_COMMIT_REF_NAME", "v1.2.3"),
        ]));
        assert_eq!(seen[1..3], ["push", "refs/tags/v1.2.3"]);
    }

    #[test]
    fn a_merge_request() {
        let seen = seen(&job(&[
            ("CI_PIPELINE_SOURCE", "merge_request_event"),
            ("CI_MERGE_REQUEST_IID", "12"),
            ("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main"),
            ("CI_COMMIT_REF_NAME", "feature/x"),
        ]));
        assert_eq!(seen[1..5], ["pull_request", "refs/pull/12/merge", SHA, "main"]);
    }

    #[test]
    fn a_schedule_and_a_manual_run() {
        let branch = ("CI_COMMIT_BRANCH", "main");
        assert_eq!(seen(&job(&[("CI_PIPELINE_SOURCE", "schedule"), branch]))[1], "schedule");
        assert_eq!(seen(&job(&[("CI_PIPELINE_SOURCE", "api"), branch]))[1], "workflow_dispatch");
    }
}

mod bitbucket {
    use super::*;

    fn job<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let common = [
            ("CI", "true"),
            ("BITBUCKET_BUILD_NUMBER", "42"),
            ("BITBUCKET_COMMIT", SHA),
            ("BITBUCKET_REPO_SLUG", "churn"),
            ("BITBUCKET_GIT_HTTP_ORIGIN", "http://bitbucket.org/ml/churn"),
        ];
        common.iter().chain(more).copied().collect()
    }

    #[test]
    fn a_branch() {
        let seen = seen(&job(&[("BITBUCKET_BRANCH", "feature/x")]));
        assert_eq!(seen, ["Bitbucket Pipelines", "push", "refs/heads/feature/x", SHA, "", ""]);
    }

    #[test]
    fn a_tag() {
        assert_eq!(seen(&job(&[("BITBUCKET_TAG", "v1.2.3")]))[2], "refs/tags/v1.2.3");
    }

    #[test]
    fn a_pull_request_comes_before_its_branch() {
        let seen = seen(&job(&[
            ("BITBUCKET_BRANCH", "feature/x"),
            ("BITBUCKET_PR_ID", "7"),
            ("BITBUCKET_PR_DESTINATION_BRANCH", "main"),
        ]));
        assert_eq!(seen[1..5], ["pull_request", "refs/pull/7/merge", SHA, "main"]);
    }

    #[test]
    fn the_page_is_https() {
        let variables = variables(&job(&[]));
        let event = System::detect(&variables).unwrap().event(&variables, &Value::Null);
        assert_eq!(event.repository.url, "https://bitbucket.org/ml/churn");
    }
}

mod circleci {
    use super::*;

    fn job<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let common = [
            ("CI", "true"),
            ("CIRCLECI", "true"),
            ("CIRCLE_SHA1", SHA),
            ("CIRCLE_PROJECT_REPONAME", "churn"),
        ];
        common.iter().chain(more).copied().collect()
    }

    #[test]
    fn a_branch_with_an_open_request_is_the_branch() {
        let seen = seen(&job(&[
            ("CIRCLE_BRANCH", "develop"),
            ("CIRCLE_PULL_REQUEST", "https://github.com/ml/churn/pull/7"),
        ]));
        assert_eq!(seen, ["CircleCI", "push", "refs/heads/develop", SHA, "", ""]);
    }

    #[test]
    fn a_tag() {
        assert_eq!(seen(&job(&[("CIRCLE_TAG", "v1.2.3")]))[2], "refs/tags/v1.2.3");
    }

    #[test]
    fn a_request_from_a_fork() {
        let seen_by_number = seen(&job(&[("CIRCLE_BRANCH", "pull/7"), ("CIRCLE_PR_NUMBER", "7")]));
        assert_eq!(seen_by_number[1..3], ["pull_request", "refs/pull/7/merge"]);
        assert_eq!(seen(&job(&[("CIRCLE_BRANCH", "pull/9")]))[2], "refs/pull/9/merge");
        assert_eq!(seen(&job(&[("CIRCLE_BRANCH", "pull/x")]))[2], "refs/heads/pull/x");
    }
}

mod azure {
    use super::*;

    fn job<'a>(reason: &'a str, reference: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let common = [
            ("TF_BUILD", "True"),
            ("BUILD_REASON", reason),
            ("BUILD_SOURCEBRANCH", reference),
            ("BUILD_SOURCEBRANCHNAME", "x"),
            ("BUILD_SOURCEVERSION", SHA),
            ("BUILD_REPOSITORY_NAME", "ml/churn"),
        ];
        common.iter().chain(more).copied().collect()
    }

    #[test]
    fn a_branch_keeps_its_slashes() {
        let seen = seen(&job("IndividualCI", "refs/heads/feature/x", &[]));
        assert_eq!(seen, ["Azure Pipelines", "push", "refs/heads/feature/x", SHA, "", ""]);
    }

    #[test]
    fn a_tag() {
        assert_eq!(seen(&job("IndividualCI", "refs/tags/v1.2.3", &[]))[2], "refs/tags/v1.2.3");
    }

    #[test]
    fn a_pull_request() {
        let target = ("SYSTEM_PULLREQUEST_TARGETBRANCH", "refs/heads/main");
        let seen = seen(&job("PullRequest", "refs/pull/7/merge", &[target]));
        assert_eq!(seen[1..5], ["pull_request", "refs/pull/7/merge", SHA, "main"]);
    }

    #[test]
    fn reasons() {
        assert_eq!(seen(&job("Schedule", "refs/heads/main", &[]))[1], "schedule");
        assert_eq!(seen(&job("Manual", "refs/heads/main", &[]))[1], "workflow_dispatch");
        assert_eq!(seen(&job("ResourceTrigger", "refs/heads/main", &[]))[1], "workflow_dispatch");
    }
}

mod buildkite {
    use super::*;

    fn job<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let common = [
            ("CI", "true"),
            ("BUILDKITE", "true"),
            ("BUILDKITE_COMMIT", SHA),
            ("BUILDKITE_BRANCH", "main"),
            ("BUILDKITE_PIPELINE_DEFAULT_BRANCH", "main"),
            ("BUILDKITE_SOURCE", "webhook"),
        ];
        common.iter().chain(more).copied().collect()
    }

    #[test]
    fn a_branch() {
        let seen = seen(&job(&[("BUILDKITE_PULL_REQUEST", "false"), ("BUILDKITE_TAG", "")]));
        assert_eq!(seen, ["Buildkite", "push", "refs/heads/main", SHA, "", "main"]);
    }

    #[test]
    fn a_tag() {
        assert_eq!(seen(&job(&[("BUILDKITE_TAG", "v1.2.3")]))[2], "refs/tags/v1.2.3");
    }

    #[test]
    fn a_pull_request() {
        let base = ("BUILDKITE_PULL_REQUEST_BASE_BRANCH", "main");
        let seen = seen(&job(&[("BUILDKITE_PULL_REQUEST", "7"), base]));
        assert_eq!(seen[1..5], ["pull_request", "refs/pull/7/merge", SHA, "main"]);
    }

    #[test]
    fn a_commit_called_head_is_left_to_git() {
        let pairs = [("BUILDKITE", "true"), ("BUILDKITE_COMMIT", "HEAD"), ("BUILDKITE_BRANCH", "main")];
        assert_eq!(seen(&pairs)[3], "");
    }
}

mod drone {
    use super::*;

    fn job<'a>(event: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let common = [
            ("CI", "true"),
            ("DRONE", "true"),
            ("DRONE_BUILD_EVENT", event),
            ("DRONE_COMMIT_SHA", SHA),
            ("DRONE_REPO_BRANCH", "main"),
            ("DRONE_BRANCH", "main"),
        ];
        common.iter().chain(more).copied().collect()
    }

    #[test]
    fn a_branch() {
        let seen =
            seen(&job("push", &[("DRONE_COMMIT_REF", "refs/heads/feature/x"), ("DRONE_TARGET_BRANCH", "x")]));
        assert_eq!(seen, ["Drone", "push", "refs/heads/feature/x", SHA, "", "main"]);
    }

    #[test]
    fn a_tag() {
        let pairs = job("tag", &[("DRONE_TAG", "v1.2.3"), ("DRONE_COMMIT_REF", "refs/tags/v1.2.3")]);
        assert_eq!(seen(&pairs)[1..3], ["push", "refs/tags/v1.2.3"]);
    }

    #[test]
    fn a_pull_request_is_not_its_target_branch() {
        let pairs = job(
            "pull_request",
            &[
                ("DRONE_PULL_REQUEST", "7"),
                ("DRONE_COMMIT_REF", "refs/pull/7/head"),
                ("DRONE_TARGET_BRANCH", "main"),
            ],
        );
        assert_eq!(seen(&pairs)[1..5], ["pull_request", "refs/pull/7/merge", SHA, "main"]);
    }

    #[test]
    fn a_cron_job() {
        assert_eq!(seen(&job("cron", &[]))[1], "schedule");
    }

    #[test]
    fn woodpecker_branches_tags_and_requests() {
        let common = [("CI", "woodpecker"), ("CI_COMMIT_SHA", SHA), ("CI_REPO_DEFAULT_BRANCH", "main")];
        let job = |more: &[(&'static str, &'static str)]| -> Vec<(&str, &str)> {
            common.iter().chain(more).copied().collect()
        };
        let branch = [
            ("CI_PIPELINE_EVENT", "push"),
            ("CI_COMMIT_REF", "refs/heads/main"),
            ("CI_COMMIT_BRANCH", "main"),
        ];
        assert_eq!(seen(&job(&branch)), ["Woodpecker", "push", "refs/heads/main", SHA, "", "main"]);
        let tag = [("CI_PIPELINE_EVENT", "tag"), ("CI_COMMIT_TAG", "v1.2.3")];
        assert_eq!(seen(&job(&tag))[1..3], ["push", "refs/tags/v1.2.3"]);
        let request = [
            ("CI_PIPELINE_EVENT", "pull_request"),
            ("CI_COMMIT_PULL_REQUEST", "7"),
            ("CI_COMMIT_TARGET_BRANCH", "main"),
        ];
        assert_eq!(seen(&job(&request))[1..5], ["pull_request", "refs/pull/7/merge", SHA, "main"]);
    }
}

mod jenkins {
    use super::*;

    fn job<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let common =
            [("JENKINS_URL", "https://ci.example.com/"), ("BUILD_NUMBER", "42"), ("GIT_COMMIT", SHA)];
        common.iter().chain(more).copied().collect()
    }

    #[test]
    fn a_branch_of_a_multibranch_pipeline() {
        let seen =
            seen(&job(&[("BRANCH_NAME", "main"), ("BRANCH_IS_PRIMARY", "true"), ("GIT_BRANCH", "main")]));
        assert_eq!(seen, ["Jenkins", "push", "refs/heads/main", SHA, "", "main"]);
    }

    #[test]
    fn a_tag_is_also_called_a_branch() {
        assert_eq!(seen(&job(&[("BRANCH_NAME", "v1.2.3"), ("TAG_NAME", "v1.2.3")]))[2], "refs/tags/v1.2.3");
    }

    #[test]
    fn a_change_request() {
        let seen = seen(&job(&[("BRANCH_NAME", "PR-7"), ("CHANGE_ID", "7"), ("CHANGE_TARGET", "main")]));
        assert_eq!(seen[1..5], ["pull_request", "refs/pull/7/merge", SHA, "main"]);
    }

    #[test]
    fn a_plain_job_names_the_remote_branch() {
        assert_eq!(seen(&job(&[("GIT_BRANCH", "origin/feature/x")]))[2], "refs/heads/feature/x");
        assert_eq!(seen(&job(&[("GIT_BRANCH", "refs/tags/v1")]))[2], "refs/tags/v1");
        assert_eq!(seen(&job(&[("GIT_BRANCH", "detached")]))[2], "");
    }
}

mod tekton {
    use super::*;

    #[test]
    fn a_branch() {
        let pairs = [
            ("PARAM_REVISION", SHA),
            ("PARAM_SOURCE_BRANCH", "feature/x"),
            ("PARAM_TARGET_BRANCH", "feature/x"),
            ("PARAM_EVENT_TYPE", "push"),
        ];
        assert_eq!(seen(&pairs), ["Tekton", "push", "refs/heads/feature/x", SHA, "", ""]);
    }

    #[test]
    fn a_tag() {
        let pairs = [
            ("PARAM_REVISION", SHA),
            ("PARAM_SOURCE_BRANCH", "refs/tags/v1.2.3"),
            ("PARAM_GIT_TAG", "v1.2.3"),
            ("PARAM_EVENT_TYPE", "push"),
        ];
        assert_eq!(seen(&pairs)[1..3], ["push", "refs/tags/v1.2.3"]);
    }

    #[test]
    fn a_pull_request() {
        let pairs = [
            ("PARAM_REVISION", SHA),
            ("PARAM_SOURCE_BRANCH", "feature/x"),
            ("PARAM_TARGET_BRANCH", "refs/heads/main"),
            ("PARAM_PULL_REQUEST_NUMBER", "7"),
            ("PARAM_EVENT_TYPE", "pull_request"),
        ];
        assert_eq!(seen(&pairs)[1..5], ["pull_request", "refs/pull/7/merge", SHA, "main"]);
    }

    #[test]
    fn a_revision_that_is_no_commit_is_left_to_git() {
        assert_eq!(seen(&[("PARAM_REVISION", "main"), ("PARAM_URL", "https://host/x")])[3], "");
    }
}
