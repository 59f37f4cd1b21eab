//! The few calls of the Kubernetes API that wharf makes: read a Deployment and patch it, and list pods.

use std::time::Duration;

use anyhow::{Context, anyhow};
use reqwest::{Client, Method, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::kubeconfig::Connection;

/// An answer that does not come within this time does not come.
const ANSWER: Duration = Duration::from_secs(15);

/// A Deployment in a cluster, or all pods of a namespace.
pub(super) struct Api {
    http: Client,
    url: String,
    token: Option<SecretString>,
}

impl Api {
    /// A client for one Deployment.
    pub(super) fn new(connection: Connection, namespace: &str, deployment: &str) -> anyhow::Result<Self> {
        Self::at(connection, &format!("/apis/apps/v1/namespaces/{namespace}/deployments/{deployment}"))
    }

    /// A client for the pods of a namespace.
    pub(super) fn pods(connection: Connection, namespace: &str) -> anyhow::Result<Self> {
        Self::at(connection, &format!("/api/v1/namespaces/{namespace}/pods"))
    }

    fn at(connection: Connection, path: &str) -> anyhow::Result<Self> {
        let settings = wharf_registry::Settings { proxies: crate::world::proxies(), ..Default::default() };
        let http = wharf_registry::http_client_for(&settings, &connection.tls)
            .with_context(|| format!("setting up the connection to {}", connection.server))?;
        Ok(Self { http, url: format!("{}{path}", connection.server), token: connection.token })
    }

    /// The Deployment as it is.
    pub(super) async fn read(&self) -> anyhow::Result<Value> {
        self.object(self.http.request(Method::GET, &self.url), "reading").await
    }

    /// The pods that a selector finds.
    pub(super) async fn list(&self, selector: &str) -> anyhow::Result<Value> {
        let query = [("labelSelector", selector)];
        let url = reqwest::Url::parse_with_params(&self.url, query).context("the cluster's address")?;
        self.send(self.http.request(Method::GET, url), "listing").await
    }

    /// Changes it by a strategic merge; `dry` asks whether that would be allowed.
    pub(super) async fn patch(&self, patch: &Value, dry: bool) -> anyhow::Result<Value> {
        let dry = if dry { "&dryRun=All" } else { "" };
        let request = self
            .http
            .request(Method::PATCH, format!("{}?fieldManager=wharf{dry}", self.url))
            .header("Content-Type", "application/strategic-merge-patch+json")
            .body(patch.to_string());
        self.object(request, "patching").await
    }

    async fn object(&self, request: RequestBuilder, doing: &str) -> anyhow::Result<Value> {
        let value = self.send(request, doing).await?;
        if value["spec"].is_null() {
            return Err(anyhow!("the answer is no Deployment").context(format!("{doing} {}", self.url)));
        }
        Ok(value)
    }

    async fn send(&self, request: RequestBuilder, doing: &str) -> anyhow::Result<Value> {
        let mut request = request.timeout(ANSWER).header("Accept", "application/json");
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose_secret());
        }
        let task = || format!("{doing} {}", self.url);
        let answer = request.send().await.map_err(|error| error.without_url()).with_context(task)?;
        let status = answer.status();
        let text = answer.text().await.with_context(task)?;
        let value: Value = serde_json::from_str(&text).unwrap_or_default();
        if !status.is_success() {
            let said = value["message"].as_str().unwrap_or_default();
            return Err(anyhow!("the cluster answered {status} {said}").context(task()));
        }
        Ok(value)
    }
}
