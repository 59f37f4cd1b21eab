//! Answering a registry's challenges, and not being asked twice (distribution's token specification and its
//! OAuth2 variant).

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;
use url::Url;

use super::{Challenge, Credentials, Login, Scopes};
use crate::{Cause, answer};

/// How long a token lives whose server does not say (the specification's own default).
const DEFAULT_LIFE: u64 = 60;
/// The identity that token servers of the OAuth2 kind ask the program for.
const CLIENT_ID: &str = "wharf";

/// The logins and tokens for one registry.
#[derive(Debug)]
pub(crate) struct Authenticator {
    registry: String,
    credentials: Credentials,
    /// Held while a token is fetched, so that parallel transfers ask for one token, not for one each.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    challenge: Option<Challenge>,
    tokens: Vec<Token>,
    logins: HashMap<String, Known>,
}

/// A login that was looked up, and until when it is good.
#[derive(Debug)]
struct Known {
    login: Option<Login>,
    until: Option<Instant>,
}

#[derive(Debug)]
struct Token {
    scopes: Scopes,
    header: HeaderValue,
    expires: Instant,
}

/// What a token server answers; the two names of the token mean the same.
#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<SecretString>,
    access_token: Option<SecretString>,
    expires_in: Option<u64>,
}

/// How the registry is spoken to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line<'a> {
    pub(crate) http: &'a reqwest::Client,
    pub(crate) base: &'a Url,
}

/// What a request needs to be let in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Access<'a> {
    pub(crate) repository: &'a str,
    pub(crate) scopes: &'a Scopes,
}

impl Authenticator {
    pub(crate) fn new(registry: &str, credentials: Credentials) -> Self {
        Self { registry: registry.into(), credentials, state: Mutex::default() }
    }

    /// The header to send at once, as far as the registry's wishes are known from earlier requests.
    pub(crate) async fn header(
        &self,
        line: Line<'_>,
        access: Access<'_>,
    ) -> Result<Option<HeaderValue>, Cause> {
        let mut state = self.state.lock().await;
        match state.challenge.clone() {
            None => Ok(None),
            Some(challenge) => self.meet(&mut state, line, &challenge, access).await.map(Some),
        }
    }

    /// The header that answers a 401, or [`Cause::Unauthorized`] when there is none better than `refused`, which
    /// was sent with the request.
    pub(crate) async fn answer(
        &self,
        line: Line<'_>,
        offered: Vec<Challenge>,
        access: Access<'_>,
        refused: Option<&HeaderValue>,
    ) -> Result<HeaderValue, Cause> {
        let mut state = self.state.lock().await;
        state.tokens.retain(|token| Some(&token.header) != refused);
        let bearer = |challenge: &&Challenge| matches!(challenge, Challenge::Bearer { .. });
        let Some(challenge) = offered.iter().find(bearer).or(offered.first()).cloned() else {
            return Err(Cause::Protocol("it asks for credentials without saying which kind".into()));
        };
        if let Challenge::Bearer { realm, .. } = &challenge {
            check_realm(realm, line.base.scheme() == "https")?;
        }
        state.challenge = Some(challenge.clone());
        let header = self.meet(&mut state, line, &challenge, access).await?;
        if refused == Some(&header) {
            Err(self.refused(&mut state, line, access, "").await)
        } else {
            Ok(header)
        }
    }

    /// The error for a request that was refused although it carried what was asked for.
    pub(crate) async fn unauthorized(&self, line: Line<'_>, access: Access<'_>, message: &str) -> Cause {
        let mut state = self.state.lock().await;
        self.refused(&mut state, line, access, message).await
    }

    async fn refused(
        &self,
        state: &mut MutexGuard<'_, State>,
        line: Line<'_>,
        access: Access<'_>,
        message: &str,
    ) -> Cause {
        let account = self.login(state, line, access).await.ok().flatten().map(|login| login.account());
        Cause::Unauthorized { registry: self.registry.clone(), account, message: message.into() }
    }

    /// The login, looked up once, and again when it was lent for a time that is over.
    async fn login(
        &self,
        state: &mut State,
        line: Line<'_>,
        access: Access<'_>,
    ) -> Result<Option<Login>, Cause> {
        let now = Instant::now();
        if let Some(known) = state.logins.get(access.repository)
            && known.until.is_none_or(|until| until > now)
        {
            return Ok(known.login.clone());
        }
        let lent = self.credentials.lookup(&self.registry, access.repository, line.base, line.http).await?;
        let until = lent.as_ref().and_then(|lent| lent.life).and_then(|life| now.checked_add(life));
        let login = lent.map(|lent| lent.login);
        state.logins.insert(access.repository.into(), Known { login: login.clone(), until });
        Ok(login)
    }

    async fn meet(
        &self,
        state: &mut MutexGuard<'_, State>,
        line: Line<'_>,
        challenge: &Challenge,
        access: Access<'_>,
    ) -> Result<HeaderValue, Cause> {
        let login = self.login(state, line, access).await?;
        if let Some(Login::Bearer(token)) = &login {
            return bearer(token);
        }
        let Challenge::Bearer { realm, service, scope } = challenge else {
            return match login {
                Some(Login::Password { username, password }) => basic(&username, &password),
                _ => Err(self.refused(state, line, access, "").await),
            };
        };
        let asked = scope.as_deref().map(Scopes::parse).unwrap_or_default();
        // The challenge is remembered from some request; its scope matters to requests on the same repository.
        let relevant = if asked.touches(access.scopes) { asked } else { Scopes::default() };
        let wanted = relevant.merge(access.scopes);
        let now = Instant::now();
        state.tokens.retain(|token| token.expires > now);
        if let Some(token) = state.tokens.iter().find(|token| token.scopes.cover(&wanted)) {
            return Ok(token.header.clone());
        }
        let request = TokenRequest {
            http: line.http,
            realm,
            service: service.as_deref(),
            scopes: &wanted,
            login: login.as_ref(),
        };
        let answer = request.send(&self.registry).await?;
        let header = bearer(&answer.0)?;
        state.tokens.push(Token { scopes: wanted, header: header.clone(), expires: now + answer.1 });
        Ok(header)
    }
}

