//! A registry that does what a test tells it to do wrong, and remembers what it was asked.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, future, stream};
use http::header::{AUTHORIZATION, CONTENT_LENGTH, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use wharf_depot::{Depot, Options};

use crate::background::Background;
use crate::{Fault, TokenServer, When};

/// A depot behind a layer of faults, on a port of loopback.
#[derive(Debug)]
pub struct FaultyRegistry {
    server: Background,
    state: Arc<State>,
}

/// A request that the registry was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The method.
    pub method: Method,
    /// The path and query.
    pub path: String,
    /// The status of the answer; 0 where there was none.
    pub status: u16,
    /// How many bytes of body the registry took.
    pub received: u64,
    /// How many bytes of body were sent back.
    pub sent: u64,
    /// The `Authorization` header.
    pub authorization: Option<String>,
    /// The body, where [`Fault::Answer`] took it.
    pub body: String,
}

#[derive(Debug)]
struct State {
    depot: Depot,
    tokens: Option<TokenServer>,
    faults: Mutex<VecDeque<(When, Fault)>>,
    log: Mutex<Vec<Arc<Entry>>>,
    /// How many blobs travel, and how many have at once.
    under_way: AtomicUsize,
    busiest: AtomicUsize,
    /// Requests that have been answered and not been done, and how many more have to come first.
    late: Mutex<Vec<(u32, Request<Body>)>>,
    _data: TempDir,
}

#[derive(Debug)]
struct Entry {
    method: Method,
    path: String,
    authorization: Option<String>,
    body: Mutex<String>,
    status: AtomicU16,
    received: AtomicU64,
    sent: AtomicU64,
}

/// The connection is to be reset instead of answered.
#[derive(Debug)]
struct Reset;

impl std::fmt::Display for Reset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the test asked for a reset")
    }
}

impl std::error::Error for Reset {}

impl FaultyRegistry {
    /// An empty registry that is open to everybody and has no faults yet.
    pub fn start() -> Self {
        Self::with(Options::default(), None)
    }

    /// One that lets in those with a token of `tokens`.
    pub fn with_tokens(tokens: TokenServer) -> Self {
        Self::with(Options::default(), Some(tokens))
    }

    /// One with these options of the depot.
    pub fn with(options: Options, tokens: Option<TokenServer>) -> Self {
        let data = tempfile::tempdir().expect("a directory for the registry");
        let depot = Depot::open(data.path(), options).expect("an empty depot");
        let state = Arc::new(State {
            depot,
            tokens,
            faults: Mutex::default(),
            log: Mutex::default(),
            under_way: AtomicUsize::new(0),
            busiest: AtomicUsize::new(0),
            late: Mutex::default(),
            _data: data,
        });
        let serving = state.clone();
        let server = Background::start(move |listener| accept(listener, serving));
        Self { server, state }
    }

    /// `127.0.0.1:port`, as references name it.
    pub fn host(&self) -> String {
        self.server.address.to_string()
    }

    /// The depot behind it, to be filled or examined without a network.
    pub fn depot(&self) -> &Depot {
        &self.state.depot
    }

    /// Plans a fault.
    pub fn fail(&self, when: When, fault: Fault) {
        lock(&self.state.faults).push_back((when, fault));
    }

    /// Takes back every fault that is planned.
    pub fn mend(&self) {
        lock(&self.state.faults).clear();
    }

    /// The requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.state.log).iter().map(|entry| entry.to_seen()).collect()
    }

    /// The requests so far with this method whose path contains `path`.
    pub fn seen_of(&self, method: Method, path: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.method == method && seen.path.contains(path)).collect()
    }

    /// How many blobs have been sent or received at once, at the most.
    pub fn busiest(&self) -> usize {
        self.state.busiest.load(Ordering::SeqCst)
    }

    /// Forgets the requests so far.
    pub fn forget_seen(&self) {
        lock(&self.state.log).clear();
    }
}

impl Entry {
    fn carries_blob(&self) -> bool {
        let sends =
            matches!(self.method, Method::PUT | Method::PATCH) && self.path.contains("/blobs/uploads/");
        sends || (self.method == Method::GET && self.path.contains("/blobs/sha"))
    }

    fn to_seen(&self) -> Seen {
        Seen {
            method: self.method.clone(),
            path: self.path.clone(),
            status: self.status.load(Ordering::SeqCst),
            received: self.received.load(Ordering::SeqCst),
            sent: self.sent.load(Ordering::SeqCst),
            authorization: self.authorization.clone(),
            body: lock(&self.body).clone(),
        }
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    while let Ok((connection, _)) = listener.accept().await {
        let state = state.clone();
        tokio::spawn(serve(connection, state));
    }
}

/// Serves one connection; an error of the service resets it.
async fn serve(connection: TcpStream, state: Arc<State>) {
    // Closing then sends a reset rather than a polite end.
    connection.set_zero_linger().expect("an option of a TCP socket");
    let service = hyper::service::service_fn(move |request| answer(state.clone(), request));
    let _ =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(connection), service).await;
}

