//! The logins of this machine for a builder. It gets tokens where the registry has them, and passwords only where
//! the registry knows nothing else.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use secrecy::ExposeSecret;
use wharf_buildkit::session::{self, Keyring, TokenRequest, TokenResponse};
use wharf_registry::{Client, Login};

/// What this machine's client of registries knows.
pub(super) struct Keys(pub(super) Client);

impl Keyring for Keys {
    fn login<'a>(&'a self, registry: &'a str) -> BoxFuture<'a, Result<session::Login, String>> {
        async move {
            let login = self.0.login(registry).await.map_err(sentence)?;
            Ok(match login {
                None => session::Login::default(),
                Some(Login::Password { username, password }) => {
                    session::Login { username, secret: password.expose_secret().to_owned() }
                }
                Some(Login::Identity(token) | Login::Bearer(token)) => {
                    session::Login { username: String::new(), secret: token.expose_secret().to_owned() }
                }
            })
        }
        .boxed()
    }

    fn token<'a>(&'a self, request: &'a TokenRequest) -> BoxFuture<'a, Result<TokenResponse, String>> {
        async move {
            let TokenRequest { registry, realm, service, scopes } = request;
            let token = self.0.token(registry, realm, service, scopes).await.map_err(sentence)?;
            Ok(TokenResponse { token: token.0.expose_secret().to_owned(), life: token.1.as_secs() })
        }
        .boxed()
    }
}

/// The whole chain of causes in a line.
fn sentence(error: wharf_registry::Error) -> String {
    format!("{:#}", anyhow::Error::new(error))
}
