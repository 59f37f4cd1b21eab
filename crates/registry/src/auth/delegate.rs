//! Logins and tokens for somebody who speaks to the registry in our place: a builder elsewhere.

use std::time::Duration;

use secrecy::SecretString;

use super::authenticator::{TokenRequest, check_realm};
use super::{Login, Scopes};
use crate::endpoint::may_be_plain;
use crate::{Cause, Client, Error, Result, Task};

impl Client {
    /// The login for `registry`, if any is known.
    pub async fn login(&self, registry: &str) -> Result<Option<Login>> {
        let failed = |cause: Cause| Error::new(Task::new("looking up", "the login", registry), cause);
        let base = url::Url::parse(&format!("https://{registry}/"))
            .map_err(|_| failed(Cause::Protocol("the registry's name is no host".into())))?;
        let known = self.settings().credentials.lookup(registry, "", &base, self.http()).await;
        Ok(known.map_err(|error| failed(error.into()))?.map(|lent| lent.login))
    }

    /// A token of the token server `realm`, as `registry` asks for it, and how long it may be used.
    pub async fn token(
        &self,
        registry: &str,
        realm: &str,
        service: &str,
        scopes: &[String],
    ) -> Result<(SecretString, Duration)> {
        let failed = |cause| Error::new(Task::new("fetching", "a token", format!("for {registry}")), cause);
        let login = self.login(registry).await?;
        if let Some(Login::Bearer(token)) = login {
            return Ok((token, Duration::from_secs(60)));
        }
        let plain = may_be_plain(registry, self.settings());
        check_realm(realm, !plain).map_err(failed)?;
        let request = TokenRequest {
            http: self.http(),
            realm,
            service: Some(service).filter(|service| !service.is_empty()),
            scopes: &Scopes::parse(&scopes.join(" ")),
            login: login.as_ref(),
        };
        request.send(registry).await.map_err(failed)
    }
}
