//! Asking a cloud a question over HTTP, without letting an answer's secrets into an error.

use std::time::Duration;

use http::header::CONTENT_TYPE;
use serde_json::Value;
use url::form_urlencoded;

use super::{Asking, METADATA_PATIENCE, PATIENCE};
use crate::answer;
use crate::auth::CredentialsError;

impl Asking<'_> {
    /// The JSON that answers a request; `step` says what the request is for.
    pub(super) async fn json(
        &self,
        step: &str,
        request: reqwest::RequestBuilder,
    ) -> Result<Value, CredentialsError> {
        let text = self.text(step, request, PATIENCE).await?;
        serde_json::from_str(&text).map_err(|_| self.failed(step, "the answer is no JSON"))
    }

    /// The text that answers a request.
    pub(super) async fn text(
        &self,
        step: &str,
        request: reqwest::RequestBuilder,
        patience: Duration,
    ) -> Result<String, CredentialsError> {
        let late = || self.failed(step, format!("no answer within {} s", patience.as_secs()));
        let sent = tokio::time::timeout(patience, request.send()).await.map_err(|_| late())?;
        let response = sent.map_err(|error| self.failed(step, network(error)))?;
        let status = response.status();
        let body = answer::body(self.registry, response, answer::SMALL);
        let body = tokio::time::timeout(patience, body).await.map_err(|_| late())?;
        let body = body.map_err(|cause| self.failed(step, cause.to_string()))?;
        if !status.is_success() {
            return Err(self.failed(step, format!("it answered {status}{}", reason(&body))));
        }
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// The text that the machine's own metadata server answers, or `None` where there is none.
    pub(super) async fn metadata(
        &self,
        step: &str,
        request: reqwest::RequestBuilder,
    ) -> Result<Option<String>, CredentialsError> {
        let sent = tokio::time::timeout(METADATA_PATIENCE, request.send()).await;
        let Ok(Ok(response)) = sent else { return Ok(None) };
        let status = response.status();
        let body = answer::body(self.registry, response, answer::SMALL).await;
        let body = body.map_err(|cause| self.failed(step, cause.to_string()))?;
        match status.as_u16() {
            200..=299 => Ok(Some(String::from_utf8_lossy(&body).into_owned())),
            // The machine has no account.
            404 => Ok(None),
            _ => Err(self.failed(step, format!("it answered {status}{}", reason(&body)))),
        }
    }

    /// A URL of the settings.
    pub(super) fn parse(&self, step: &str, url: &str) -> Result<url::Url, CredentialsError> {
        url::Url::parse(url).map_err(|_| self.failed(step, "its address is no URL"))
    }

    /// A request with a form.
    pub(super) fn form(&self, url: &str, fields: &[(&str, &str)]) -> reqwest::RequestBuilder {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.http.post(url).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body)
    }
}

/// What the network has to say, without the URL, which may hold a secret.
fn network(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut source: &dyn std::error::Error = &error;
    while let Some(next) = source.source() {
        source = next;
    }
    source.to_string()
}

/// The members that clouds explain a refusal in. Nothing else of the answer is passed on.
fn reason(body: &[u8]) -> String {
    const MEMBERS: [&str; 6] = ["error_description", "message", "Message", "error", "__type", "code"];
    let Ok(document) = serde_json::from_slice::<Value>(body) else { return xml_message(body) };
    let inner = [&document["error"], &document["Error"], &document["errors"][0], &document];
    let found = inner.iter().find_map(|part| MEMBERS.iter().find_map(|name| part[*name].as_str()));
    found.map(|text| format!(": {}", answer::readable(text))).unwrap_or_default()
}

/// AWS's older services explain themselves in XML.
fn xml_message(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let message = text.split_once("<Message>").and_then(|(_, rest)| rest.split_once("</Message>"));
    message.map(|(text, _)| format!(": {}", answer::readable(text))).unwrap_or_default()
}

/// Text out of a JSON answer.
pub(super) fn member<'a>(document: &'a Value, name: &str) -> Option<&'a str> {
    document[name].as_str().filter(|text| !text.is_empty())
}

/// A number of seconds that some servers write as text.
pub(super) fn seconds(value: &Value) -> Option<Duration> {
    let seconds = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_explanation_of_a_refusal_is_passed_on() {
        for (body, expected) in [
            (
                r#"{"error":"invalid_grant","error_description":"the key is old","token":"s3cret"}"#,
                ": the key is old",
            ),
            (r#"{"__type":"AccessDenied","message":"not you"}"#, ": not you"),
            (r#"{"error":{"code":403,"message":"denied"}}"#, ": denied"),
            (
                "<ErrorResponse><Error><Message>no such role</Message></Error></ErrorResponse>",
                ": no such role",
            ),
            (r#"{"token":"s3cret"}"#, ""),
            ("s3cret", ""),
        ] {
            assert_eq!(reason(body.as_bytes()), expected, "{body}");
        }
    }
}
