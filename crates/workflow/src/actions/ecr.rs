//! aws-actions/amazon-ecr-login.

use super::call::Call;
use super::login::enter;
use super::{Input, Native};
use crate::engine::EcrRequest;
use crate::run::Fail;

pub(crate) const ACTION: Native = Native {
    name: "aws-actions/amazon-ecr-login",
    inputs: &[
        Input("http-proxy", "", 1),
        Input("mask-password", "", 1),
        Input("registries", "", 1),
        Input("registry-type", "private", 1),
        Input("skip-logout", "false", 1),
    ],
    run,
};

fn run(call: &mut Call<'_, '_>) -> Result<(), Fail> {
    let public = match call.text("registry-type") {
        "private" => false,
        "public" => true,
        other => {
            return Err(Fail::Because(format!(
                "Invalid input for 'registry-type', possible options are [private, public], got: {other}"
            )));
        }
    };
    if !call.text("http-proxy").is_empty() {
        call.warn("`http-proxy` is left out: wharf takes the proxies of its own environment");
    }
    let env = call.leg.environment(&call.env);
    let region = env.get("AWS_REGION").or(env.get("AWS_DEFAULT_REGION")).cloned().unwrap_or_default();
    if region.is_empty() && !public {
        return Err(Fail::Because(
            "Region is missing: set AWS_REGION, or run aws-actions/configure-aws-credentials first".into(),
        ));
    }
    let region = if public { "us-east-1".into() } else { region };
    let accounts =
        call.text("registries").split(',').map(|id| id.trim().to_owned()).filter(|id| !id.is_empty());
    let request = EcrRequest { accounts: accounts.collect(), public, region };
    let logins = call.leg.engine.ecr_logins(&request, &env)?;
    // Version 1 shows the password in the outputs of the job, later ones hide it by default.
    let mask = match call.text("mask-password") {
        "" => call.version.is_none_or(|version| version >= 2),
        text => text == "true",
    };
    let logout = !call.flag("skip-logout")?;
    for login in &logins {
        if mask {
            call.leg.masker.add(&login.password);
        }
        enter(call, &login.registry, &login.username, &login.password, logout)?;
        let host = words(&login.registry);
        call.output(&format!("docker_username_{host}"), login.username.clone());
        call.output(&format!("docker_password_{host}"), login.password.clone());
    }
    if let [login] = logins.as_slice() {
        call.output("registry", login.registry.clone());
    }
    Ok(())
}

/// A host as part of a name: runs of other characters become one `_`.
fn words(host: &str) -> String {
    let parts = host.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("_")
}
