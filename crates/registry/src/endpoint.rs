//! One registry, or one mirror of it: where requests go, and how they get through redirects and challenges.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, LOCATION, WARNING, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use reqwest::{Body, Response};
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::error::Elapsed;
use url::Url;

use crate::auth::{Access, Authenticator, Challenge, Line};
use crate::dialect::Dialect;
use crate::{Cause, Settings, SettingsError, answer};

/// More redirects than this are a circle.
const REDIRECTS: usize = 10;
/// How long a host that may speak plain HTTP is given to answer a TLS greeting: some wait for more input.
const GREETING: Duration = Duration::from_secs(5);
/// A registry may take several times the stall time to answer, when it stores or copies gigabytes first.
const ANSWER_FACTOR: u32 = 5;

/// A host that serves repositories.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// The host as references and credentials name it.
    pub(crate) host: String,
    /// Goes before the repository; empty but for some mirrors.
    prefix: String,
    address: Address,
    base: OnceCell<Url>,
    http: reqwest::Client,
    auth: Authenticator,
    /// Limits how many blobs travel to it at once.
    pub(crate) gate: Semaphore,
    /// The same for blobs that come from it, held by each stream. One gate for both would let a copy inside the registry
    /// wait for itself.
    pub(crate) downloads: Arc<Semaphore>,
    pub(crate) dialect: Dialect,
    stall: Duration,
    answered: AtomicBool,
    warnings: Mutex<BTreeSet<String>>,
}

/// Where the host is, as far as it is known without asking.
#[derive(Debug)]
enum Address {
    Known(Url),
    /// TLS if it offers it, else plain HTTP, which is allowed for it.
    Either(String),
    /// The same on this machine, where nobody can make it seem to offer none, and where most do not: a greeting without TLS
    /// comes first, since that costs less.
    Near(String),
}

/// A request whose body, if any, can be sent again.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Ask {
    pub(crate) fn new(method: Method, url: Url) -> Self {
        Self { method, url, headers: HeaderMap::new(), body: Bytes::new() }
    }

    pub(crate) fn header(mut self, name: http::HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }
}

/// What became of a request whose body cannot be sent again.
#[derive(Debug)]
pub(crate) enum Streamed {
    /// The registry's answer.
    Answered(Response),
    /// The credentials had run out and are fresh now; the caller sees how much arrived, and goes on.
    Renewed,
    /// It belongs elsewhere.
    Moved,
}

impl Endpoint {
    /// The registry `host` itself, at its own address or where the settings say that it is.
    pub(crate) fn origin(
        host: &str,
        settings: &Settings,
        http: &reqwest::Client,
    ) -> Result<Self, SettingsError> {
        let place = match settings.locations.get(host) {
            Some(location) => Place::read(location, "location")?,
            None if host == "docker.io" => Place::of_server("registry-1.docker.io"),
            None => Place::of_server(host),
        };
        let http = http_of(&[host, &place.server], settings, http)?;
        let address = match place.scheme {
            Some(scheme) => Address::Known(parse(&format!("{scheme}://{}", place.server))?),
            None if is_loopback(&place.server) => Address::Near(place.server),
            None if is_allowed_plain(host, settings) => Address::Either(place.server),
            None => Address::Known(parse(&format!("https://{}", place.server))?),
        };
        Ok(Self::new(host.into(), place.prefix, address, settings, http))
    }

    /// The mirror at `url`: `http://host:port/prefix`, or without a scheme for TLS.
    pub(crate) fn mirror(
        url: &str,
        settings: &Settings,
        http: &reqwest::Client,
    ) -> Result<Self, SettingsError> {
        let place = Place::read(url, "mirror")?;
        let base = parse(&format!("{}://{}", place.scheme.unwrap_or("https"), place.server))?;
        let http = http_of(&[&place.server], settings, http)?;
        Ok(Self::new(place.server, place.prefix, Address::Known(base), settings, http))
    }

