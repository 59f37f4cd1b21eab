//! aws-actions/configure-aws-credentials: keys, or those of a role, become variables of the job.

use std::collections::BTreeMap;

use super::call::Call;
use super::{Input, Native};
use crate::engine::StsRequest;
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
    let timed = call.text("role-duration-seconds").parse::<u32>();
    if !timed.is_ok_and(|seconds| (900..=43200).contains(&seconds)) {
        return Err(Fail::Because(
            "role-duration-seconds is a number of seconds between 900 and 43200".into(),
        ));
    }
    for name in ["aws-profile", "http-proxy", "no-proxy"] {
        if !call.text(name).is_empty() {
            call.warn(&format!("`{name}` is left out: the job has variables, and wharf's own proxies"));
        }
    }
    let around = VARIABLES[..2].iter().all(|name| call.variable(name).is_some());
    let existing = call.flag("use-existing-credentials")? && around;
    let mut keys = if existing { None } else { given(call)? };
    for name in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
        call.export(name, &region)?;
    }
    if call.flag("unset-current-credentials")? {
        for name in VARIABLES {
            call.export(name, "")?;
        }
    }
    let role = call.text("role-to-assume").to_owned();
    if !role.is_empty() && !existing {
        keys = Some(assume(call, &role, &region, keys.as_ref())?);
    }
    if let Some(keys) = &keys {
        let exported = call.flag("output-env-credentials")?;
        for (name, value) in VARIABLES.into_iter().zip([&keys.id, &keys.secret, &keys.token]) {
            call.leg.masker.add(value);
            // A token of keys before must not go with keys that have none.
            if exported && (!value.is_empty() || call.variable(name).is_some()) {
                call.export(name, value)?;
            }
        }
    }
    identify(call, &region, keys.as_ref())?;
    if let Some(keys) = keys.filter(|_| call.flag("output-credentials").unwrap_or_default()) {
        call.output("aws-access-key-id", keys.id);
        call.output("aws-secret-access-key", keys.secret);
        call.output("aws-session-token", keys.token);
        call.output("aws-expiration", keys.expiration);
    }
    Ok(())
}

const VARIABLES: [&str; 3] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];

/// Keys of Amazon's.
#[derive(Debug, Default)]
struct Keys {
    id: String,
    secret: String,
    token: String,
    expiration: String,
}

/// The keys among the inputs; none where those of the environment are meant, or the role's own.
fn given(call: &Call<'_, '_>) -> Result<Option<Keys>, Fail> {
    let text = |name: &str| call.text(name).to_owned();
    let keys = Keys {
        id: text("aws-access-key-id"),
        secret: text("aws-secret-access-key"),
        token: text("aws-session-token"),
        ..Keys::default()
    };
    let around = VARIABLES[..2].iter().all(|name| call.variable(name).is_some());
    let role = !call.text("role-to-assume").is_empty();
    match (keys.id.is_empty(), keys.secret.is_empty()) {
        (false, false) => Ok(Some(keys)),
        (false, true) => Err(Fail::Because(
            "'aws-secret-access-key' must be provided if 'aws-access-key-id' is provided".into(),
        )),
        (true, _) if role && !call.text("web-identity-token-file").is_empty() => Ok(None),
        (true, _) if around => Ok(None),
        (true, _) if role => Err(Fail::Refused(
            "it assumes a role with a token that only GitHub's runners are given (OIDC); on this machine give it keys \
             (aws-access-key-id and aws-secret-access-key) or a web-identity-token-file"
                .into(),
        )),
        (true, _) => Err(Fail::Because(
            "Could not determine how to assume credentials. Please check your inputs and try again.".into(),
        )),
    }
}

/// What the token service sees: the job's environment, with these keys.
fn environment(call: &Call<'_, '_>, keys: Option<&Keys>) -> BTreeMap<String, String> {
    let mut env = call.leg.environment(&call.env);
    if let Some(keys) = keys {
        let values = [&keys.id, &keys.secret, &keys.token];
        env.extend(VARIABLES.into_iter().zip(values).map(|(name, value)| (name.to_owned(), value.clone())));
    }
    env
}

