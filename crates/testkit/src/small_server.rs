//! A small HTTP server for what is no registry: token exchanges and metadata servers of clouds.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, Method, Request, StatusCode};

use crate::background::Background;

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// The path and query.
    pub path: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as text.
    pub body: String,
}

impl Call {
    /// A header as text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// A field of a form.
    pub fn field(&self, name: &str) -> String {
        let mut fields = url::form_urlencoded::parse(self.body.as_bytes());
        fields.find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
    }
}

/// A server on a port of loopback; it ends when dropped.
#[derive(Debug)]
pub struct SmallServer {
    server: Background,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl SmallServer {
    /// One that answers as `answer` says: a status and a body.
    pub fn start(answer: impl Fn(&Call) -> (u16, String) + Send + Sync + 'static) -> Self {
        let (calls, answer) = (Arc::new(Mutex::new(Vec::new())), Arc::new(answer));
        let remembered = calls.clone();
        let server = Background::start(move |listener| async move {
            let router = Router::new().fallback(move |request: Request<Body>| {
                let (calls, answer) = (remembered.clone(), answer.clone());
                async move {
                    let call = read(request).await;
                    let (status, text) = answer(&call);
                    calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
                    let mut response = Response::new(Body::from(text));
                    *response.status_mut() = StatusCode::from_u16(status).expect("an HTTP status");
                    response
                }
            });
            axum::serve(listener, router).await.expect("a test server to serve");
        });
        Self { server, calls }
    }

    /// `127.0.0.1:port`.
    pub fn host(&self) -> String {
        self.server.address.to_string()
    }

    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// The requests so far.
    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn read(request: Request<Body>) -> Call {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap_or_default();
    Call {
        method: parts.method,
        path: parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        headers: parts.headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    }
}
