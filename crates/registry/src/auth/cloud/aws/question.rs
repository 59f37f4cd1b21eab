//! A question to one of Amazon's services: what is sent, and the headers that say whose it is.

use jiff::Timestamp;
use url::Url;

use super::sign::{self, Keys};

/// A question that is put with `POST`.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Where it goes.
    pub url: &'a Url,
    /// The service's name in signatures: `ecr`, `sts`.
    pub service: &'a str,
    /// The region's.
    pub region: &'a str,
    /// The media type of the body.
    pub media_type: &'a str,
    /// The operation, for services that take JSON.
    pub target: Option<&'a str>,
    /// What it says.
    pub body: &'a str,
}

impl Question<'_> {
    /// The headers that it is sent with by whoever holds `keys`, signed now.
    pub fn headers(&self, keys: &Keys) -> Vec<(String, String)> {
        let own: Vec<(&str, &str)> = std::iter::once(("content-type", self.media_type))
            .chain(self.target.map(|target| ("x-amz-target", target)))
            .collect();
        let time = Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
        let request = sign::Request {
            method: "POST",
            host: &host(self.url),
            path: self.url.path(),
            query: "",
            headers: &own,
            body: self.body.as_bytes(),
            service: self.service,
            region: self.region,
            time: &time,
        };
        let mut headers = sign::headers(&request, keys);
        headers.extend(own.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        headers
    }
}

/// The `Host` header of a request.
fn host(url: &Url) -> String {
    match (url.host_str().unwrap_or_default(), url.port()) {
        (host, Some(port)) => format!("{host}:{port}"),
        (host, None) => host.into(),
    }
}