    fn new(
        host: String,
        prefix: String,
        address: Address,
        settings: &Settings,
        http: reqwest::Client,
    ) -> Self {
        Self {
            auth: Authenticator::new(&host, settings.credentials.clone()),
            dialect: Dialect::of(&host),
            gate: Semaphore::new(parallelism(&host, settings)),
            downloads: Arc::new(Semaphore::new(parallelism(&host, settings))),
            host,
            prefix,
            address,
            base: OnceCell::new(),
            http,
            stall: settings.stall,
            answered: AtomicBool::new(false),
            warnings: Mutex::default(),
        }
    }

    /// How long nothing may move.
    pub(crate) fn stall(&self) -> Duration {
        self.stall
    }

    /// How long an answer may take once the request has arrived.
    pub(crate) fn answer_time(&self) -> Duration {
        self.stall.saturating_mul(ANSWER_FACTOR)
    }

    /// The name of `repository` at this endpoint.
    pub(crate) fn path_of(&self, repository: &str) -> String {
        format!("{}{repository}", self.prefix)
    }

    /// The URL of `path`, such as `org/model/tags/list`, under `/v2/`.
    pub(crate) async fn url(&self, path: &str) -> Result<Url, Cause> {
        let base = self.base().await?;
        base.join(&format!("/v2/{path}"))
            .map_err(|error| Cause::Protocol(format!("`{path}` makes no URL: {error}")))
    }

    /// Whether `url` is at this very registry, which is the only one that sees credentials.
    pub(crate) async fn is_own(&self, url: &Url) -> bool {
        self.base().await.is_ok_and(|base| base.origin() == url.origin())
    }

