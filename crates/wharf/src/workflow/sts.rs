//! Amazon's token service: who somebody is, and the keys of roles.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use wharf_registry::AwsQuestion;
use wharf_workflow::engine::StsRequest;

use super::ecr::{PATIENCE, keys, variable};

/// Asks, and gives the answer as it is, which is XML.
pub(super) async fn ask(request: &StsRequest, env: &BTreeMap<String, String>) -> Result<String> {
    let get = |name| variable(env, name);
    let suffix = if request.region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    let instead = get("AWS_ENDPOINT_URL_STS").or(get("AWS_ENDPOINT_URL"));
    let place = instead.map_or(format!("https://sts.{}.{suffix}/", request.region), str::to_owned);
    let mut url = reqwest::Url::parse(&place).with_context(|| format!("the address {place}"))?;
    url.query_pairs_mut().extend_pairs(&request.fields).append_pair("Version", "2011-06-15");
    let body = url.query().unwrap_or_default().to_owned();
    url.set_query(None);
    let settings = wharf_registry::Settings { proxies: crate::world::proxies(), ..Default::default() };
    let http = wharf_registry::http_client(&settings).context("setting up the HTTP client")?;
    let kind = "application/x-www-form-urlencoded";
    let mut asked = http.post(url.clone()).timeout(PATIENCE);
    if request.signed {
        let question = AwsQuestion {
            url: &url,
            service: "sts",
            region: &request.region,
            media_type: kind,
            target: None,
            body: &body,
        };
        for (name, value) in question.headers(&keys(env)?) {
            asked = asked.header(name, value);
        }
    } else {
        asked = asked.header("content-type", kind);
    }
    let answer = asked.body(body.clone()).send().await.with_context(|| format!("asking {url}"))?;
    let status = answer.status();
    let text = answer.text().await.with_context(|| format!("asking {url}"))?;
    if !status.is_success() {
        let why = text.split_once("<Message>").and_then(|(_, rest)| rest.split_once("</Message>"));
        bail!("asking {url}: {status}: {}", why.map_or(text.as_str(), |(why, _)| why));
    }
    Ok(text)
}
