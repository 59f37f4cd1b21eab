//! Google's registries: an access token as the password of `oauth2accesstoken`.
//!
//! The token is that of the application default credentials: a file that `GOOGLE_APPLICATION_CREDENTIALS` names or
//! that `gcloud auth application-default login` has left, else the machine's own account. Keys that were given as
//! `_json_key`, `_json_key_base64` or `oauth2accesstoken` are passwords, which Google's registries take as they are.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};

use super::exchange::{member, seconds};
use super::{Asking, Lent};
use crate::Login;
use crate::auth::CredentialsError;

/// What a token for registries has to allow.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
const TOKEN_SERVER: &str = "https://oauth2.googleapis.com/token";
const MARGIN: Duration = Duration::from_secs(120);

/// Whether the registry is Google's.
pub(super) fn is_at(registry: &str) -> bool {
    registry == "gcr.io" || registry.ends_with(".gcr.io") || registry.ends_with(".pkg.dev")
}

/// A token for whoever we are; `None` where we are nobody.
pub(super) async fn lend(asking: Asking<'_>) -> Result<Option<Lent>, CredentialsError> {
    let token = match file(asking)? {
        Some((path, text)) => {
            let step = format!("reading `{}`", path.display());
            let document: Value =
                serde_json::from_str(&text).map_err(|_| asking.failed(&step, "it is no JSON"))?;
            Some(of_file(asking, &document, &step).await?)
        }
        None => of_machine(asking).await?,
    };
    Ok(token.map(|token| Lent {
        login: Login::Password { username: "oauth2accesstoken".into(), password: token.text.into() },
        life: token.life,
    }))
}

struct Token {
    text: String,
    life: Option<Duration>,
}

impl Token {
    fn of(document: &Value) -> Option<Self> {
        let text = member(document, "access_token").or_else(|| member(document, "accessToken"))?;
        let life = seconds(&document["expires_in"]).map(|life| life.saturating_sub(MARGIN));
        Some(Self { text: text.into(), life })
    }
}

/// The credentials file, where there is one. One that was named must be there.
fn file(asking: Asking<'_>) -> Result<Option<(PathBuf, String)>, CredentialsError> {
    let around = asking.around;
    let named = around.get("GOOGLE_APPLICATION_CREDENTIALS").or(around.get("GOOGLE_GHA_CREDS_PATH"));
    if let Some(path) = named.map(PathBuf::from) {
        let text = asking.read(&path)?;
        return Ok(Some((path, text)));
    }
    let directory = match around.get("CLOUDSDK_CONFIG") {
        Some(directory) => Some(PathBuf::from(directory)),
        None => around.at_home(".config/gcloud"),
    };
    let Some(path) = directory.map(|directory| directory.join("application_default_credentials.json")) else {
        return Ok(None);
    };
    Ok(asking.read_if_there(&path)?.map(|text| (path, text)))
}

async fn of_file(asking: Asking<'_>, file: &Value, step: &str) -> Result<Token, CredentialsError> {
    let need =
        |name: &str| member(file, name).ok_or_else(|| asking.failed(step, format!("`{name}` is missing")));
    match member(file, "type") {
        Some("service_account") => of_service_account(asking, file, step).await,
        Some("authorized_user") => {
            let fields = [
                ("grant_type", "refresh_token"),
                ("client_id", need("client_id")?),
                ("client_secret", need("client_secret")?),
                ("refresh_token", need("refresh_token")?),
            ];
            let server = member(file, "token_uri").unwrap_or(TOKEN_SERVER);
            exchange(asking, "asking Google for a token", asking.form(server, &fields)).await
        }
        Some("external_account") => of_external_account(asking, file, step).await,
        Some(other) => Err(asking.failed(step, format!("wharf knows no credentials of type `{other}`"))),
        None => Err(asking.failed(step, "`type` is missing")),
    }
}

async fn exchange(
    asking: Asking<'_>,
    step: &str,
    request: reqwest::RequestBuilder,
) -> Result<Token, CredentialsError> {
    let document = asking.json(step, request).await?;
    Token::of(&document).ok_or_else(|| asking.failed(step, "there is no token in the answer"))
}

