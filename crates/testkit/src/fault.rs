//! What goes wrong, and when.

use http::Method;

/// A way for a registry to fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// An error status, with `Retry-After` in seconds if given.
    Status(u16, Option<u64>),
    /// After so many bytes of the request's body the connection is reset. What came is kept.
    ResetUpload(u64),
    /// After so many bytes of the request's body the rest comes ever so slowly and is not kept, until the sender is
    /// gone.
    DrownUpload(u64),
    /// After so many bytes of the answer's body the connection is reset.
    ResetAnswer(u64),
    /// After so many bytes the answer's body ends as if it were whole.
    CutAnswer(u64),
    /// After so many bytes of the answer's body nothing more comes.
    StallAnswer(u64),
    /// One byte of the request's body is another.
    SpoilUpload,
    /// Nothing of the request's body is read, and no answer comes.
    StallRequest,
    /// One byte of the answer's body is another.
    SpoilAnswer,
    /// The request is done, but the connection is reset instead of an answer.
    LoseAnswer,
    /// The upload that the request belongs to is forgotten first.
    LoseUpload,
    /// No token is valid any more; the request is refused like any without a token.
    ExpireTokens,
    /// The answer is `201 Created` at once, and the request is done only when so many more have come.
    Late(u32),
    /// The answer is this status with this body, and the request's body is remembered.
    Answer(u16, String),
    /// The request is done, and where that went well, the status of the answer is this one.
    AnswerAs(u16),
    /// The request is done, and the answer has this header, too.
    Say(&'static str, String),
    /// The answer is a redirect to the same path at this base URL, such as `http://127.0.0.1:5000`.
    Redirect(String),
}

/// Which requests a fault befalls: those that match, after some that are spared, for a number of times.
#[derive(Debug, Clone)]
pub struct When {
    method: Option<Method>,
    path: String,
    spared: u32,
    times: u32,
}

impl When {
    /// The next request with `method` whose path or query contains `path`.
    pub fn next(method: Method, path: &str) -> Self {
        Self { method: Some(method), path: path.into(), spared: 0, times: 1 }
    }

    /// The next request whose path or query contains `path`.
    pub fn any(path: &str) -> Self {
        Self { method: None, path: path.into(), spared: 0, times: 1 }
    }

    /// So many requests in a row instead of one.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// Only after so many matching requests went well.
    #[must_use]
    pub fn after(mut self, spared: u32) -> Self {
        self.spared = spared;
        self
    }

    /// Whether the fault befalls this request; counts it.
    pub(crate) fn befalls(&mut self, method: &Method, path: &str) -> bool {
        let matches = self.method.as_ref().is_none_or(|wanted| wanted == method) && path.contains(&self.path);
        if !matches || self.times == 0 {
            return false;
        }
        if self.spared > 0 {
            self.spared -= 1;
            return false;
        }
        self.times -= 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_befalls_as_many_requests_as_it_should() {
        let mut when = When::next(Method::GET, "/blobs/").after(1).times(2);
        let mut hits = |method: Method, path: &str| when.befalls(&method, path);
        assert!(!hits(Method::GET, "/v2/a/blobs/x"));
        assert!(!hits(Method::PUT, "/v2/a/blobs/x"));
        assert!(hits(Method::GET, "/v2/a/blobs/x"));
        assert!(hits(Method::GET, "/v2/a/blobs/x"));
        assert!(!hits(Method::GET, "/v2/a/blobs/x"));
    }
}
