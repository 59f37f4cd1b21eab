//! Logins of registries for the builder (moby/buildkit, `session/auth`).
//!
//! A builder that knows the token protocol never sees a password: it says which token it needs, and wharf fetches it.
//! Tokens may be kept there for the next build of the same person, who is known by a key: the builder checks with
//! `VerifyTokenAuthority` that whoever is asking has it. The key comes from a seed that lives as long as the process.

use std::fmt;
use std::sync::Arc;

use bollard_buildkit_proto::moby::filesync::v1::auth_server::Auth;
use bollard_buildkit_proto::moby::filesync::v1::{
    CredentialsRequest, CredentialsResponse, FetchTokenRequest, FetchTokenResponse, GetTokenAuthorityRequest,
    GetTokenAuthorityResponse, VerifyTokenAuthorityRequest, VerifyTokenAuthorityResponse,
};
use futures_util::future::BoxFuture;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair};
use tonic::{Request, Response, Status};

pub(super) const METHODS: [&str; 4] = [
    "/moby.filesync.v1.Auth/Credentials",
    "/moby.filesync.v1.Auth/FetchToken",
    "/moby.filesync.v1.Auth/GetTokenAuthority",
    "/moby.filesync.v1.Auth/VerifyTokenAuthority",
];

/// The host by which builders call the registry that everybody calls `docker.io`.
const HUB: &str = "registry-1.docker.io";

/// What proves who we are at a registry.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Login {
    /// The account; empty for an identity token.
    pub username: String,
    /// The password or token; empty where there is no login.
    pub secret: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("username", &self.username).finish_non_exhaustive()
    }
}

/// A token that the builder needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRequest {
    /// The registry.
    pub registry: String,
    /// Its token server.
    pub realm: String,
    /// What the token server calls the registry.
    pub service: String,
    /// What is to be done there, such as `repository:org/app:pull`.
    pub scopes: Vec<String>,
}

/// A token.
pub struct TokenResponse {
    /// The token.
    pub token: String,
    /// How many seconds it may be used.
    pub life: u64,
}

impl fmt::Debug for TokenResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenResponse").field("life", &self.life).finish_non_exhaustive()
    }
}

/// Who knows the logins. Errors are sentences, without anything secret.
pub trait Keyring: Send + Sync {
    /// The login for a registry; an empty one where there is none.
    fn login<'a>(&'a self, registry: &'a str) -> BoxFuture<'a, Result<Login, String>>;

    /// A token of the registry's token server.
    fn token<'a>(&'a self, request: &'a TokenRequest) -> BoxFuture<'a, Result<TokenResponse, String>>;
}

pub(super) struct AuthService {
    keyring: Arc<dyn Keyring>,
    authority: Authority,
}

impl AuthService {
    pub(super) fn new(keyring: Arc<dyn Keyring>) -> Self {
        Self { keyring, authority: Authority::new() }
    }

    async fn login(&self, host: &str) -> Result<Login, Status> {
        self.keyring.login(registry(host)).await.map_err(Status::unavailable)
    }

    async fn key(&self, host: &str, salt: &[u8]) -> Result<Ed25519KeyPair, Status> {
        let known = !self.login(host).await?.secret.is_empty();
        self.authority.key(host, salt, known).ok_or_else(|| Status::unavailable("this client has no keys"))
    }
}

#[tonic::async_trait]
impl Auth for AuthService {
    async fn credentials(
        &self,
        request: Request<CredentialsRequest>,
    ) -> Result<Response<CredentialsResponse>, Status> {
        let Login { username, secret } = self.login(&request.into_inner().host).await?;
        Ok(Response::new(CredentialsResponse { username, secret }))
    }

    async fn fetch_token(
        &self,
        request: Request<FetchTokenRequest>,
    ) -> Result<Response<FetchTokenResponse>, Status> {
        let FetchTokenRequest { host, realm, service, scopes, .. } = request.into_inner();
        let request = TokenRequest { registry: registry(&host).to_owned(), realm, service, scopes };
        let TokenResponse { token, life } =
            self.keyring.token(&request).await.map_err(Status::unauthenticated)?;
        let expires_in = i64::try_from(life).unwrap_or(i64::MAX);
        Ok(Response::new(FetchTokenResponse { token, expires_in, issued_at: 0 }))
    }

