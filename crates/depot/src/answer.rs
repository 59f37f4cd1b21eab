//! What the depot answers when something is wrong (distribution-spec 1.1, "Error Codes").

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;
use wharf_registry::LayoutError;

use crate::route::NoRoute;

/// An error document with its status.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    pub(crate) fn name_unknown(repository: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NAME_UNKNOWN", format!("there is no repository {repository}"))
    }

    pub(crate) fn blob_unknown(digest: &wharf_oci::Digest) -> Self {
        Self::new(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", format!("there is no blob {digest}"))
    }

    pub(crate) fn manifest_unknown(reference: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", format!("there is no manifest {reference}"))
    }

    pub(crate) fn upload_unknown() -> Self {
        Self::new(StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN", "there is no such upload; begin again")
    }

    pub(crate) fn unsupported(message: &str) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", message)
    }

    pub(crate) fn internal(error: &dyn std::fmt::Display) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", error.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let document = json!({ "errors": [{ "code": self.code, "message": self.message, "detail": null }] });
        let mut response = Response::new(Body::from(document.to_string()));
        *response.status_mut() = self.status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Basic realm=\"wharf\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

impl From<NoRoute> for Refusal {
    fn from(reason: NoRoute) -> Self {
        match reason {
            NoRoute::Name => Self::new(StatusCode::BAD_REQUEST, "NAME_INVALID", "the repository's name is not valid"),
            NoRoute::Digest => Self::new(StatusCode::BAD_REQUEST, "DIGEST_INVALID", "the digest does not read"),
            NoRoute::Tag => Self::new(StatusCode::BAD_REQUEST, "TAG_INVALID", "the tag is not valid"),
            NoRoute::Path => Self::new(StatusCode::NOT_FOUND, "UNSUPPORTED", "no endpoint of the distribution spec"),
        }
    }
}

impl From<LayoutError> for Refusal {
    fn from(error: LayoutError) -> Self {
        let bad = |code| Self::new(StatusCode::BAD_REQUEST, code, error.to_string());
        match &error {
            LayoutError::Corrupt { .. } => bad("DIGEST_INVALID"),
            LayoutError::Invalid { .. } | LayoutError::Malformed { .. } => bad("MANIFEST_INVALID"),
            LayoutError::TooLarge { .. } => Self::new(StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID", error.to_string()),
            LayoutError::Missing { .. } => bad("MANIFEST_BLOB_UNKNOWN"),
            LayoutError::Taken { name, .. } => Self::new(
                StatusCode::PRECONDITION_FAILED,
                "TAG_IMMUTABLE",
                format!("tag {name} exists and must not change"),
            ),
            _ => Self::internal(&error),
        }
    }
}

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Self {
        Self::internal(&error)
    }
}
