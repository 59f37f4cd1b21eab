//! Amazon's `GetAuthorizationToken`, asked as whom a job's variables say, for actions that hand the token on.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use wharf_registry::{AwsKeys, AwsQuestion};
use wharf_workflow::engine::{EcrLogin, EcrRequest};

/// How long Amazon may take to answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// What these services speak.
const JSON: &str = "application/x-amz-json-1.1";

/// One service's address, name and operation.
struct Service {
    url: String,
    name: &'static str,
    target: &'static str,
}

/// The logins that Amazon gives.
pub(super) async fn logins(request: &EcrRequest, env: &BTreeMap<String, String>) -> Result<Vec<EcrLogin>> {
    let keys = keys(env)?;
    let service = service(request, env);
    let body = if request.accounts.is_empty() || request.public {
        json!({})
    } else {
        json!({"registryIds": request.accounts})
    };
    let body = body.to_string();
    let url = reqwest::Url::parse(&service.url).with_context(|| format!("the address {}", service.url))?;
    let question = AwsQuestion {
        url: &url,
        service: service.name,
        region: &request.region,
        media_type: JSON,
        target: Some(service.target),
        body: &body,
    };
    let settings = wharf_registry::Settings { proxies: crate::world::proxies(), ..Default::default() };
    let http = wharf_registry::http_client(&settings).context("setting up the HTTP client")?;
    let mut asked = http.post(url.clone()).timeout(PATIENCE);
    for (name, value) in question.headers(&keys) {
        asked = asked.header(name, value);
    }
    let answer = asked.body(body.clone()).send().await.with_context(|| format!("asking {url}"))?;
    let status = answer.status();
    let text = answer.text().await.with_context(|| format!("asking {url}"))?;
    let document: Value = serde_json::from_str(&text).unwrap_or_default();
    if !status.is_success() {
        let why = document["message"].as_str().or(document["__type"].as_str()).unwrap_or(&text);
        bail!("asking {url} for a login: {status}: {why}");
    }
    read(&document, request.public).ok_or_else(|| anyhow!("asking {url} for a login: the answer has none"))
}

/// The keys that the variables hold.
pub(super) fn keys(env: &BTreeMap<String, String>) -> Result<AwsKeys> {
    let get = |name| {
        variable(env, name).with_context(|| format!("Credentials could not be loaded: {name} is not set"))
    };
    Ok(AwsKeys {
        id: get("AWS_ACCESS_KEY_ID")?.into(),
        secret: get("AWS_SECRET_ACCESS_KEY")?.into(),
        session: variable(env, "AWS_SESSION_TOKEN").map(Into::into),
    })
}

/// A variable that is set to something.
pub(super) fn variable<'a>(env: &'a BTreeMap<String, String>, name: &str) -> Option<&'a str> {
    env.get(name).map(String::as_str).filter(|value| !value.is_empty())
}

fn service(request: &EcrRequest, env: &BTreeMap<String, String>) -> Service {
    let (name, target, own, host) = if request.public {
        (
            "ecr-public",
            "SpencerFrontendService.GetAuthorizationToken",
            "AWS_ENDPOINT_URL_ECR_PUBLIC",
            "api.ecr-public.us-east-1.amazonaws.com".to_owned(),
        )
    } else {
        let suffix = if request.region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        (
            "ecr",
            "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken",
            "AWS_ENDPOINT_URL_ECR",
            format!("api.ecr.{}.{suffix}", request.region),
        )
    };
    let url = variable(env, own)
        .or_else(|| variable(env, "AWS_ENDPOINT_URL"))
        .map_or(format!("https://{host}/"), str::to_owned);
    Service { url, name, target }
}

fn read(document: &Value, public: bool) -> Option<Vec<EcrLogin>> {
    let login = |data: &Value, host: Option<&str>| {
        let token = BASE64_STANDARD.decode(data["authorizationToken"].as_str()?).ok()?;
        let token = String::from_utf8(token).ok()?;
        let (username, password) = token.split_once(':')?;
        let registry = host.or(data["proxyEndpoint"].as_str())?;
        let registry =
            registry.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/');
        Some(EcrLogin { registry: registry.into(), username: username.into(), password: password.into() })
    };
    let data = &document["authorizationData"];
    if public {
        return Some(vec![login(data, Some("public.ecr.aws"))?]);
    }
    data.as_array()?.iter().map(|data| login(data, None)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let token = BASE64_STANDARD.encode("AWS:secret");
        let document = json!({"authorizationData": [{"authorizationToken": token, "proxyEndpoint": "https://1.dkr.ecr.x.amazonaws.com"}]});
        let logins = read(&document, false).unwrap();
        assert_eq!(
            (logins[0].registry.as_str(), logins[0].password.as_str()),
            ("1.dkr.ecr.x.amazonaws.com", "secret")
        );
        let public = json!({"authorizationData": {"authorizationToken": token}});
        assert_eq!(read(&public, true).unwrap()[0].registry, "public.ecr.aws");
        assert!(read(&json!({}), false).is_none());
    }
}