    async fn get_token_authority(
        &self,
        request: Request<GetTokenAuthorityRequest>,
    ) -> Result<Response<GetTokenAuthorityResponse>, Status> {
        let GetTokenAuthorityRequest { host, salt } = request.into_inner();
        let public_key = self.key(&host, &salt).await?.public_key().as_ref().to_vec();
        Ok(Response::new(GetTokenAuthorityResponse { public_key }))
    }

    async fn verify_token_authority(
        &self,
        request: Request<VerifyTokenAuthorityRequest>,
    ) -> Result<Response<VerifyTokenAuthorityResponse>, Status> {
        let VerifyTokenAuthorityRequest { host, payload, salt } = request.into_inner();
        // As NaCl signs: the signature, and what is signed behind it.
        let mut signed = self.key(&host, &salt).await?.sign(&payload).as_ref().to_vec();
        signed.extend_from_slice(&payload);
        Ok(Response::new(VerifyTokenAuthorityResponse { signed }))
    }
}

fn registry(host: &str) -> &str {
    if host == HUB { "docker.io" } else { host }
}

/// The keys by which a builder knows this person again.
pub struct Authority {
    seed: Option<[u8; 32]>,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authority(…)")
    }
}

impl Authority {
    fn new() -> Self {
        let mut seed = [0; 32];
        let filled = SystemRandom::new().fill(&mut seed);
        Self { seed: filled.is_ok().then_some(seed) }
    }

    /// The key for a registry. Without a login all are alike, and so is the key: it depends on the salt only.
    fn key(&self, host: &str, salt: &[u8], known: bool) -> Option<Ed25519KeyPair> {
        let mut derived = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, salt));
        if known {
            derived.update(&self.seed?);
            derived.update(host.as_bytes());
        }
        Ed25519KeyPair::from_seed_unchecked(derived.sign().as_ref()).ok()
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{ED25519, UnparsedPublicKey};

    use super::*;

    struct One;

    impl Keyring for One {
        fn login<'a>(&'a self, registry: &'a str) -> BoxFuture<'a, Result<Login, String>> {
            let secret = if registry == "docker.io" { "secret".into() } else { String::new() };
            Box::pin(async move { Ok(Login { username: "user".into(), secret }) })
        }

        fn token<'a>(&'a self, request: &'a TokenRequest) -> BoxFuture<'a, Result<TokenResponse, String>> {
            Box::pin(async move { Ok(TokenResponse { token: request.scopes.join(" "), life: 60 }) })
        }
    }

    #[tokio::test]
    async fn whoever_has_the_key_can_show_it() {
        let service = AuthService::new(Arc::new(One));
        let (host, salt) = (HUB.to_owned(), b"salt".to_vec());
        let asked = GetTokenAuthorityRequest { host: host.clone(), salt: salt.clone() };
        let key = service.get_token_authority(Request::new(asked)).await.unwrap().into_inner().public_key;
        let asked = VerifyTokenAuthorityRequest { host, payload: b"prove it".to_vec(), salt };
        let signed = service.verify_token_authority(Request::new(asked)).await.unwrap().into_inner().signed;
        assert_eq!(&signed[64..], b"prove it");
        UnparsedPublicKey::new(&ED25519, key).verify(b"prove it", &signed[..64]).unwrap();
    }

    #[test]
    fn keys_differ_where_there_is_a_login() {
        let (one, other) = (Authority::new(), Authority::new());
        let key =
            |of: &Authority, known| of.key("r.io", b"salt", known).unwrap().public_key().as_ref().to_vec();
        assert_ne!(key(&one, true), key(&other, true));
        assert_eq!(key(&one, false), key(&other, false));
        assert!(
            !format!("{:?}", Login { username: "u".into(), secret: "hunter2".into() }).contains("hunter2")
        );
    }
}
