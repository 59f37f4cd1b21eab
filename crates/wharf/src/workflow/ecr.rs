//! Amazon's `GetAuthorizationToken`, asked as whom a job's variables say, for actions that hand the token on.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::{digest, hmac};
use serde_json::{Value, json};
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
    let get = |name| variable(env, name);
    let key =
        get("AWS_ACCESS_KEY_ID").context("Credentials could not be loaded: AWS_ACCESS_KEY_ID is not set")?;
    let secret = get("AWS_SECRET_ACCESS_KEY")
        .context("Credentials could not be loaded: AWS_SECRET_ACCESS_KEY is not set")?;
    let service = service(request, env);
    let body = if request.accounts.is_empty() || request.public {
        json!({})
    } else {
        json!({"registryIds": request.accounts})
    };
    let body = body.to_string();
    let url = reqwest::Url::parse(&service.url).with_context(|| format!("the address {}", service.url))?;
    let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let host = host(&url);
    let signer = Signer {
        key,
        secret,
        token: get("AWS_SESSION_TOKEN"),
        region: &request.region,
        service: service.name,
        now: &now,
    };
    let settings = wharf_registry::Settings { proxies: crate::world::proxies(), ..Default::default() };
    let http = wharf_registry::http_client(&settings).context("setting up the HTTP client")?;
    let mut asked = http.post(url.clone()).timeout(PATIENCE);
    for (name, value) in signer.headers(&host, url.path(), JSON, Some(service.target), &body) {
        asked = asked.header(name, value);
    }
    let answer = asked.body(body).send().await.with_context(|| format!("asking {url}"))?;
    let status = answer.status();
    let text = answer.text().await.with_context(|| format!("asking {url}"))?;
    let document: Value = serde_json::from_str(&text).unwrap_or_default();
    if !status.is_success() {
        let why = document["message"].as_str().or(document["__type"].as_str()).unwrap_or(&text);
        bail!("asking {url} for a login: {status}: {why}");
    }
    read(&document, request.public).ok_or_else(|| anyhow!("asking {url} for a login: the answer has none"))
}

/// The `Host` header of a request.
pub(super) fn host(url: &reqwest::Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
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

/// Signs a request, version 4 of Amazon's scheme.
pub(super) struct Signer<'a> {
    pub(super) key: &'a str,
    pub(super) secret: &'a str,
    pub(super) token: Option<&'a str>,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
    pub(super) now: &'a str,
}

impl Signer<'_> {
    pub(super) fn headers(
        &self,
        host: &str,
        path: &str,
        kind: &str,
        target: Option<&str>,
        body: &str,
    ) -> Vec<(&'static str, String)> {
        let mut signed = vec![
            ("content-type", kind.to_owned()),
            ("host", host.to_owned()),
            ("x-amz-date", self.now.to_owned()),
        ];
        if let Some(token) = self.token {
            signed.push(("x-amz-security-token", token.to_owned()));
        }
        signed.extend(target.map(|target| ("x-amz-target", target.to_owned())));
        let names = signed.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let lines: String = signed.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let request = format!("POST\n{path}\n\n{lines}\n{names}\n{}", sha256(body));
        let day = &self.now[..8];
        let scope = format!("{day}/{}/{}/aws4_request", self.region, self.service);
        let text = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{}", self.now, sha256(&request));
        let mut key = sign(format!("AWS4{}", self.secret).as_bytes(), day);
        for part in [self.region, self.service, "aws4_request", &text] {
            key = sign(&key, part);
        }
        let signature = hex(&key);
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
            self.key
        );
        signed.retain(|(name, _)| *name != "host");
        signed.push(("authorization", authorization));
        signed
    }
}

fn sign(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

fn sha256(text: &str) -> String {
    hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_amazons() {
        // Made with botocore 1.43 for the same request, keys and time.
        let signer = Signer {
            key: "AKIDEXAMPLE",
            secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            token: None,
            region: "eu-west-1",
            service: "ecr",
            now: "20260102T030405Z",
        };
        let target = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken";
        let headers = signer.headers("api.ecr.eu-west-1.amazonaws.com", "/", JSON, Some(target), "{}");
        let (_, authorization) = headers.last().unwrap();
        assert!(
            authorization
                .ends_with("Signature=410b4a629d28fc8103515157591eaf7a694230d1230ed4251f6af21b87f129dc"),
            "{authorization}"
        );
    }

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
