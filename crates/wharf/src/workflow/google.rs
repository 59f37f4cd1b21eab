//! Google's tokens for a service account, which proves who it is by signing a claim with its key (RFC 7523).

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};
use wharf_workflow::engine::GoogleRequest;

/// How long Google may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// An access token, or an identity token where an audience is named.
pub(super) async fn token(request: &GoogleRequest) -> Result<String> {
    let text = |name: &str| {
        request.key[name]
            .as_str()
            .filter(|text| !text.is_empty())
            .with_context(|| format!("the key has no `{name}`"))
    };
    let server = request.key["token_uri"].as_str().unwrap_or("https://oauth2.googleapis.com/token");
    let now = jiff::Timestamp::now().as_second();
    let life = i64::try_from(request.seconds)?;
    let mut claims = json!({ "iss": text("client_email")?, "aud": server, "iat": now, "exp": now + life });
    match &request.audience {
        Some(audience) => claims["target_audience"] = audience.as_str().into(),
        None => claims["scope"] = request.scopes.join(" ").into(),
    }
    if !request.subject.is_empty() {
        claims["sub"] = request.subject.as_str().into();
    }
    let header = json!({ "alg": "RS256", "typ": "JWT", "kid": request.key["private_key_id"] });
    let assertion = sign(&header, &claims, text("private_key")?).context("signing with `private_key`")?;
    let mut form = reqwest::Url::parse("form:").context("making a form")?;
    form.query_pairs_mut()
        .append_pair("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")
        .append_pair("assertion", &assertion);
    let settings = wharf_registry::Settings { proxies: crate::world::proxies(), ..Default::default() };
    let http = wharf_registry::http_client(&settings).context("setting up the HTTP client")?;
    let asked = http
        .post(server)
        .timeout(PATIENCE)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form.query().unwrap_or_default().to_owned());
    let answer = asked.send().await.with_context(|| format!("asking {server}"))?;
    let status = answer.status();
    let body = answer.bytes().await.with_context(|| format!("asking {server}"))?;
    let document: Value = serde_json::from_slice(&body).unwrap_or_default();
    if !status.is_success() {
        let why = document["error_description"].as_str().or(document["error"].as_str());
        bail!("asking {server} for a token: {status}: {}", why.unwrap_or("no reason given"));
    }
    let name = if request.audience.is_some() { "id_token" } else { "access_token" };
    let token = document[name].as_str().filter(|token| !token.is_empty());
    token.map(str::to_owned).ok_or_else(|| anyhow!("asking {server} for a token: the answer has no `{name}`"))
}

/// A JSON web token, signed with an RSA key (RFC 7515, RS256).
fn sign(header: &Value, claims: &Value, pem: &str) -> Result<String> {
    let lines = pem.lines().map(str::trim).filter(|line| !line.starts_with("-----"));
    let der = BASE64_STANDARD.decode(lines.collect::<String>()).map_err(|_| anyhow!("it is no PEM"))?;
    let key = RsaKeyPair::from_pkcs8(&der).or_else(|_| RsaKeyPair::from_der(&der));
    let key = key.map_err(|_| anyhow!("it is no RSA key"))?;
    let encode = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", encode(header), encode(claims));
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
        .map_err(|_| anyhow!("it does not sign"))?;
    Ok(format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
}
