//! A token server as registries have beside them (distribution's token specification). Its tokens are JWTs that
//! Debian's registry verifies, and it remembers them for registries that ask it directly.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::response::Response;
use axum::{Router, http::Request};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::header::AUTHORIZATION;
use http::{HeaderValue, Method, StatusCode};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};

use crate::background::Background;
use crate::faulty_registry::bearer;

/// The name of the registry that the tokens are for.
pub(crate) const SERVICE: &str = "test registry";
/// The name of the server in its tokens.
pub(crate) const ISSUER: &str = "test issuer";

/// A token server on a port of loopback. Cheap to clone.
#[derive(Debug, Clone)]
pub struct TokenServer {
    server: Arc<Background>,
    state: Arc<State>,
}

struct State {
    /// Who gets tokens that allow anything; `None` gives them to everybody.
    account: Option<(String, String)>,
    /// A refresh token that is as good as the account.
    refresh_token: Option<String>,
    key: EcdsaKeyPair,
    certificate: rcgen::CertifiedKey<rcgen::KeyPair>,
    /// Valid tokens and their scopes.
    issued: Mutex<HashMap<String, Vec<String>>>,
    /// The scopes of each request for a token.
    asked: Mutex<Vec<Vec<String>>>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("asked", &self.asked).finish_non_exhaustive()
    }
}

impl TokenServer {
    /// One that gives tokens to everybody.
    pub fn open() -> Self {
        Self::start(None, None)
    }

    /// One that gives tokens to this account only.
    pub fn for_account(username: &str, password: &str) -> Self {
        Self::start(Some((username.into(), password.into())), None)
    }

    /// One that gives tokens in exchange for this refresh token only.
    pub fn for_refresh_token(token: &str) -> Self {
        Self::start(Some(Default::default()), Some(token.into()))
    }

    fn start(account: Option<(String, String)>, refresh_token: Option<String>) -> Self {
        let certificate = rcgen::generate_simple_self_signed(["localhost".into()]).expect("a certificate");
        let key = certificate.signing_key.serialize_der();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &key, &SystemRandom::new());
        let key = key.expect("the certificate's key");
        let (issued, asked) = Default::default();
        let state = Arc::new(State { account, refresh_token, key, certificate, issued, asked });
        let serving = state.clone();
        let server = Background::start(move |listener| async move {
            let router = Router::new().fallback(move |request: Request<Body>| {
                let state = serving.clone();
                async move { state.answer(request).await }
            });
            let _ = axum::serve(listener, router).await;
        });
        Self { server: Arc::new(server), state }
    }

    /// The URL that challenges give as their realm.
    pub fn realm(&self) -> String {
        format!("http://{}/token", self.server.address)
    }

    /// The scopes of every request for a token so far.
    pub fn asked(&self) -> Vec<Vec<String>> {
        lock(&self.state.asked).clone()
    }

    /// Makes all tokens invalid.
    pub fn expire_all(&self) {
        lock(&self.state.issued).clear();
    }

    /// Writes the certificate that the tokens can be verified with.
    pub(crate) fn write_certificate(&self, path: &Path) {
        std::fs::write(path, self.state.certificate.cert.pem()).expect("a certificate's file");
    }

    /// Whether the request carries a token for what it wants, else the challenge.
    pub(crate) fn admit(&self, request: &Request<Body>) -> Result<(), HeaderValue> {
        let path = request.uri().path();
        let repository = path.trim_start_matches("/v2/").split("/blobs/").next().unwrap_or_default();
        let repository = repository.split("/manifests/").next().unwrap_or_default();
        let repository = repository.split("/tags/").next().unwrap_or_default();
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        let actions = if reads { "pull" } else { "pull,push" };
        let needed =
            if repository.is_empty() { String::new() } else { format!("repository:{repository}:{actions}") };
        let issued = lock(&self.state.issued);
        let scopes = bearer(request.headers()).and_then(|token| issued.get(token));
        let mounted = request.uri().query().and_then(|query| {
            let (_, from) = url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "from")?;
            Some(format!("repository:{from}:pull"))
        });
        let allowed = scopes.is_some_and(|scopes| {
            std::iter::once(&needed)
                .chain(&mounted)
                .all(|needed| scopes.iter().any(|scope| covers(scope, needed)))
        });
        if allowed {
            return Ok(());
        }
        let scope = [Some(needed), mounted].into_iter().flatten().collect::<Vec<_>>().join(" ");
        let text = format!("Bearer realm=\"{}\",service=\"{SERVICE}\",scope=\"{scope}\"", self.realm());
        Err(HeaderValue::try_from(text).expect("a challenge"))
    }
}

fn covers(scope: &str, needed: &str) -> bool {
    match (scope.rsplit_once(':'), needed.rsplit_once(':')) {
        (Some((resource, allowed)), Some((needed_resource, actions))) => {
            resource == needed_resource && actions.split(',').all(|a| allowed.split(',').any(|b| a == b))
        }
        _ => needed.is_empty(),
    }
}

impl State {
    async fn answer(&self, request: Request<Body>) -> Response {
        let (head, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.expect("a small form");
        let text = if head.method == Method::POST {
            body.to_vec()
        } else {
            head.uri.query().unwrap_or_default().into()
        };
        let fields: Vec<(String, String)> = url::form_urlencoded::parse(&text).into_owned().collect();
        let values = |name: &'static str| {
            fields.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.clone())
        };
        let scopes: Vec<String> =
            values("scope").flat_map(|text| text.split(' ').map(str::to_owned).collect::<Vec<_>>()).collect();
        lock(&self.asked).push(scopes.clone());
        let by_refresh =
            values("refresh_token").next().is_some_and(|token| Some(token) == self.refresh_token);
        let known = match &self.account {
            None => true,
            Some((username, password)) => {
                let expected = format!("Basic {}", STANDARD.encode(format!("{username}:{password}")));
                by_refresh
                    || head
                        .headers
                        .get(AUTHORIZATION)
                        .is_some_and(|value| value.as_bytes() == expected.as_bytes())
            }
        };
        let (status, answer) = if known {
            let token = self.issue(&scopes);
            let name = if head.method == Method::POST { "access_token" } else { "token" };
            (StatusCode::OK, json!({name: token, "expires_in": 300}))
        } else {
            (StatusCode::UNAUTHORIZED, json!({"details": "incorrect username or password"}))
        };
        let mut response = Response::new(Body::from(answer.to_string()));
        *response.status_mut() = status;
        response
    }

    fn issue(&self, scopes: &[String]) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let mut issued = lock(&self.issued);
        let header =
            json!({"typ": "JWT", "alg": "ES256", "x5c": [STANDARD.encode(self.certificate.cert.der())]});
        let claims = json!({
            "iss": ISSUER, "sub": "tester", "aud": SERVICE, "jti": issued.len().to_string(),
            "exp": now + 600, "nbf": now.saturating_sub(60), "iat": now,
            "access": scopes.iter().filter_map(|scope| to_access(scope)).collect::<Vec<_>>(),
        });
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).expect("a signature");
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()));
        issued.insert(token.clone(), scopes.to_vec());
        token
    }
}

fn to_access(scope: &str) -> Option<Value> {
    let (kind, rest) = scope.split_once(':')?;
    let (name, actions) = rest.rsplit_once(':')?;
    Some(json!({"type": kind, "name": name, "actions": actions.split(',').collect::<Vec<_>>()}))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
