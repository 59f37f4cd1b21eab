//! AWS single sign-on (IAM Identity Center): `aws sso login` leaves a token in the home directory, and that token is
//! exchanged for the keys of a role.
//!
//! Signing in itself takes a browser and stays the AWS command's. A token that has ended is renewed here where it
//! comes with what that takes, and written back as every SDK does, because it is good for one renewal.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use ring::digest;
use serde_json::{Value, json};

use super::super::exchange::{member, seconds};
use super::super::{Asking, PATIENCE};
use super::profile::Profiles;
use super::sign::Keys;
use crate::auth::CredentialsError;

/// A token that ends within this time is renewed before it is used.
const MARGIN: Duration = Duration::from_secs(60);

/// Whether the profile signs in this way.
pub(super) fn is_used_by(profiles: &Profiles, name: &str) -> bool {
    ["sso_session", "sso_start_url"].iter().any(|setting| profiles.get(name, setting).is_some())
}

/// The keys of the role that the profile names.
pub(super) async fn keys(
    asking: Asking<'_>,
    profiles: &Profiles,
    name: &str,
) -> Result<Keys, CredentialsError> {
    let step = format!("using the single sign-on of the AWS profile `{name}`");
    let session = profiles.get(name, "sso_session");
    let get = |setting: &str| {
        let of_session = session.and_then(|session| profiles.get_of_session(session, setting));
        let found = of_session.or(profiles.get(name, setting));
        found.ok_or_else(|| asking.failed(&step, format!("`{setting}` is missing")))
    };
    let region = get("sso_region")?;
    // The name of the session is what the token is kept by; before there were sessions it was the address.
    let cache = cache_file(asking, session.map_or_else(|| get("sso_start_url"), Ok)?)
        .ok_or_else(|| asking.failed(&step, "there is no home directory"))?;
    let token = token(asking, &step, name, region, &cache).await?;
    let base = endpoint(asking, "AWS_ENDPOINT_URL_SSO", || {
        format!("https://portal.sso.{region}.{}", domain(region))
    });
    let mut url = asking.parse(&step, &format!("{base}/federation/credentials"))?;
    url.query_pairs_mut()
        .append_pair("role_name", get("sso_role_name")?)
        .append_pair("account_id", get("sso_account_id")?);
    let document = asking.json(&step, asking.http.get(url).header("x-amz-sso_bearer_token", token)).await?;
    let keys = &document["roleCredentials"];
    let part =
        |part| member(keys, part).ok_or_else(|| asking.failed(&step, "there are no keys in the answer"));
    Ok(Keys {
        id: part("accessKeyId")?.into(),
        secret: part("secretAccessKey")?.into(),
        session: Some(part("sessionToken")?.into()),
    })
}

fn cache_file(asking: Asking<'_>, key: &str) -> Option<PathBuf> {
    let name = hex::encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, key.as_bytes()));
    asking.around.at_home(&format!(".aws/sso/cache/{name}.json"))
}

/// The address of a service, unless a variable of every SDK says another.
fn endpoint(asking: Asking<'_>, variable: &str, usual: impl FnOnce() -> String) -> String {
    let instead = asking.around.get(variable).or(asking.around.get("AWS_ENDPOINT_URL"));
    instead.map_or_else(usual, |url| url.trim_end_matches('/').to_owned())
}

fn domain(region: &str) -> &'static str {
    if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" }
}

/// The token of the last sign-in, renewed if need be.
async fn token(
    asking: Asking<'_>,
    step: &str,
    profile: &str,
    region: &str,
    cache: &Path,
) -> Result<String, CredentialsError> {
    let again = format!("sign in with `aws sso login --profile {profile}`");
    let Some(text) = asking.read_if_there(cache)? else {
        return Err(asking.failed(step, format!("nobody has signed in; {again}")));
    };
    let cached: Value = serde_json::from_str(&text)
        .map_err(|_| asking.failed(step, format!("`{}` is no JSON; {again}", cache.display())))?;
    let ends = member(&cached, "expiresAt").and_then(|text| text.parse::<Timestamp>().ok());
    let fresh = ends.is_some_and(|ends| ends > Timestamp::now() + MARGIN);
    if let Some(token) = member(&cached, "accessToken").filter(|_| fresh) {
        return Ok(token.to_owned());
    }
    let part = |name| member(&cached, name);
    let (Some(id), Some(secret), Some(refresh)) =
        (part("clientId"), part("clientSecret"), part("refreshToken"))
    else {
        return Err(asking.failed(step, format!("the last sign-in has ended; {again}")));
    };
    let base =
        endpoint(asking, "AWS_ENDPOINT_URL_SSO_OIDC", || format!("https://oidc.{region}.{}", domain(region)));
    let body = json!({
        "grantType": "refresh_token", "clientId": id, "clientSecret": secret, "refreshToken": refresh,
    });
    let request = asking
        .http
        .post(format!("{base}/token"))
        .header("content-type", "application/json")
        .body(body.to_string());
    let answer = asking.text(step, request, PATIENCE).await.map_err(|error| {
        asking.failed(step, format!("the last sign-in is not renewed ({error}); {again}"))
    })?;
    let answer: Value =
        serde_json::from_str(&answer).map_err(|_| asking.failed(step, "the answer is no JSON"))?;
    let token = member(&answer, "accessToken")
        .ok_or_else(|| asking.failed(step, "there is no token in the answer"))?;
    keep(cache, cached.clone(), &answer);
    Ok(token.to_owned())
}

/// Writes the renewed token where the AWS command looks for it. Where that is not possible the token is good all
/// the same.
fn keep(cache: &Path, mut cached: Value, answer: &Value) {
    cached["accessToken"] = answer["accessToken"].clone();
    let ends = seconds(&answer["expiresIn"]).and_then(|life| Timestamp::now().checked_add(life).ok());
    if let Some(ends) = ends {
        cached["expiresAt"] = ends.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into();
    }
    if member(answer, "refreshToken").is_some() {
        cached["refreshToken"] = answer["refreshToken"].clone();
    }
    // A temporary file is readable by its owner only.
    let written = cache.parent().map(tempfile::NamedTempFile::new_in).and_then(Result::ok);
    if let Some(mut file) = written
        && file.write_all(cached.to_string().as_bytes()).is_ok()
    {
        let _ = file.persist(cache);
    }
}
