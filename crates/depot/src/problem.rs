//! Refusals as the specification words them (distribution-spec 1.1, "Error Codes").

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderValue, StatusCode};
use serde_json::json;
use wharf_registry::LayoutError;

/// The specification's codes that are in use here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    BlobUnknown,
    BlobUploadInvalid,
    BlobUploadUnknown,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    NameInvalid,
    NameUnknown,
    SizeInvalid,
    Unauthorized,
    Denied,
    Unsupported,
    /// Not the specification's: something failed on this side.
    Unknown,
}

impl Code {
    fn name(self) -> &'static str {
        match self {
            Self::BlobUnknown => "BLOB_UNKNOWN",
            Self::BlobUploadInvalid => "BLOB_UPLOAD_INVALID",
            Self::BlobUploadUnknown => "BLOB_UPLOAD_UNKNOWN",
            Self::DigestInvalid => "DIGEST_INVALID",
            Self::ManifestBlobUnknown => "MANIFEST_BLOB_UNKNOWN",
            Self::ManifestInvalid => "MANIFEST_INVALID",
            Self::ManifestUnknown => "MANIFEST_UNKNOWN",
            Self::NameInvalid => "NAME_INVALID",
            Self::NameUnknown => "NAME_UNKNOWN",
            Self::SizeInvalid => "SIZE_INVALID",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::Denied => "DENIED",
            Self::Unsupported => "UNSUPPORTED",
            Self::Unknown => "UNKNOWN",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::BlobUnknown | Self::BlobUploadUnknown | Self::ManifestUnknown | Self::NameUnknown => {
                StatusCode::NOT_FOUND
            }
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Denied => StatusCode::FORBIDDEN,
            Self::Unsupported => StatusCode::METHOD_NOT_ALLOWED,
            Self::Unknown => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

/// A refusal.
#[derive(Debug)]
pub(crate) struct Problem {
    code: Code,
    status: StatusCode,
    message: String,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Problem {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, status: code.status(), message: message.into(), header: None }
    }

    /// The same with another status than the code's usual one.
    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some((name, value));
        self
    }

    #[cfg(test)]
    pub(crate) fn code(&self) -> Code {
        self.code
    }
}

/// What failed on this side, told without paths: the other side has no business with them.
impl From<LayoutError> for Problem {
    fn from(error: LayoutError) -> Self {
        match &error {
            LayoutError::Missing { digest, .. } => {
                Self::new(Code::ManifestBlobUnknown, format!("{digest} is not in this repository"))
            }
            LayoutError::Corrupt { digest, found, .. } => {
                Self::new(Code::DigestInvalid, format!("the content of {digest} is {found}"))
            }
            LayoutError::Algorithm { digest } => {
                Self::new(Code::DigestInvalid, format!("the algorithm of {digest} is not known here"))
            }
            LayoutError::Invalid { source, .. } => {
                Self::new(Code::ManifestInvalid, format!("it is neither a manifest nor an index: {source}"))
            }
            LayoutError::Taken { name, .. } => Self::new(Code::Denied, format!("tag `{name}` exists"))
                .with_status(StatusCode::PRECONDITION_FAILED),
            _ if error.is_disk_full() => Self::new(Code::Unknown, "the registry's disk is full")
                .with_status(StatusCode::INSUFFICIENT_STORAGE),
            _ => Self::new(Code::Unknown, "the registry's storage failed"),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let document = json!({"errors": [{"code": self.code.name(), "message": self.message}]});
        let mut response = Response::new(Body::from(document.to_string()));
        *response.status_mut() = self.status;
        response.headers_mut().extend(self.header);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}
