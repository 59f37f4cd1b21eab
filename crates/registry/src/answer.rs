//! Reading what a registry answers: errors as it words them, bodies of a bounded size, broken connections.

use std::error::Error as StdError;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::{DATE, HeaderMap, RETRY_AFTER};
use reqwest::Response;
use serde::Deserialize;

use crate::Cause;

/// The code for a manifest that points at what is not there (distribution-spec 1.1, "Error Codes").
pub(crate) const BLOB_MISSING: &str = "MANIFEST_BLOB_UNKNOWN";
/// Enough for any error and any token.
pub(crate) const SMALL: u64 = 256 << 10;
/// The longest message that is passed on.
const MESSAGE_MAX: usize = 300;

/// The error document (distribution-spec 1.1, "Error Codes").
#[derive(Deserialize, Default)]
#[serde(default)]
struct ErrorDocument {
    errors: Vec<ErrorEntry>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ErrorEntry {
    code: String,
    message: String,
    detail: serde_json::Value,
}

/// Why the registry refuses, from an answer whose status is no success.
pub(crate) async fn refusal(registry: &str, response: Response) -> Cause {
    let status = response.status();
    let retry_after = retry_after(response.headers());
    let body = body(registry, response, SMALL).await.unwrap_or_default();
    let (code, message) = explanation(&body);
    let registry = registry.to_owned();
    match status {
        StatusCode::UNAUTHORIZED => Cause::Unauthorized { registry, account: None, message },
        _ if is_immutability(status, code.as_deref(), &message) => Cause::Immutable { message },
        // What a manifest needs is missing, which is not to say that the manifest is.
        _ if code.as_deref() == Some(BLOB_MISSING) => {
            Cause::Refused { status: status.as_u16(), code, message }
        }
        StatusCode::FORBIDDEN => Cause::Denied { registry, message },
        StatusCode::NOT_FOUND => Cause::NotFound { message },
        StatusCode::TOO_MANY_REQUESTS => Cause::RateLimited { registry, retry_after },
        _ => match (status.as_u16(), retry_after) {
            (status @ 500..=599, Some(retry_after)) => Cause::Unavailable { status, message, retry_after },
            (status, _) => Cause::Refused { status, code, message },
        },
    }
}

/// Registries word it differently: ECR says `TAG_INVALID` with 400, Harbor 412, others 409 or 403.
fn is_immutability(status: StatusCode, code: Option<&str>, message: &str) -> bool {
    let client_error = matches!(status.as_u16(), 400 | 403 | 405 | 409 | 412);
    let says_so = message.to_ascii_lowercase().contains("immutable") || code == Some("TAG_INVALID");
    status == StatusCode::PRECONDITION_FAILED || (client_error && says_so)
}

/// The first error's code and all messages; text that is no error document is passed on as it is.
fn explanation(body: &[u8]) -> (Option<String>, String) {
    let Ok(document) = serde_json::from_slice::<ErrorDocument>(body) else {
        let text = String::from_utf8_lossy(body);
        // A page for browsers explains nothing to people at a terminal.
        let page = text.trim_start().starts_with('<');
        return (None, if page { String::new() } else { readable(&text) });
    };
    let code = document.errors.first().map(|error| readable(&error.code)).filter(|code| !code.is_empty());
    let messages: Vec<String> = document.errors.iter().map(describe).collect();
    (code, readable(&messages.join("; ")))
}

fn describe(error: &ErrorEntry) -> String {
    let message = if error.message.is_empty() { &error.code } else { &error.message };
    match &error.detail {
        serde_json::Value::String(detail) if !detail.is_empty() && detail != message => {
            format!("{message}: {detail}")
        }
        _ => message.clone(),
    }
}

/// Text from the other side, fit for a terminal: one line, no control characters, not too long.
pub(crate) fn readable(text: &str) -> String {
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
    let line = words.join(" ");
    match line.char_indices().nth(MESSAGE_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// The body, if it is not larger than `limit` bytes.
pub(crate) async fn body(registry: &str, mut response: Response, limit: u64) -> Result<Bytes, Cause> {
    let mut body = BytesMut::new();
    while let Some(piece) = response.chunk().await.map_err(|error| broken(registry, error))? {
        if (body.len() + piece.len()) as u64 > limit {
            return Err(Cause::Protocol(format!("its answer is larger than {limit} bytes")));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}

/// The cause of a request that got no answer. The URL is left out: it may hold a signature.
pub(crate) fn broken(registry: &str, error: reqwest::Error) -> Cause {
    let registry = registry.to_owned();
    let error = error.without_url();
    match tls_failure(&error) {
        Some(failure) => Cause::Tls { registry, source: Box::new(failure) },
        None => Cause::Unreachable { registry, source: innermost(error) },
    }
}

/// The failure of TLS among the sources of `error`, if that is what it was.
pub(crate) fn tls_failure(error: &(dyn StdError + 'static)) -> Option<rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(failure) = error.downcast_ref::<rustls::Error>() {
            return Some(failure.clone());
        }
        // An I/O error shows what it wraps only on request, and `source` of it skips a level.
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = wrapped.map(|wrapped| wrapped as &(dyn StdError + 'static)).or(error.source());
    }
    None
}

/// Whether the other side closed the connection instead of answering.
pub(crate) fn is_hang_up(error: &(dyn StdError + 'static)) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<std::io::Error>()
            && matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
        {
            return true;
        }
        next = error.source();
    }
    false
}

/// The last of the sources, which is the one that says what happened; those above it only say that it did.
fn innermost(error: reqwest::Error) -> Box<dyn StdError + Send + Sync> {
    let mut message = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        message = source.to_string();
        next = source.source();
    }
    message.into()
}

/// When to come back (RFC 9110, section 10.2.3): in so many seconds, or at a time, by the clock of the other side where
/// it tells it.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let wait = text(RETRY_AFTER)?;
    if let Ok(seconds) = wait.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let time = |text| jiff::fmt::rfc2822::parse(text).ok().map(|time| time.timestamp());
    let now = text(DATE).and_then(time).unwrap_or_else(jiff::Timestamp::now);
    // What is over already is no time at all.
    Some(time(wait)?.duration_since(now).try_into().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_documents_are_read_with_code_message_and_detail() {
        let body = br#"{"errors":[{"code":"DENIED","message":"requested access is denied","detail":"no push"},{"code":"X"}]}"#;
        assert_eq!(
            explanation(body),
            (Some("DENIED".into()), "requested access is denied: no push; X".into())
        );
        assert_eq!(explanation(b"<html>502</html>"), (None, String::new()));
        assert_eq!(explanation(b"upstream gone\n"), (None, "upstream gone".into()));
        assert_eq!(explanation(b""), (None, String::new()));
    }

    #[test]
    fn a_message_cannot_command_the_terminal_or_flood_it() {
        assert_eq!(readable("a\u{1b}[31mb\r\n c"), "a [31mb c");
        assert_eq!(readable(&"ä".repeat(500)).chars().count(), MESSAGE_MAX + 1);
    }

    #[test]
    fn the_time_to_come_back_is_read_in_both_forms() {
        let date = "Wed, 21 Oct 2026 07:28:00 GMT";
        for (wait, expected) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Wed, 21 Oct 2026 07:29:30 GMT", Some(90)),
            ("Wed, 21 Oct 2026 07:27:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(DATE, date.parse().unwrap());
            headers.insert(RETRY_AFTER, wait.parse().unwrap());
            assert_eq!(retry_after(&headers), expected.map(Duration::from_secs), "{wait}");
        }
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }

    #[test]
    fn every_registrys_wording_of_immutable_is_understood() {
        for (status, code, message, expected) in [
            (400, Some("TAG_INVALID"), "The image tag 'v1' already exists", true),
            (412, None, "", true),
            (409, None, "tag is immutable", true),
            (403, Some("DENIED"), "Immutable tag", true),
            (403, Some("DENIED"), "no access", false),
            (500, None, "immutable", false),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(is_immutability(status, code, message), expected, "{status} {message}");
        }
    }
}