async fn answer(state: Arc<State>, request: Request<hyper::body::Incoming>) -> Result<Response<Body>, Reset> {
    let entry = Arc::new(Entry {
        method: request.method().clone(),
        path: request.uri().path_and_query().map(ToString::to_string).unwrap_or_default(),
        authorization: request.headers().get(AUTHORIZATION).and_then(|v| v.to_str().ok()).map(str::to_owned),
        body: Mutex::default(),
        status: AtomicU16::new(0),
        received: AtomicU64::new(0),
        sent: AtomicU64::new(0),
    });
    lock(&state.log).push(entry.clone());
    state.catch_up().await;
    let travels = entry.carries_blob().then(|| Travelling::new(state.clone()));
    let fault = state.next_fault(request.method(), &entry.path);
    let response = state.fail(fault, request.map(Body::new), &entry).await?;
    entry.status.store(response.status().as_u16(), Ordering::SeqCst);
    let travels = travels.filter(|_| entry.method == Method::GET);
    let mut left = response.headers().get(CONTENT_LENGTH).and_then(|size| size.to_str().ok()?.parse().ok());
    Ok(response.map(|body| {
        let body = counted(body, entry, |entry| &entry.sent);
        let mut travels = travels;
        Body::from_stream(body.into_data_stream().inspect_ok(move |piece| {
            // Let go before the last piece is handed on: whoever has it may well ask for the next blob at once.
            left = left.map(|left: usize| left.saturating_sub(piece.len()));
            travels = travels.take().filter(|_| left != Some(0));
        }))
    }))
}

/// A blob that travels.
struct Travelling(Arc<State>);

impl Travelling {
    fn new(state: Arc<State>) -> Self {
        let now = state.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        state.busiest.fetch_max(now, Ordering::SeqCst);
        Self(state)
    }
}

impl Drop for Travelling {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

impl State {
    /// Does what was put off for as many requests as have come.
    async fn catch_up(&self) {
        let due: Vec<_> = {
            let mut late = lock(&self.late);
            late.iter_mut().for_each(|(left, _)| *left = left.saturating_sub(1));
            let (due, rest) = late.drain(..).partition(|(left, _)| *left == 0);
            *late = rest;
            due
        };
        for (_, request) in due {
            self.depot.handle(request).await;
        }
    }

    fn next_fault(&self, method: &Method, path: &str) -> Option<Fault> {
        let mut faults = lock(&self.faults);
        faults.iter_mut().find_map(|(when, fault)| when.befalls(method, path).then(|| fault.clone()))
    }

    async fn fail(
        &self,
        fault: Option<Fault>,
        request: Request<Body>,
        entry: &Arc<Entry>,
    ) -> Result<Response<Body>, Reset> {
        match fault {
            None => Ok(self.serve(request, entry).await),
            Some(Fault::Status(status, retry_after)) => {
                drain(request.into_body());
                Ok(refuse(status, retry_after))
            }
            Some(Fault::Answer(status, text)) => {
                let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap_or_default();
                *lock(&entry.body) = String::from_utf8_lossy(&body).into_owned();
                let mut response = Response::new(Body::from(text));
                *response.status_mut() = StatusCode::from_u16(status).expect("an HTTP status");
                Ok(response)
            }
            Some(Fault::Late(requests)) => {
                let (head, body) = request.into_parts();
                let body = axum::body::to_bytes(body, 64 << 20).await.unwrap_or_default();
                entry.received.store(body.len() as u64, Ordering::SeqCst);
                lock(&self.late).push((requests, Request::from_parts(head, Body::from(body))));
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::CREATED;
                Ok(response)
            }
            Some(Fault::ResetUpload(bytes)) => {
                self.serve(request.map(|body| broken_after(body, bytes)), entry).await;
                Err(Reset)
            }
            Some(Fault::DrownUpload(bytes)) => {
                self.serve(request.map(|body| drowned_after(body, bytes)), entry).await;
                Err(Reset)
            }
            Some(Fault::SpoilUpload) => Ok(self.serve(request.map(spoilt), entry).await),
            Some(Fault::LoseAnswer) => {
                self.serve(request, entry).await;
                Err(Reset)
            }
            Some(Fault::StallRequest) => future::pending().await,
            Some(Fault::LoseUpload) => {
                self.cancel_upload(request.uri().path()).await;
                Ok(self.serve(request, entry).await)
            }
            Some(Fault::ExpireTokens) => {
                if let Some(tokens) = &self.tokens {
                    tokens.expire_all();
                }
                Ok(self.serve(request, entry).await)
            }
            Some(Fault::Redirect(base)) => {
                let target = format!("{base}{}", request.uri());
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
                response.headers_mut().insert(LOCATION, target.parse().expect("a redirect's target"));
                Ok(response)
            }
            Some(fault) => Ok(spoil(fault, self.serve(request, entry).await)),
        }
    }