/// The keys of a role, for a token of another provider or for other keys.
fn assume(call: &mut Call<'_, '_>, role: &str, region: &str, keys: Option<&Keys>) -> Result<Keys, Fail> {
    let env = environment(call, keys);
    let failed = |why: String| Fail::Because(format!("Could not assume role: {why}"));
    let role = match role.starts_with("arn:") {
        true => role.to_owned(),
        false if !call.text("web-identity-token-file").is_empty() => {
            return Err(Fail::Because(
                "Source Account ID is needed if the Role Name is provided and not the Role Arn.".into(),
            ));
        }
        false => {
            let answer = call.leg.engine.sts(&who(region), &env).map_err(failed)?;
            format!("arn:aws:iam::{}:role/{role}", element(&answer, "Account"))
        }
    };
    let file = call.text("web-identity-token-file").to_owned();
    let mut fields = vec![
        ("RoleArn".to_owned(), role),
        ("RoleSessionName".into(), call.text("role-session-name").to_owned()),
        ("DurationSeconds".into(), call.text("role-duration-seconds").to_owned()),
    ];
    for (at, policy) in call.lines("managed-session-policies").into_iter().enumerate() {
        fields.push((format!("PolicyArns.member.{}.arn", at + 1), policy));
    }
    if !call.text("inline-session-policy").is_empty() {
        fields.push(("Policy".into(), call.text("inline-session-policy").to_owned()));
    }
    let signed = file.is_empty();
    if signed {
        fields.push(("Action".into(), "AssumeRole".into()));
        if !call.text("role-external-id").is_empty() {
            fields.push(("ExternalId".into(), call.text("role-external-id").to_owned()));
        }
        if !call.flag("role-skip-session-tagging")? {
            fields.extend(tags(call));
        }
    } else {
        let token = std::fs::read_to_string(call.path(&file)).map_err(|error| {
            Fail::Because(format!("Web identity token file does not exist: {file}: {error}"))
        })?;
        call.leg.masker.add(token.trim());
        fields.push(("Action".into(), "AssumeRoleWithWebIdentity".into()));
        fields.push(("WebIdentityToken".into(), token.trim().to_owned()));
    }
    let request = StsRequest { region: region.to_owned(), fields, signed };
    let answer = call.leg.engine.sts(&request, &env).map_err(failed)?;
    let keys = Keys {
        id: element(&answer, "AccessKeyId"),
        secret: element(&answer, "SecretAccessKey"),
        token: element(&answer, "SessionToken"),
        expiration: element(&answer, "Expiration"),
    };
    if keys.id.is_empty() || keys.secret.is_empty() {
        return Err(failed("there are no keys in the answer".into()));
    }
    Ok(keys)
}

/// What a session says of the run that it is for.
fn tags(call: &Call<'_, '_>) -> Vec<(String, String)> {
    let event = &call.leg.setup.event;
    let known = [
        ("GitHub", "Actions"),
        ("Repository", &event.repository),
        ("Workflow", &call.leg.setup.workflow.name),
        ("Actor", &event.actor),
        ("Commit", &event.sha),
        ("Branch", &event.git_ref),
    ];
    let allowed = |c: char| c.is_alphanumeric() || " _.:/=+-@".contains(c);
    let clean =
        |text: &str| -> String { text.chars().take(256).map(|c| if allowed(c) { c } else { '_' }).collect() };
    let pairs = known.into_iter().filter(|(_, value)| !value.is_empty()).enumerate();
    pairs
        .flat_map(|(at, (name, value))| {
            let key = format!("Tags.member.{}", at + 1);
            [(format!("{key}.Key"), name.to_owned()), (format!("{key}.Value"), clean(value))]
        })
        .collect()
}

fn who(region: &str) -> StsRequest {
    let fields = vec![("Action".to_owned(), "GetCallerIdentity".to_owned())];
    StsRequest { region: region.to_owned(), fields, signed: true }
}

/// Says whose the keys are. Without a way to Amazon that is a warning, unless it decides something.
fn identify(call: &mut Call<'_, '_>, region: &str, keys: Option<&Keys>) -> Result<(), Fail> {
    let env = environment(call, keys);
    let allowed = call.values("allowed-account-ids");
    let (account, arn) = match call.leg.engine.sts(&who(region), &env) {
        Ok(answer) => (element(&answer, "Account"), element(&answer, "Arn")),
        Err(why) if allowed.is_empty() => {
            call.warn(&format!("the account's id is not known: {why}"));
            (String::new(), String::new())
        }
        Err(why) => return Err(Fail::Because(format!("Credentials could not be validated: {why}"))),
    };
    if !allowed.is_empty() && !allowed.contains(&account) {
        return Err(Fail::Because(format!(
            "The account ID of the provided credentials ({account}) is not in the list of allowed account IDs: [{}]",
            allowed.join(", ")
        )));
    }
    if call.flag("mask-aws-account-id")? {
        call.leg.masker.add(&account);
    }
    call.output("aws-account-id", account);
    call.output("authenticated-arn", arn);
    Ok(())
}

/// The text of an element of an answer; empty where it has none.
fn element(answer: &str, name: &str) -> String {
    let rest = answer.split_once(&format!("<{name}>")).map_or("", |(_, rest)| rest);
    rest.split_once(&format!("</{name}>")).map_or("", |(text, _)| text).trim().to_owned()
}
