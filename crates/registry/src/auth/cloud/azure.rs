//! Azure's registries: a token of the directory is exchanged at the registry for a refresh token of its own.

use serde_json::Value;

use super::exchange::{member, seconds};
use super::{Asking, Lent};
use crate::Login;
use crate::auth::CredentialsError;

/// What a token of the directory has to be for.
const RESOURCE: &str = "https://management.azure.com/";
const DIRECTORY: &str = "https://login.microsoftonline.com/";
const METADATA: &str = "http://169.254.169.254";

/// Whether the registry is Azure's.
pub(super) fn is_at(registry: &str) -> bool {
    [".azurecr.io", ".azurecr.cn", ".azurecr.us"].iter().any(|end| registry.ends_with(end))
}

/// A refresh token for whoever we are; `None` where we are nobody.
pub(super) async fn lend(asking: Asking<'_>) -> Result<Option<Lent>, CredentialsError> {
    let Some(document) = directory_token(asking).await? else { return Ok(None) };
    let step = "asking the directory of Azure for a token";
    let token = member(&document, "access_token")
        .ok_or_else(|| asking.failed(step, "there is no token in the answer"))?;
    let step = "exchanging a token of Azure's for one of the registry's";
    let url =
        asking.base.join("/oauth2/exchange").map_err(|_| asking.failed(step, "its address is no URL"))?;
    let mut fields =
        vec![("grant_type", "access_token"), ("service", asking.registry), ("access_token", token)];
    fields.extend(asking.around.get("AZURE_TENANT_ID").map(|tenant| ("tenant", tenant)));
    let answer = asking.json(step, asking.form(url.as_str(), &fields)).await?;
    let refresh = member(&answer, "refresh_token")
        .ok_or_else(|| asking.failed(step, "there is no token in the answer"))?;
    let life = seconds(&document["expires_in"]);
    Ok(Some(Lent { login: Login::Identity(refresh.into()), life }))
}

/// The directory's token: for an application by its secret or by a federated token, else for the machine.
async fn directory_token(asking: Asking<'_>) -> Result<Option<Value>, CredentialsError> {
    let around = asking.around;
    let client = around.get("AZURE_CLIENT_ID");
    let (Some(client), Some(tenant)) = (client, around.get("AZURE_TENANT_ID")) else {
        return of_machine(asking, client).await;
    };
    let step = "asking the directory of Azure for a token";
    let authority = around.get("AZURE_AUTHORITY_HOST").unwrap_or(DIRECTORY).trim_end_matches('/');
    let url = format!("{authority}/{tenant}/oauth2/v2.0/token");
    let scope = format!("{RESOURCE}.default");
    let mut fields =
        vec![("grant_type", "client_credentials"), ("client_id", client), ("scope", scope.as_str())];
    let federated = match around.get("AZURE_FEDERATED_TOKEN_FILE") {
        Some(path) => Some(asking.read(path.as_ref())?),
        None => None,
    };
    match (around.get("AZURE_CLIENT_SECRET"), &federated) {
        (Some(secret), _) => fields.push(("client_secret", secret)),
        (None, Some(token)) => fields.extend([
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", token.trim()),
        ]),
        (None, None) => return of_machine(asking, Some(client)).await,
    }
    asking.json(step, asking.form(&url, &fields)).await.map(Some)
}

/// The token of the machine's identity, where it is one of Azure's.
async fn of_machine(asking: Asking<'_>, client: Option<&str>) -> Result<Option<Value>, CredentialsError> {
    let step = "asking the machine for its token";
    let around = asking.around;
    let host = around.get("AZURE_POD_IDENTITY_AUTHORITY_HOST").unwrap_or(METADATA).trim_end_matches('/');
    let (url, version, header) = match (around.get("IDENTITY_ENDPOINT"), around.get("IDENTITY_HEADER")) {
        (Some(endpoint), Some(header)) => (endpoint.to_owned(), "2019-08-01", ("x-identity-header", header)),
        _ => (format!("{host}/metadata/identity/oauth2/token"), "2018-02-01", ("metadata", "true")),
    };
    let mut url = asking.parse(step, &url)?;
    url.query_pairs_mut()
        .append_pair("api-version", version)
        .append_pair("resource", RESOURCE)
        .extend_pairs(client.map(|client| ("client_id", client)));
    let request = asking.http.get(url).header(header.0, header.1);
    let Some(text) = asking.metadata(step, request).await? else { return Ok(None) };
    let document = serde_json::from_str(&text).map_err(|_| asking.failed(step, "the answer is no JSON"))?;
    Ok(Some(document))
}