impl Login {
    fn account(&self) -> String {
        match self {
            Self::Password { username, .. } => username.clone(),
            Self::Identity(_) => "an identity token".into(),
            Self::Bearer(_) => "a registry token".into(),
        }
    }
}

/// A registry spoken to over TLS must not lure credentials onto a plain connection.
pub(super) fn check_realm(realm: &str, secure: bool) -> Result<(), Cause> {
    match Url::parse(realm) {
        Ok(url) if url.scheme() == "https" => Ok(()),
        Ok(url) if url.scheme() == "http" && !secure => Ok(()),
        _ => Err(Cause::Protocol(format!("its token server `{}` is no https URL", answer::readable(realm)))),
    }
}

fn basic(username: &str, password: &SecretString) -> Result<HeaderValue, Cause> {
    let pair = format!("{username}:{}", password.expose_secret());
    sensitive(format!("Basic {}", STANDARD.encode(pair)))
}

fn bearer(token: &SecretString) -> Result<HeaderValue, Cause> {
    sensitive(format!("Bearer {}", token.expose_secret()))
}

fn sensitive(text: String) -> Result<HeaderValue, Cause> {
    let mut value = HeaderValue::try_from(text)
        .map_err(|_| Cause::Protocol("the token holds characters that no header may hold".into()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// A question to a token server.
pub(super) struct TokenRequest<'a> {
    pub(super) http: &'a reqwest::Client,
    pub(super) realm: &'a str,
    pub(super) service: Option<&'a str>,
    pub(super) scopes: &'a Scopes,
    pub(super) login: Option<&'a Login>,
}

impl TokenRequest<'_> {
    /// The token and how long it may be used.
    pub(super) async fn send(&self, registry: &str) -> Result<(SecretString, Duration), Cause> {
        let builder = match self.login {
            Some(Login::Identity(refresh_token)) => self.exchange(refresh_token),
            _ => self.ask(),
        }
        .map_err(|_| {
            Cause::Protocol(format!("its token server `{}` is no URL", answer::readable(self.realm)))
        })?;
        let response = builder.send().await.map_err(|error| answer::broken(registry, error))?;
        let status = response.status().as_u16();
        if !response.status().is_success() {
            return Err(match (answer::refusal(registry, response).await, status) {
                (Cause::Refused { message, .. } | Cause::Denied { message, .. }, 400 | 401 | 403)
                | (Cause::Unauthorized { message, .. }, _) => Cause::Unauthorized {
                    registry: registry.into(),
                    account: self.login.map(Login::account),
                    message,
                },
                (cause, _) => cause,
            });
        }
        let bytes = answer::body(registry, response, answer::SMALL).await?;
        let nonsense = || Cause::Protocol("its token server's answer holds no token".into());
        let answer: TokenAnswer = serde_json::from_slice(&bytes).map_err(|_| nonsense())?;
        let token = answer.token.or(answer.access_token).ok_or_else(nonsense)?;
        let life = answer.expires_in.unwrap_or(DEFAULT_LIFE).clamp(1, 24 * 3600);
        // A quarter, at most half a minute, is left for the way and for clocks that differ.
        Ok((token, Duration::from_secs(life - (life / 4).min(30))))
    }

    fn ask(&self) -> Result<reqwest::RequestBuilder, url::ParseError> {
        let mut url = Url::parse(self.realm)?;
        {
            let mut query = url.query_pairs_mut();
            query.extend_pairs(self.service.map(|service| ("service", service)));
            query.extend_pairs(self.scopes.to_texts().map(|scope| ("scope", scope)));
        }
        let builder = self.http.get(url);
        Ok(match self.login {
            Some(Login::Password { username, password }) => {
                builder.basic_auth(username, Some(password.expose_secret()))
            }
            _ => builder,
        })
    }

    /// The OAuth2 way, with a refresh token.
    fn exchange(&self, refresh_token: &SecretString) -> Result<reqwest::RequestBuilder, url::ParseError> {
        let scopes: Vec<String> = self.scopes.to_texts().collect();
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "refresh_token")
            .append_pair("client_id", CLIENT_ID)
            .extend_pairs(self.service.map(|service| ("service", service)))
            .append_pair("scope", &scopes.join(" "))
            .append_pair("refresh_token", refresh_token.expose_secret())
            .finish();
        let form_type = "application/x-www-form-urlencoded";
        Ok(self.http.post(Url::parse(self.realm)?).header(http::header::CONTENT_TYPE, form_type).body(form))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_server_without_tls_is_trusted_only_by_plain_registries() {
        assert!(check_realm("https://auth.example.com/token", true).is_ok());
        assert!(check_realm("http://127.0.0.1:1/token", false).is_ok());
        for realm in ["http://auth.example.com/token", "ftp://x", "token", ""] {
            assert!(check_realm(realm, true).is_err(), "{realm}");
        }
    }

    #[test]
    fn secrets_do_not_show() {
        let header = basic("user", &"hunter2".into()).unwrap();
        assert_eq!(format!("{header:?}"), "Sensitive");
        let credentials = Credentials::default()
            .with("r.io", Login::Password { username: "u".into(), password: "hunter2".into() });
        assert!(!format!("{credentials:?}").contains("hunter2"));
    }
}
