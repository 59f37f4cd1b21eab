//! Keys that are fetched: from the token service for a role, from a container's or a machine's metadata.

use serde_json::Value;

use super::super::Asking;
use super::super::exchange::member;
use super::question::Question;
use super::sign::Keys;
use crate::auth::CredentialsError;

/// The address of the token service.
fn token_service(asking: Asking<'_>, region: &str) -> String {
    let instead = asking.around.get("AWS_ENDPOINT_URL_STS").or(asking.around.get("AWS_ENDPOINT_URL"));
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    instead.map_or_else(|| format!("https://sts.{region}.{domain}/"), str::to_owned)
}

/// The name of a session, as the audit log will show it.
fn session_name(asking: Asking<'_>) -> &str {
    asking.around.get("AWS_ROLE_SESSION_NAME").unwrap_or("wharf")
}

/// The keys of a role for whoever holds a token of another identity provider (OIDC).
pub(super) async fn by_web_identity(
    asking: Asking<'_>,
    role: &str,
    token: &str,
    region: &str,
) -> Result<Keys, CredentialsError> {
    let step = "exchanging a web identity for a role of Amazon's";
    let fields = [
        ("Action", "AssumeRoleWithWebIdentity"),
        ("Version", "2011-06-15"),
        ("RoleArn", role),
        ("RoleSessionName", session_name(asking)),
        ("WebIdentityToken", token.trim()),
    ];
    let request = asking.form(&token_service(asking, region), &fields).header("accept", "application/json");
    let text = asking.text(step, request, super::super::PATIENCE).await?;
    from_service(&text).ok_or_else(|| asking.failed(step, "there are no keys in the answer"))
}

/// The keys of a role for whoever holds other keys.
pub(super) async fn by_role(
    asking: Asking<'_>,
    role: &str,
    external_id: Option<&str>,
    keys: &Keys,
    region: &str,
) -> Result<Keys, CredentialsError> {
    let step = "taking a role of Amazon's";
    let url = asking.parse(step, &token_service(asking, region))?;
    let body = {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("Action", "AssumeRole").append_pair("Version", "2011-06-15");
        form.append_pair("RoleArn", role).append_pair("RoleSessionName", session_name(asking));
        form.extend_pairs(external_id.map(|id| ("ExternalId", id)));
        form.finish()
    };
    let media_type = "application/x-www-form-urlencoded";
    let question = Question { url: &url, service: "sts", region, media_type, target: None, body: &body };
    let mut builder = asking.http.post(url.clone()).header("accept", "application/json");
    for (name, value) in question.headers(keys) {
        builder = builder.header(name, value);
    }
    let text = asking.text(step, builder.body(body), super::super::PATIENCE).await?;
    from_service(&text).ok_or_else(|| asking.failed(step, "there are no keys in the answer"))
}

/// The keys in the token service's answer, which is XML for some and JSON for others who ask for it.
fn from_service(text: &str) -> Option<Keys> {
    if let Ok(document) = serde_json::from_str::<Value>(text) {
        let results = ["AssumeRoleWithWebIdentity", "AssumeRole"]
            .map(|action| &document[format!("{action}Response")][format!("{action}Result")]["Credentials"]);
        return results.into_iter().find_map(|keys| from_json(keys, "SessionToken"));
    }
    let element = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        Some(rest.split_once(&format!("</{name}>"))?.0.trim().to_owned())
    };
    Some(Keys {
        id: element("AccessKeyId")?,
        secret: element("SecretAccessKey")?.into(),
        session: Some(element("SessionToken")?.into()),
    })
}

/// Keys as metadata servers and programs give them.
pub(super) fn from_json(document: &Value, session: &str) -> Option<Keys> {
    Some(Keys {
        id: member(document, "AccessKeyId")?.into(),
        secret: member(document, "SecretAccessKey")?.into(),
        session: member(document, session).map(Into::into),
    })
}

/// The keys of the container's task, where it has any.
pub(super) async fn of_container(asking: Asking<'_>) -> Result<Option<Keys>, CredentialsError> {
    let step = "asking the container for its keys";
    let around = asking.around;
    let url = match (
        around.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
        around.get("AWS_CONTAINER_CREDENTIALS_FULL_URI"),
    ) {
        (Some(path), _) => format!("http://169.254.170.2{path}"),
        (None, Some(url)) => url.to_owned(),
        (None, None) => return Ok(None),
    };
    let mut request = asking.http.get(asking.parse(step, &url)?);
    let token = match around.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
        Some(path) => Some(asking.read(path.as_ref())?),
        None => around.get("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(str::to_owned),
    };
    if let Some(token) = token {
        request = request.header("authorization", token.trim());
    }
    let document = asking.json(step, request).await?;
    let keys = from_json(&document, "Token");
    keys.map(Some).ok_or_else(|| asking.failed(step, "there are no keys in the answer"))
}

/// The keys of the machine's role, by the second version of the protocol only: the first lets anybody on the
/// machine who can make it fetch a URL have them.
pub(super) async fn of_machine(asking: Asking<'_>) -> Result<Option<Keys>, CredentialsError> {
    let step = "asking the machine for its keys";
    if asking.around.is_on("AWS_EC2_METADATA_DISABLED") {
        return Ok(None);
    }
    let base = asking.around.get("AWS_EC2_METADATA_SERVICE_ENDPOINT").unwrap_or("http://169.254.169.254");
    let base = base.trim_end_matches('/');
    let request = asking.http.put(format!("{base}/latest/api/token"));
    let request =
        request.header("x-aws-ec2-metadata-token-ttl-seconds", "21600").header("content-length", "0");
    let Some(token) = asking.metadata(step, request).await? else { return Ok(None) };
    let get = |path: &str| {
        let url = format!("{base}/latest/meta-data/iam/security-credentials/{path}");
        asking.http.get(url).header("x-aws-ec2-metadata-token", &token)
    };
    let Some(roles) = asking.metadata(step, get("")).await? else { return Ok(None) };
    let Some(role) = roles.lines().next().filter(|role| !role.is_empty()) else { return Ok(None) };
    let document = asking.json(step, get(role)).await?;
    let keys = from_json(&document, "Token");
    keys.map(Some).ok_or_else(|| asking.failed(step, "there are no keys in the answer"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn the_token_service_answers_in_two_languages() {
        let xml = "<AssumeRoleWithWebIdentityResponse><Credentials><SessionToken>t</SessionToken>\
             <SecretAccessKey>s</SecretAccessKey><AccessKeyId>ASIA</AccessKeyId></Credentials></x>";
        let json = r#"{"AssumeRoleResponse":{"AssumeRoleResult":{"Credentials":
            {"AccessKeyId":"ASIA","SecretAccessKey":"s","SessionToken":"t"}}}}"#;
        for text in [xml, json] {
            let keys = from_service(text).unwrap();
            assert_eq!((keys.id.as_str(), keys.secret.expose_secret()), ("ASIA", "s"));
            assert_eq!(keys.session.unwrap().expose_secret(), "t");
        }
        assert!(from_service("<html>").is_none() && from_service("{}").is_none());
    }
}
