//! aws-actions/configure-aws-credentials: keys become variables of the job.

use super::call::Call;
use super::{Input, Native};
use crate::run::Fail;

pub(crate) const ACTION: Native = Native {
    name: "aws-actions/configure-aws-credentials",
    inputs: &[
        Input("aws-region", "", 1),
        Input("role-to-assume", "", 1),
        Input("aws-access-key-id", "", 1),
        Input("aws-secret-access-key", "", 1),
        Input("aws-session-token", "", 1),
        Input("web-identity-token-file", "", 1),
        Input("role-chaining", "false", 2),
        Input("audience", "sts.amazonaws.com", 1),
        Input("http-proxy", "", 1),
        Input("mask-aws-account-id", "false", 1),
        Input("role-duration-seconds", "3600", 1),
        Input("role-external-id", "", 1),
        Input("role-session-name", "GitHubActions", 1),
        Input("role-skip-session-tagging", "false", 1),
        Input("inline-session-policy", "", 2),
        Input("managed-session-policies", "", 2),
        Input("output-credentials", "false", 2),
        Input("output-env-credentials", "true", 5),
        Input("unset-current-credentials", "false", 2),
        Input("disable-retry", "false", 2),
        Input("retry-max-attempts", "12", 2),
        Input("special-characters-workaround", "false", 2),
        Input("use-existing-credentials", "false", 4),
        Input("allowed-account-ids", "", 4),
        Input("force-skip-oidc", "false", 5),
        Input("action-timeout-s", "", 5),
        Input("no-proxy", "", 5),
        Input("aws-profile", "", 6),
        Input("overwrite-aws-profile", "false", 6),
    ],
    run,
};

fn run(call: &mut Call<'_, '_>) -> Result<(), Fail> {
    let region = call.text("aws-region").to_owned();
    if region.is_empty() {
        return Err(Fail::Because("Input required and not supplied: aws-region".into()));
    }
    let plausible = region.split('-').count() >= 3 && region.ends_with(|c: char| c.is_ascii_digit());
    if !plausible || region.contains(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')) {
        return Err(Fail::Because(format!("Region is not valid: {region}")));
    }
    if !call.text("role-to-assume").is_empty() {
        return Err(Fail::Refused(
            "it assumes a role with a token that only GitHub's runners are given (OIDC); on this machine give it keys: \
             aws-access-key-id and aws-secret-access-key, and leave role-to-assume out by `if`"
                .into(),
        ));
    }
    for name in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
        call.export(name, &region)?;
    }
    let (id, secret, token) = (
        call.text("aws-access-key-id").to_owned(),
        call.text("aws-secret-access-key").to_owned(),
        call.text("aws-session-token").to_owned(),
    );
    match (id.is_empty(), secret.is_empty()) {
        (false, true) => {
            return Err(Fail::Because(
                "'aws-secret-access-key' must be provided if 'aws-access-key-id' is provided".into(),
            ));
        }
        (true, _) if call.variable("AWS_ACCESS_KEY_ID").is_none() => {
            return Err(Fail::Because(
                "Could not determine how to assume credentials. Please check your inputs and try again."
                    .into(),
            ));
        }
        (true, _) => {}
        (false, false) => {
            call.leg.masker.add(&secret);
            for (name, value) in [
                ("AWS_ACCESS_KEY_ID", &id),
                ("AWS_SECRET_ACCESS_KEY", &secret),
                ("AWS_SESSION_TOKEN", &token),
            ] {
                if !value.is_empty() {
                    call.leg.masker.add(value);
                    call.export(name, value)?;
                }
            }
        }
    }
    if call.flag("output-credentials")? {
        call.output("aws-access-key-id", id);
        call.output("aws-secret-access-key", secret);
        call.output("aws-session-token", token);
    }
    // The account is the one of the registry that the credentials open.
    let request = crate::engine::EcrRequest { region, ..Default::default() };
    let env = call.leg.environment(&call.env);
    match call.leg.engine.ecr_logins(&request, &env) {
        Ok(logins) => {
            let account = logins
                .first()
                .and_then(|login| login.registry.split('.').next())
                .unwrap_or_default()
                .to_owned();
            if call.flag("mask-aws-account-id")? {
                call.leg.masker.add(&account);
            }
            call.output("aws-account-id", account);
        }
        Err(why) => call.warn(&format!("the account's id is not known: {why}")),
    }
    call.output("authenticated-arn", "");
    Ok(())
}
