//! The standard chain: environment, web identity, profile, container, machine. The first that has keys counts; one
//! that has some and fails is an error, because whoever set it up means it to work.

use std::path::PathBuf;
use std::process::Stdio;

use super::super::Asking;
use super::profile::Profiles;
use super::sign::Keys;
use super::{remote, sso};
use crate::auth::CredentialsError;

/// A profile that leads to a profile that leads to a profile is a circle beyond this.
const DEPTH_MAX: usize = 5;

/// The keys that we have, if any.
pub(super) async fn keys(asking: Asking<'_>, region: &str) -> Result<Option<Keys>, CredentialsError> {
    let around = asking.around;
    if around.get("AWS_PROFILE").is_none()
        && let Some(keys) = of_environment(asking)
    {
        return Ok(Some(keys));
    }
    if let (Some(role), Some(file)) = (around.get("AWS_ROLE_ARN"), around.get("AWS_WEB_IDENTITY_TOKEN_FILE"))
    {
        let token = asking.read(file.as_ref())?;
        return remote::by_web_identity(asking, role, &token, region).await.map(Some);
    }
    if let Some(keys) = of_profile(asking, region).await? {
        return Ok(Some(keys));
    }
    match remote::of_container(asking).await? {
        Some(keys) => Ok(Some(keys)),
        None => remote::of_machine(asking).await,
    }
}

fn of_environment(asking: Asking<'_>) -> Option<Keys> {
    Some(Keys {
        id: asking.around.get("AWS_ACCESS_KEY_ID")?.into(),
        secret: asking.around.get("AWS_SECRET_ACCESS_KEY")?.into(),
        session: asking.around.get("AWS_SESSION_TOKEN").map(Into::into),
    })
}

async fn of_profile(asking: Asking<'_>, region: &str) -> Result<Option<Keys>, CredentialsError> {
    let profiles = read(asking)?;
    let name = asking.around.get("AWS_PROFILE").or(asking.around.get("AWS_DEFAULT_PROFILE"));
    match name {
        Some(name) if !profiles.has(name) => {
            Err(asking.failed(format!("reading the AWS profile `{name}`"), "there is no such profile"))
        }
        name => resolve(asking, &profiles, name.unwrap_or("default"), region, 0).await,
    }
}

fn read(asking: Asking<'_>) -> Result<Profiles, CredentialsError> {
    let place = |variable: &str, path: &str| match asking.around.get(variable) {
        Some(path) => Some(PathBuf::from(path)),
        None => asking.around.at_home(path),
    };
    let mut profiles = Profiles::default();
    if let Some(path) = place("AWS_CONFIG_FILE", ".aws/config") {
        profiles.add_config(&asking.read_if_there(&path)?.unwrap_or_default());
    }
    if let Some(path) = place("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials") {
        profiles.add_credentials(&asking.read_if_there(&path)?.unwrap_or_default());
    }
    Ok(profiles)
}

/// The keys of a profile: a role it takes, keys it holds, a program it asks, a single sign-on.
async fn resolve(
    asking: Asking<'_>,
    profiles: &Profiles,
    name: &str,
    region: &str,
    depth: usize,
) -> Result<Option<Keys>, CredentialsError> {
    let step = || format!("reading the AWS profile `{name}`");
    let get = |setting: &str| profiles.get(name, setting);
    let own = || {
        Some(Keys {
            id: get("aws_access_key_id")?.into(),
            secret: get("aws_secret_access_key")?.into(),
            session: get("aws_session_token").map(Into::into),
        })
    };
    if depth > DEPTH_MAX {
        return Err(asking.failed(step(), "its `source_profile`s go in a circle"));
    }
    if let Some(role) = get("role_arn") {
        if let Some(file) = get("web_identity_token_file") {
            let token = asking.read(file.as_ref())?;
            return remote::by_web_identity(asking, role, &token, region).await.map(Some);
        }
        let source = match (get("source_profile"), get("credential_source")) {
            // A profile may name itself: then its own keys take the role.
            (Some(source), _) if source == name => own(),
            (Some(source), _) => Box::pin(resolve(asking, profiles, source, region, depth + 1)).await?,
            (None, Some("Environment")) => of_environment(asking),
            (None, Some("Ec2InstanceMetadata")) => remote::of_machine(asking).await?,
            (None, Some("EcsContainer")) => remote::of_container(asking).await?,
            (None, _) => return Err(asking.failed(step(), "it names a role, and nobody who could take it")),
        };
        let source = source.ok_or_else(|| asking.failed(step(), "the source of its role has no keys"))?;
        return remote::by_role(asking, role, get("external_id"), &source, region).await.map(Some);
    }
    if let Some(keys) = own() {
        return Ok(Some(keys));
    }
    if let Some(program) = get("credential_process") {
        return of_program(asking, program).await.map(Some);
    }
    match sso::is_used_by(profiles, name) {
        true => sso::keys(asking, profiles, name).await.map(Some),
        false => Ok(None),
    }
}

/// The keys that a program prints.
async fn of_program(asking: Asking<'_>, program: &str) -> Result<Keys, CredentialsError> {
    let step = "running the profile's `credential_process`";
    let mut command = tokio::process::Command::new("sh");
    command.arg("-c").arg(program).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(super::super::PATIENCE, command.output())
        .await
        .map_err(|_| asking.failed(step, "it does not end"))?
        .map_err(|error| asking.failed(step, error.to_string()))?;
    if !output.status.success() {
        return Err(asking.failed(step, crate::answer::readable(&String::from_utf8_lossy(&output.stderr))));
    }
    let document: Option<serde_json::Value> = serde_json::from_slice(&output.stdout).ok();
    let keys = document.and_then(|document| remote::from_json(&document, "SessionToken"));
    keys.ok_or_else(|| asking.failed(step, "there are no keys in what it prints"))
}
