//! Amazon's signature of a request, version 4: pure functions of the request, the keys and the time.

use ring::hmac;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest as _, Sha256};

/// What signs.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Whose it is; no secret.
    pub id: String,
    /// The secret.
    pub secret: SecretString,
    /// With keys that are lent for a while.
    pub session: Option<SecretString>,
}

/// A request as far as its signature goes.
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    pub(super) host: &'a str,
    /// The path, encoded.
    pub(super) path: &'a str,
    /// The query, already in the canonical form: sorted and encoded.
    pub(super) query: &'a str,
    /// Further headers that are signed, with names in small letters.
    pub(super) headers: &'a [(&'a str, &'a str)],
    pub(super) body: &'a [u8],
    pub(super) service: &'a str,
    pub(super) region: &'a str,
    /// `20150830T123600Z`.
    pub(super) time: &'a str,
}

/// The headers that make the request a signed one, `authorization` last.
pub(super) fn headers(request: &Request<'_>, keys: &Keys) -> Vec<(String, String)> {
    let mut signed: Vec<(String, String)> = vec![("x-amz-date".into(), request.time.into())];
    if let Some(session) = &keys.session {
        signed.push(("x-amz-security-token".into(), session.expose_secret().into()));
    }
    let mut all: Vec<(&str, &str)> = vec![("host", request.host)];
    all.extend(request.headers);
    all.extend(signed.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    all.sort_unstable();
    let names = all.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let lines: String = all.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
    let body = hex::encode(Sha256::digest(request.body));
    let canonical =
        format!("{}\n{}\n{}\n{lines}\n{names}\n{body}", request.method, request.path, request.query);

    let date = request.time.get(..8).unwrap_or_default();
    let scope = format!("{date}/{}/{}/aws4_request", request.region, request.service);
    let digest = hex::encode(Sha256::digest(canonical.as_bytes()));
    let text = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{digest}", request.time);
    let mut key = format!("AWS4{}", keys.secret.expose_secret()).into_bytes();
    for part in [date, request.region, request.service, "aws4_request"] {
        key = mac(&key, part);
    }
    let signature = hex::encode(mac(&key, &text));
    let credential = format!("{}/{scope}", keys.id);
    let value =
        format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}");
    signed.push(("authorization".into(), value));
    signed
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of Amazon's own description of the algorithm.
    #[test]
    fn the_documented_example_has_the_documented_signature() {
        let keys = Keys {
            id: "AKIDEXAMPLE".into(),
            secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
            session: None,
        };
        let request = Request {
            method: "GET",
            host: "iam.amazonaws.com",
            path: "/",
            query: "Action=ListUsers&Version=2010-05-08",
            headers: &[("content-type", "application/x-www-form-urlencoded; charset=utf-8")],
            body: b"",
            service: "iam",
            region: "us-east-1",
            time: "20150830T123600Z",
        };
        let headers = headers(&request, &keys);
        assert_eq!(
            headers.last().unwrap().1,
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date, \
             Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
        );
    }

    /// Made with botocore 1.43 for the same request, keys and time.
    #[test]
    fn a_question_to_a_registry_has_botocores_signature() {
        let keys = Keys {
            id: "AKIDEXAMPLE".into(),
            secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
            session: None,
        };
        let target = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken";
        let request = Request {
            method: "POST",
            host: "api.ecr.eu-west-1.amazonaws.com",
            path: "/",
            query: "",
            headers: &[("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target)],
            body: b"{}",
            service: "ecr",
            region: "eu-west-1",
            time: "20260102T030405Z",
        };
        let (_, authorization) = headers(&request, &keys).pop().unwrap();
        let signature = "410b4a629d28fc8103515157591eaf7a694230d1230ed4251f6af21b87f129dc";
        assert!(authorization.ends_with(&format!("Signature={signature}")), "{authorization}");
    }

    #[test]
    fn keys_that_are_lent_name_their_session() {
        let keys = Keys { id: "ASIA".into(), secret: "x".into(), session: Some("t0ken".into()) };
        let request = Request {
            method: "POST",
            host: "h",
            path: "/",
            query: "",
            headers: &[],
            body: b"{}",
            service: "ecr",
            region: "r",
            time: "20150830T123600Z",
        };
        let headers = headers(&request, &keys);
        assert_eq!(headers[1], ("x-amz-security-token".into(), "t0ken".into()));
        assert!(headers[2].1.contains("SignedHeaders=host;x-amz-date;x-amz-security-token"));
    }
}