/// A service account proves who it is by signing a claim with its key (RFC 7523).
async fn of_service_account(asking: Asking<'_>, file: &Value, step: &str) -> Result<Token, CredentialsError> {
    let need =
        |name: &str| member(file, name).ok_or_else(|| asking.failed(step, format!("`{name}` is missing")));
    let server = member(file, "token_uri").unwrap_or(TOKEN_SERVER);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let claims = json!({
        "iss": need("client_email")?, "scope": SCOPE, "aud": server, "iat": now, "exp": now + 3600,
    });
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": member(file, "private_key_id")});
    let assertion = sign(&header, &claims, need("private_key")?)
        .map_err(|why| asking.failed(step, format!("`private_key` cannot be used: {why}")))?;
    let fields =
        [("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", assertion.as_str())];
    exchange(asking, "asking Google for a token", asking.form(server, &fields)).await
}

/// A JSON web token, signed with an RSA key (RFC 7515, RS256).
fn sign(header: &Value, claims: &Value, key: &str) -> Result<String, &'static str> {
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| "it is no PEM")?;
    let key = match &key {
        PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
        _ => return Err("it is no RSA key"),
    };
    let key = key.map_err(|_| "it is no RSA key")?;
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", encode(header), encode(claims));
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
        .map_err(|_| "it does not sign")?;
    Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// Workload identity: a token of another provider is exchanged for one of Google's, and that, where it is so set
/// up, for one of a service account.
async fn of_external_account(
    asking: Asking<'_>,
    file: &Value,
    step: &str,
) -> Result<Token, CredentialsError> {
    let need =
        |name: &str| member(file, name).ok_or_else(|| asking.failed(step, format!("`{name}` is missing")));
    let subject = subject_token(asking, &file["credential_source"], step).await?;
    let fields = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("audience", need("audience")?),
        ("scope", SCOPE),
        ("subject_token_type", need("subject_token_type")?),
        ("subject_token", subject.as_str()),
    ];
    let step = "exchanging a workload identity for a token of Google's";
    let token = exchange(asking, step, asking.form(need("token_url")?, &fields)).await?;
    let Some(account) = member(file, "service_account_impersonation_url") else { return Ok(token) };
    let request = asking.http.post(asking.parse(step, account)?).bearer_auth(&token.text);
    let request = request.json(&json!({ "scope": [SCOPE] }));
    exchange(asking, "taking the place of a service account of Google's", request).await
}

/// The other provider's token, from a file or a URL, as text or as a member of JSON.
async fn subject_token(asking: Asking<'_>, source: &Value, step: &str) -> Result<String, CredentialsError> {
    let text = if let Some(path) = member(source, "file") {
        asking.read(path.as_ref())?
    } else if let Some(url) = member(source, "url") {
        let step = "asking for the workload's identity";
        let mut request = asking.http.get(asking.parse(step, url)?);
        for (name, value) in source["headers"].as_object().into_iter().flatten() {
            request = request.header(name, value.as_str().unwrap_or_default());
        }
        asking.text(step, request, super::PATIENCE).await?
    } else {
        return Err(asking.failed(step, "its `credential_source` is neither a file nor a URL"));
    };
    let format = &source["format"];
    if member(format, "type") != Some("json") {
        return Ok(text.trim().to_owned());
    }
    let name = member(format, "subject_token_field_name").unwrap_or("access_token");
    let document: Option<Value> = serde_json::from_str(&text).ok();
    let token = document.as_ref().and_then(|document| member(document, name)).map(str::to_owned);
    token.ok_or_else(|| asking.failed(step, format!("there is no `{name}` where the identity should be")))
}

/// The token of the machine's account, where it is one of Google's.
async fn of_machine(asking: Asking<'_>) -> Result<Option<Token>, CredentialsError> {
    let step = "asking the machine for its token";
    let host = asking.around.get("GCE_METADATA_HOST").unwrap_or("metadata.google.internal");
    let url = format!("http://{host}/computeMetadata/v1/instance/service-accounts/default/token");
    let request = asking.http.get(asking.parse(step, &url)?).header("metadata-flavor", "Google");
    let Some(text) = asking.metadata(step, request).await? else { return Ok(None) };
    let document: Option<Value> = serde_json::from_str(&text).ok();
    let token = document.as_ref().and_then(Token::of);
    token.map(Some).ok_or_else(|| asking.failed(step, "there is no token in the answer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn googles_registries_are_known_by_their_names() {
        for registry in ["gcr.io", "eu.gcr.io", "europe-west3-docker.pkg.dev"] {
            assert!(is_at(registry), "{registry}");
        }
        for registry in ["mygcr.io", "gcr.io.example.com", "pkg.dev.example.com"] {
            assert!(!is_at(registry), "{registry}");
        }
    }

    #[test]
    fn a_key_that_is_none_is_said_without_showing_it() {
        assert_eq!(sign(&json!({}), &json!({}), "s3cret"), Err("it is no PEM"));
    }
}
