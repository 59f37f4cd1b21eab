//! The clouds' own protocols, as far as a login to their registries speaks them: keys and tokens for whoever shows the
//! right thing, in small servers.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use wharf_depot::{Access, Options, Users};

use crate::{Call, FaultyRegistry, SmallServer};

/// The private key of the service account `ci@project.iam.gserviceaccount.com`, which exists here only.
pub const KEY: &str = include_str!("clouds/service-account.pem");

/// A registry that lets in this account only.
pub fn registry_of(account: &str, password: &str) -> FaultyRegistry {
    let line = Users::line(account, &password.into(), 4).expect("a line of htpasswd");
    let access = Access::Users(Users::parse(&line).expect("a file of htpasswd"));
    FaultyRegistry::with(Options { access, ..Options::default() }, None)
}

/// Amazon: its metadata servers, STS, single sign-on and both registries' tokens. A token is for the account `AWS` with
/// the password `registry-token`.
pub fn amazon() -> SmallServer {
    SmallServer::start(|call| {
        let keys = |id: &str| json!({"AccessKeyId": id, "SecretAccessKey": "s3cret", "Token": "t0ken"});
        let token = STANDARD.encode("AWS:registry-token");
        let answer = match (call.method.as_str(), call.path.as_str()) {
            ("PUT", "/latest/api/token") => return (200, "imds".into()),
            ("GET", "/latest/meta-data/iam/security-credentials/") => return (200, "role".into()),
            ("GET", "/latest/meta-data/iam/security-credentials/role") => keys("ASIAMACHINE"),
            ("GET", "/container") if call.header("authorization") == "door" => keys("ASIACONTAINER"),
            ("POST", "/") if call.field("Action").starts_with("AssumeRole") => {
                let id = if call.field("WebIdentityToken") == "oidc" { "ASIAWEB" } else { "ASIAROLE" };
                return (
                    200,
                    format!(
                        "<r><AccessKeyId>{id}</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken></r>"
                    ),
                );
            }
            ("POST", "/") if call.header("x-amz-target").starts_with("AmazonEC2ContainerRegistry") => {
                json!({"authorizationData": [{"authorizationToken": token, "expiresAt": 4e9}]})
            }
            ("POST", "/") if call.header("x-amz-target").starts_with("Spencer") => {
                json!({"authorizationData": {"authorizationToken": token, "expiresAt": 4e9}})
            }
            ("GET", path)
                if path.starts_with("/federation/credentials?role_name=ci&account_id=123456789012") =>
            {
                let id = match call.header("x-amz-sso_bearer_token") {
                    "signed-in" => "ASIASSO",
                    "renewed" => "ASIARENEWED",
                    _ => return (401, json!({"message": "Session token not found or invalid"}).to_string()),
                };
                json!({"roleCredentials": {"accessKeyId": id, "secretAccessKey": "s", "sessionToken": "t"}})
            }
            ("POST", "/token") if call.body.contains("r3fresh") => {
                json!({"accessToken": "renewed", "expiresIn": 3600, "refreshToken": "next"})
            }
            _ => return (403, r#"{"__type":"Denied","message":"not like that","secret":"s3cret"}"#.into()),
        };
        (200, answer.to_string())
    })
}

/// Google: its token servers and the machine's metadata. A token is `google-token`.
pub fn google() -> SmallServer {
    SmallServer::start(|call| {
        let token = |text: &str| (200, json!({"access_token": text, "expires_in": 3599}).to_string());
        match (call.field("grant_type").as_str(), call.path.as_str()) {
            ("urn:ietf:params:oauth:grant-type:jwt-bearer", _) if is_signed(call) => token("google-token"),
            ("refresh_token", _) if call.field("refresh_token") == "r3fresh" => token("google-token"),
            ("urn:ietf:params:oauth:grant-type:token-exchange", _)
                if call.field("subject_token") == "oidc" =>
            {
                token("federated")
            }
            (_, "/impersonate") if call.header("authorization") == "Bearer federated" => (
                200,
                json!({"accessToken": "google-token", "expireTime": "2030-01-01T00:00:00Z"}).to_string(),
            ),
            (_, "/computeMetadata/v1/instance/service-accounts/default/token")
                if call.header("metadata-flavor") == "Google" =>
            {
                token("google-token")
            }
            (_, "/identity") if call.header("x-door") == "open" => {
                (200, json!({"value": "oidc"}).to_string())
            }
            _ => (400, json!({"error": "invalid_grant", "error_description": "no"}).to_string()),
        }
    })
}

/// Whether the assertion is a JSON web token, signed with the key of the test.
fn is_signed(call: &Call) -> bool {
    let key = PrivatePkcs8KeyDer::from_pem_slice(KEY.as_bytes()).expect("a key in PEM");
    let key = RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).expect("a key of RSA");
    let assertion = call.field("assertion");
    let Some((text, signature)) = assertion.rsplit_once('.') else { return false };
    let claims = text.split('.').nth(1).and_then(|claims| URL_SAFE_NO_PAD.decode(claims).ok());
    let claims: Value = claims.and_then(|claims| serde_json::from_slice(&claims).ok()).unwrap_or_default();
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public().as_ref());
    public.verify(text.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap_or_default()).is_ok()
        && claims["iss"] == "ci@project.iam.gserviceaccount.com"
        && claims["exp"].as_u64() > claims["iat"].as_u64()
}

/// Azure: the directory and the machine's metadata. A token is `directory-token`, which is to be exchanged at the registry.
pub fn azure() -> SmallServer {
    SmallServer::start(|call| {
        let known = call.field("client_secret") == "s3cret"
            || call.field("client_assertion") == "oidc"
            || (call.path.starts_with("/metadata/identity/oauth2/token")
                && call.header("metadata") == "true");
        match known {
            true => (200, json!({"access_token": "directory-token", "expires_in": "3599"}).to_string()),
            false => (401, json!({"error": "invalid_client", "error_description": "who?"}).to_string()),
        }
    })
}