    async fn serve(&self, request: Request<Body>, entry: &Arc<Entry>) -> Response<Body> {
        if let Some(tokens) = &self.tokens
            && let Err(challenge) = tokens.admit(&request)
        {
            drain(request.into_body());
            let mut response = refuse(401, None);
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            return response;
        }
        // Counted here, so that bytes which a fault keeps from the depot do not count as received.
        self.depot.handle(request.map(|body| counted(body, entry.clone(), |entry| &entry.received))).await
    }

    async fn cancel_upload(&self, path: &str) {
        let mut cancel = Request::new(Body::empty());
        *cancel.method_mut() = Method::DELETE;
        *cancel.uri_mut() = path.parse().expect("the path of a request");
        self.depot.handle(cancel).await;
    }
}

/// Reads what still comes of a body that nobody wants. Closing on it instead would reset the connection, and the
/// other side might lose the answer before it has read it; servers that close in such a hurry are
/// [`Fault::ResetUpload`].
fn drain(body: Body) {
    tokio::spawn(body.into_data_stream().for_each(|_| future::ready(())));
}

fn refuse(status: u16, retry_after: Option<u64>) -> Response<Body> {
    let text = r#"{"errors":[{"code":"UNKNOWN","message":"the test asked for it"}]}"#;
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = StatusCode::from_u16(status).expect("an HTTP status");
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// The faults of answers.
fn spoil(fault: Fault, response: Response<Body>) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    let body = match fault {
        Fault::ResetAnswer(bytes) => broken_after(body, bytes),
        Fault::CutAnswer(bytes) => {
            // With the length announced, the end would show.
            head.headers.remove(CONTENT_LENGTH);
            Body::from_stream(first(body, bytes))
        }
        Fault::StallAnswer(bytes) => Body::from_stream(first(body, bytes).chain(stream::pending())),
        Fault::SpoilAnswer => spoilt(body),
        Fault::AnswerAs(status) if head.status.is_success() => {
            head.status = StatusCode::from_u16(status).expect("an HTTP status");
            body
        }
        Fault::Say(name, value) => {
            head.headers.append(name, value.parse().expect("the value of a header"));
            body
        }
        _ => body,
    };
    Response::from_parts(head, body)
}

fn spoilt(body: Body) -> Body {
    Body::from_stream(
        body.into_data_stream().enumerate().map(|(number, piece)| {
            piece.map(|piece| if number == 0 { other_first_byte(&piece) } else { piece })
        }),
    )
}

fn other_first_byte(piece: &Bytes) -> Bytes {
    let mut bytes = piece.to_vec();
    if let Some(byte) = bytes.first_mut() {
        *byte ^= 1;
    }
    bytes.into()
}

/// The first `bytes` bytes, then an error.
fn broken_after(body: Body, bytes: u64) -> Body {
    let breaks = stream::once(async { Err::<Bytes, _>(axum::Error::new(Reset)) });
    Body::from_stream(first(body, bytes).chain(breaks))
}

/// The first `bytes` bytes; then, for as long as the sender lives, nothing.
fn drowned_after(body: Body, bytes: u64) -> Body {
    const PAUSE: Duration = Duration::from_millis(20);
    let pieces = body.into_data_stream();
    let drowned = stream::unfold((pieces, bytes), |(mut pieces, left)| async move {
        while left == 0 && matches!(pieces.next().await, Some(Ok(_))) {
            tokio::time::sleep(PAUSE).await;
        }
        let Some(Ok(mut piece)) = pieces.next().await.filter(|_| left > 0) else {
            return Some((Err(axum::Error::new(Reset)), (pieces, 0)));
        };
        piece.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        let left = left - piece.len() as u64;
        Some((Ok(piece), (pieces, left)))
    });
    Body::from_stream(drowned)
}

fn first(body: Body, bytes: u64) -> impl futures_util::Stream<Item = Result<Bytes, axum::Error>> {
    body.into_data_stream().scan(bytes, |left, piece| {
        let piece = piece.map(|mut piece| {
            piece.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= piece.len() as u64;
            piece
        });
        let ended = matches!(&piece, Ok(piece) if piece.is_empty());
        future::ready(if ended { None } else { Some(piece) })
    })
}

fn counted(body: Body, entry: Arc<Entry>, counter: fn(&Entry) -> &AtomicU64) -> Body {
    let count = move |piece: &Bytes| {
        counter(&entry).fetch_add(piece.len() as u64, Ordering::SeqCst);
    };
    Body::from_stream(body.into_data_stream().inspect_ok(count))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The bearer token of a request.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}