    async fn line(&self) -> Result<Line<'_>, Cause> {
        Ok(Line { http: &self.http, base: self.base().await? })
    }

    async fn base(&self) -> Result<&Url, Cause> {
        self.base.get_or_try_init(|| self.find_base()).await
    }

    async fn find_base(&self) -> Result<Url, Cause> {
        let server = match &self.address {
            Address::Known(url) => return Ok(url.clone()),
            Address::Either(server) | Address::Near(server) => server,
        };
        let base = |scheme| {
            parse(&format!("{scheme}://{server}"))
                .map_err(|_| Cause::Protocol(format!("`{server}` is no host")))
        };
        let (secure, plain) = (base("https")?, base("http")?);
        if matches!(self.address, Address::Near(_))
            && let Ok(Ok(answer)) = self.greet(&plain).await
            // Servers of TLS that answer at all call it a bad request.
            && answer.status() != StatusCode::BAD_REQUEST
        {
            return Ok(plain);
        }
        match self.greet(&secure).await {
            Ok(Ok(_)) => Ok(secure),
            Ok(Err(error)) if !speaks_no_tls(&error) => Err(answer::broken(&self.host, error)),
            Ok(Err(_)) | Err(_) => Ok(plain),
        }
    }

    async fn greet(&self, base: &Url) -> Result<reqwest::Result<Response>, Elapsed> {
        let mut url = base.clone();
        url.set_path("v2/");
        tokio::time::timeout(GREETING, self.http.get(url).send()).await
    }

    /// Sends a request and gives the answer, whatever its status but 401: redirects are followed and
    /// challenges are met.
    pub(crate) async fn send(&self, ask: Ask, access: Access<'_>) -> Result<Response, Cause> {
        let mut header = self.auth.header(self.line().await?, access).await?;
        let response = self.follow(ask.clone(), header.as_ref()).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        header = Some(self.meet(&response, access, header.as_ref()).await?);
        let response = self.follow(ask, header.as_ref()).await?;
        match response.status() {
            StatusCode::UNAUTHORIZED => Err(self.refused(response, access).await),
            _ => Ok(response),
        }
    }

    /// Like [`send`](Self::send), and an answer that is no success is an error. That nothing has changed is one.
    pub(crate) async fn send_ok(&self, ask: Ask, access: Access<'_>) -> Result<Response, Cause> {
        let response = self.send(ask, access).await?;
        if response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED {
            Ok(response)
        } else {
            Err(answer::refusal(&self.host, response).await)
        }
    }

    /// Like [`send`](Self::send), and 404 is `None`.
    pub(crate) async fn send_if_found(
        &self,
        ask: Ask,
        access: Access<'_>,
    ) -> Result<Option<Response>, Cause> {
        match self.send_ok(ask, access).await {
            Ok(response) => Ok(Some(response)),
            Err(Cause::NotFound { .. }) => Ok(None),
            Err(cause) => Err(cause),
        }
    }

    /// Sends a request whose body passes only once.
    pub(crate) async fn send_stream(
        &self,
        ask: Ask,
        body: Body,
        access: Access<'_>,
    ) -> Result<Streamed, Cause> {
        let header = self.auth.header(self.line().await?, access).await?;
        let from = ask.url.clone();
        let response = self.once(ask, header.as_ref(), Some(body)).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            self.meet(&response, access, header.as_ref()).await?;
            return Ok(Streamed::Renewed);
        }
        Ok(match redirect(&from, &response)? {
            Some(_) => Streamed::Moved,
            None => Streamed::Answered(response),
        })
    }

    async fn meet(
        &self,
        response: &Response,
        access: Access<'_>,
        refused: Option<&HeaderValue>,
    ) -> Result<HeaderValue, Cause> {
        let offered = response.headers().get_all(WWW_AUTHENTICATE);
        let offered =
            offered.iter().filter_map(|value| value.to_str().ok()).flat_map(Challenge::parse).collect();
        self.auth.answer(self.line().await?, offered, access, refused).await
    }

    async fn refused(&self, response: Response, access: Access<'_>) -> Cause {
        match answer::refusal(&self.host, response).await {
            Cause::Unauthorized { message, .. } => match self.line().await {
                Ok(line) => self.auth.unauthorized(line, access, &message).await,
                Err(cause) => cause,
            },
            cause => cause,
        }
    }

    async fn follow(&self, mut ask: Ask, header: Option<&HeaderValue>) -> Result<Response, Cause> {
        for _ in 0..REDIRECTS {
            let response = self.once(ask.clone(), header, None).await?;
            let Some(url) = redirect(&ask.url, &response)? else { return Ok(response) };
            ask.url = url;
        }
        Err(Cause::Protocol(format!("it redirects more than {REDIRECTS} times")))
    }

    /// One request, one answer. Only the endpoint itself gets to see credentials.
    async fn once(
        &self,
        ask: Ask,
        header: Option<&HeaderValue>,
        body: Option<Body>,
    ) -> Result<Response, Cause> {
        let own = self.base().await?.origin() == ask.url.origin();
        // A streamed body takes as long as it moves; whoever feeds it watches that.
        let waited = if body.is_some() { Duration::MAX } else { self.answer_time() };
        let mut request = self.http.request(ask.method, ask.url).headers(ask.headers);
        if let Some(header) = header.filter(|_| own) {
            request = request.header(AUTHORIZATION, header);
        }
        request = match body {
            Some(body) => request.body(body),
            None if ask.body.is_empty() => request,
            None => request.body(ask.body),
        };
        let response = match tokio::time::timeout(waited, request.send()).await {
            Ok(response) => response.map_err(|error| answer::broken(&self.host, error))?,
            Err(_) => return Err(Cause::Stalled { registry: self.host.clone(), waited }),
        };
        self.answered.store(true, Ordering::Relaxed);
        self.note_warnings(response.headers());
        Ok(response)
    }

    /// Whether it has answered anything yet. One that never has is more likely not there than busy.
    pub(crate) fn has_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    /// The URL of a `Location` that is the answer to a request at `from` (distribution-spec 1.1: relative or
    /// absolute). Behind a proxy that ends TLS some registries write `http`; that is put right.
    pub(crate) async fn location(&self, from: &Url, headers: &HeaderMap) -> Result<Url, Cause> {
        let text = headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let text =
            text.ok_or_else(|| Cause::Protocol("it does not say where to go on (no `Location`)".into()))?;
        let mut url = from.join(text).map_err(|_| Cause::Protocol("its `Location` is no URL".into()))?;
        let base = self.base().await?;
        if base.scheme() == "https" && url.scheme() == "http" && url.host() == base.host() {
            let _ = url.set_scheme("https");
            let _ = url.set_port(base.port());
        }
        Ok(url)
    }

    /// Keeps what the registry wants people to know (distribution-spec 1.1, "Warnings").
    fn note_warnings(&self, headers: &HeaderMap) {
        for value in headers.get_all(WARNING).iter().filter_map(|value| value.to_str().ok()) {
            if let Some(text) = value.strip_prefix("299 - \"").and_then(|rest| rest.strip_suffix('"')) {
                let mut warnings = self.warnings.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                warnings.insert(answer::readable(text));
            }
        }
    }

    /// The warnings since the last time this was asked.
    pub(crate) fn take_warnings(&self) -> BTreeSet<String> {
        std::mem::take(&mut *self.warnings.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

/// A place that the settings name: `host[:port][/path]`, with or without a scheme.
struct Place {
    scheme: Option<&'static str>,
    server: String,
    prefix: String,
}

impl Place {
    fn of_server(server: &str) -> Self {
        Self { scheme: None, server: server.into(), prefix: String::new() }
    }

    fn read(text: &str, what: &'static str) -> Result<Self, SettingsError> {
        let bad = || SettingsError::Url { what, url: crate::http_client::without_userinfo(text) };
        let (scheme, rest) = match text.split_once("://") {
            None => (None, text),
            Some(("https", rest)) => (Some("https"), rest),
            Some(("http", rest)) => (Some("http"), rest),
            Some(_) => return Err(bad()),
        };
        let url = Url::parse(&format!("https://{rest}")).map_err(|_| bad())?;
        if !url.username().is_empty() || url.query().is_some() || url.fragment().is_some() {
            return Err(bad());
        }
        let (server, path) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = match path.trim_matches('/') {
            "" => String::new(),
            path => format!("{path}/"),
        };
        Ok(Self { scheme, server: server.into(), prefix })
    }
}

/// The shared HTTP client, or one of its own for a host that has certificates of its own.
fn http_of(
    names: &[&str],
    settings: &Settings,
    shared: &reqwest::Client,
) -> Result<reqwest::Client, SettingsError> {
    match names.iter().find_map(|name| settings.tls.get(*name)) {
        Some(tls) => crate::http_client::build_for(settings, tls),
        None => Ok(shared.clone()),
    }
}

/// How many blobs may travel to or from `host` at once.
fn parallelism(host: &str, settings: &Settings) -> usize {
    let asked = settings.limits.get(host).copied().unwrap_or(settings.parallelism);
    asked.clamp(1, Semaphore::MAX_PERMITS)
}

/// Whether `host[:port]` may be spoken to without TLS.
pub(crate) fn may_be_plain(host: &str, settings: &Settings) -> bool {
    is_loopback(host) || is_allowed_plain(host, settings)
}

/// Whether the settings let `host[:port]` be spoken to without TLS.
fn is_allowed_plain(host: &str, settings: &Settings) -> bool {
    let bare = host.rsplit_once(':').map_or(host, |(name, _)| name);
    settings.plain_http.contains(host) || settings.plain_http.contains(bare)
}

fn parse(url: &str) -> Result<Url, SettingsError> {
    Url::parse(url).map_err(|_| SettingsError::Url { what: "registry", url: url.into() })
}

/// Where an answer sends us, if it does. From TLS to plain HTTP nobody is followed.
fn redirect(from: &Url, response: &Response) -> Result<Option<Url>, Cause> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let text = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let url = text.and_then(|text| from.join(text).ok());
    match url {
        Some(url) if from.scheme() == "https" && url.scheme() != "https" => {
            Err(Cause::Protocol(format!("it redirects from TLS to `{}`", url.scheme())))
        }
        Some(url) => Ok(Some(url)),
        None => Err(Cause::Protocol("it redirects to nowhere".into())),
    }
}

/// Whether the other side answered a TLS greeting with something that is not TLS.
fn speaks_no_tls(error: &reqwest::Error) -> bool {
    match answer::tls_failure(error) {
        Some(rustls::Error::InvalidMessage(_)) => true,
        Some(_) => false,
        // The greeting was answered by hanging up.
        None => answer::is_hang_up(error),
    }
}

/// Whether `host[:port]` is this machine.
fn is_loopback(host: &str) -> bool {
    match Url::parse(&format!("http://{host}")).ok().as_ref().and_then(Url::host) {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn this_machine_is_known_in_every_spelling() {
        for host in ["localhost:5000", "127.0.0.1", "127.9.9.9:1", "[::1]:5000", "registry.localhost"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.example.com", "10.0.0.1:5000", "docker.io", "127.0.0.1.example.com", ""] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn a_location_is_where_a_registry_is_and_no_new_name() {
        let mut settings = Settings::default();
        let locations = [
            ("docker.io", "127.0.0.1:5001"),
            ("ghcr.io", "cache.example.com/ghcr/"),
            ("r.example.com", "http://10.0.0.1:5000"),
            ("localhost:5000", "far.example.com"),
        ];
        settings.locations = locations.map(|(host, at)| (host.into(), at.into())).into();
        settings.plain_http.insert("plain.example.com".into());
        let http = crate::http_client::build(&settings).unwrap();
        let origin = |host| Endpoint::origin(host, &settings, &http).unwrap();
        let known = |url: &str| format!("Known({:?})", Url::parse(url).unwrap());
        let (either, near) =
            (|server: &str| format!("Either({server:?})"), |server: &str| format!("Near({server:?})"));
        for (host, address, path) in [
            ("docker.io", near("127.0.0.1:5001"), "a"),
            ("ghcr.io", known("https://cache.example.com"), "ghcr/a"),
            ("r.example.com", known("http://10.0.0.1:5000"), "a"),
            ("localhost:5000", known("https://far.example.com"), "a"),
            ("quay.io", known("https://quay.io"), "a"),
            ("plain.example.com:80", either("plain.example.com:80"), "a"),
        ] {
            let endpoint = origin(host);
            assert_eq!(endpoint.host, host);
            assert_eq!(format!("{:?}", endpoint.address), address, "{host}");
            assert_eq!(endpoint.path_of("a"), path, "{host}");
        }
        settings.locations.insert("bad.example.com".into(), "https://ann:hunter2@x".into());
        let error = Endpoint::origin("bad.example.com", &settings, &http).unwrap_err().to_string();
        assert_eq!(error, "`…@x` is not a location URL");
    }

    proptest! {
        #[test]
        fn no_place_is_too_odd(text in "(https?|://|:|@|/|\\[|\\]|\\?|#|%|[0-9]|\\PC){0,12}", secret in "[a-z]{8}") {
            for text in [text.clone(), format!("https://ann:{secret}@{text}")] {
                match Place::read(&text, "mirror") {
                    Ok(place) => prop_assert!(!place.server.contains(&secret) || !text.contains('@')),
                    Err(error) => prop_assert!(!text.contains('@') || !error.to_string().contains(&secret)),
                }
            }
        }
    }

    #[test]
    fn settings_with_the_largest_numbers_are_settings() {
        let settings = Settings { parallelism: usize::MAX, stall: Duration::MAX, ..Settings::default() };
        let http = crate::http_client::build(&settings).unwrap();
        let endpoint = Endpoint::origin("quay.io", &settings, &http).unwrap();
        assert_eq!(endpoint.answer_time(), Duration::MAX);
    }

    #[test]
    fn a_mirror_may_have_a_path_but_no_password() {
        let settings = Settings::default();
        let http = crate::http_client::build(&settings).unwrap();
        let mirror = |url| Endpoint::mirror(url, &settings, &http);
        let endpoint = mirror("http://cache.example.com:5000/hub/").unwrap();
        assert_eq!(endpoint.host, "cache.example.com:5000");
        assert_eq!(endpoint.path_of("library/python"), "hub/library/python");
        assert_eq!(mirror("cache.example.com").unwrap().path_of("a"), "a");
        for bad in ["ftp://x", "https://u:p@x", "https://x?y", "http://"] {
            assert!(mirror(bad).is_err(), "{bad}");
        }
    }
}
