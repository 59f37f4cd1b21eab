//! `GetAuthorizationToken`, of the private registries and of the public one.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::super::exchange::member;
use super::super::{Asking, Lent};
use super::Place;
use super::question::Question;
use super::sign::Keys;
use crate::Login;
use crate::auth::CredentialsError;

const JSON: &str = "application/x-amz-json-1.1";
/// A token is asked for anew this long before it ends.
const MARGIN: Duration = Duration::from_secs(300);
/// A token that seems to have ended already comes from a clock that differs; it is tried all the same.
const SHORTEST: Duration = Duration::from_secs(60);

/// Asks for the token.
pub(super) async fn lend(asking: Asking<'_>, place: &Place, keys: &Keys) -> Result<Lent, CredentialsError> {
    let document = Counter::of(asking, place).ask(asking, keys).await?;
    let step = "reading Amazon's answer";
    let data = match place {
        Place::Private { .. } => &document["authorizationData"][0],
        Place::Public => &document["authorizationData"],
    };
    let token = member(data, "authorizationToken")
        .and_then(|text| STANDARD.decode(text).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| asking.failed(step, "there is no token in it"))?;
    let (username, password) =
        token.split_once(':').ok_or_else(|| asking.failed(step, "the token is none"))?;
    let login = Login::Password { username: username.into(), password: password.into() };
    Ok(Lent { login, life: life(&data["expiresAt"]) })
}

/// From a time in seconds since 1970, how long that is from now, less a margin.
fn life(expires: &Value) -> Option<Duration> {
    let at = UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(expires.as_f64()?).ok()?)?;
    Some(at.duration_since(SystemTime::now()).unwrap_or_default().saturating_sub(MARGIN).max(SHORTEST))
}

/// Where the token is asked for, and how.
struct Counter {
    url: String,
    target: &'static str,
    service: &'static str,
    region: String,
    body: String,
}

impl Counter {
    fn of(asking: Asking<'_>, place: &Place) -> Self {
        // The variables that every AWS SDK takes another address from.
        let instead = |name: &str| asking.around.get(name).or(asking.around.get("AWS_ENDPOINT_URL"));
        match place {
            Place::Private { account, region, domain } => {
                let domain = match domain.as_str() {
                    // The newer names are those of registries only.
                    "on.aws" => "amazonaws.com",
                    "on.amazonwebservices.com.cn" => "amazonaws.com.cn",
                    domain => domain,
                };
                let url = format!("https://api.ecr.{region}.{domain}/");
                Self {
                    url: instead("AWS_ENDPOINT_URL_ECR").map_or(url, str::to_owned),
                    target: "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken",
                    service: "ecr",
                    region: region.clone(),
                    body: format!(r#"{{"registryIds":["{account}"]}}"#),
                }
            }
            Place::Public => Self {
                url: instead("AWS_ENDPOINT_URL_ECR_PUBLIC")
                    .unwrap_or("https://api.ecr-public.us-east-1.amazonaws.com/")
                    .into(),
                target: "SpencerFrontendService.GetAuthorizationToken",
                service: "ecr-public",
                region: "us-east-1".into(),
                body: "{}".into(),
            },
        }
    }

    async fn ask(&self, asking: Asking<'_>, keys: &Keys) -> Result<Value, CredentialsError> {
        let step = "asking Amazon for a registry token";
        let url = asking.parse(step, &self.url)?;
        let question = Question {
            url: &url,
            service: self.service,
            region: &self.region,
            media_type: JSON,
            target: Some(self.target),
            body: &self.body,
        };
        let mut builder = asking.http.post(url.clone());
        for (name, value) in question.headers(keys) {
            builder = builder.header(name, value);
        }
        asking.json(step, builder.body(self.body.clone())).await
    }
}
