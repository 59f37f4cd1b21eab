//! google-github-actions/auth: a service account's key becomes a file and variables.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::call::Call;
use super::{Input, Native};
use crate::engine::GoogleRequest;
use crate::run::{Fail, PostWork};

pub(crate) const ACTION: Native = Native {
    name: "google-github-actions/auth",
    inputs: &[
        Input("project_id", "", 1),
        Input("workload_identity_provider", "", 0),
        Input("service_account", "", 0),
        Input("audience", "", 0),
        Input("credentials_json", "", 0),
        Input("create_credentials_file", "true", 0),
        Input("export_environment_variables", "true", 1),
        Input("token_format", "", 0),
        Input("delegates", "", 0),
        Input("universe", "googleapis.com", 2),
        Input("request_reason", "", 2),
        Input("cleanup_credentials", "true", 0),
        Input("access_token_lifetime", "3600s", 0),
        Input("access_token_scopes", "https://www.googleapis.com/auth/cloud-platform", 0),
        Input("access_token_subject", "", 0),
        Input("id_token_audience", "", 0),
        Input("id_token_include_email", "false", 0),
    ],
    run,
};

fn run(call: &mut Call<'_, '_>) -> Result<(), Fail> {
    let given = call.text("credentials_json").to_owned();
    match (given.is_empty(), call.text("workload_identity_provider").is_empty()) {
        (false, false) => {
            return Err(Fail::Because(
                "exactly one of `workload_identity_provider` or `credentials_json` must be given".into(),
            ));
        }
        (true, false) => {
            return Err(Fail::Refused(
                "workload identity needs a token that only GitHub's runners are given (OIDC); on this machine give it \
                 credentials_json"
                    .into(),
            ));
        }
        (true, true) => {
            return Err(Fail::Because(
                "the GitHub Action workflow must specify exactly one of \"workload_identity_provider\" or \"credentials_json\"!".into(),
            ));
        }
        (false, true) => {}
    }
    let text = match BASE64_STANDARD.decode(given.split_whitespace().collect::<String>()) {
        Ok(bytes) if bytes.starts_with(b"{") => String::from_utf8_lossy(&bytes).into_owned(),
        _ => given,
    };
    let key: Value = serde_json::from_str(&text).map_err(|error| {
        Fail::Because(format!("failed to parse service account key JSON credentials: {error}"))
    })?;
    call.leg.masker.add(&text);
    if let Some(private) = key["private_key"].as_str() {
        call.leg.masker.add(private);
    }
    let project = match call.text("project_id") {
        "" => key["project_id"].as_str().unwrap_or_default().to_owned(),
        project => project.to_owned(),
    };
    let export = call.flag("export_environment_variables")?;
    if call.flag("create_credentials_file")? {
        let file = call
            .leg
            .workspace
            .join(format!("gha-creds-{}.json", &uuid::Uuid::new_v4().simple().to_string()[..16]));
        let opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file);
        opened
            .and_then(|mut f| f.write_all(text.as_bytes()))
            .map_err(|error| Fail::Because(format!("writing the credentials: {error}")))?;
        let path = file.display().to_string();
        if export {
            for name in [
                "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE",
                "GOOGLE_APPLICATION_CREDENTIALS",
                "GOOGLE_GHA_CREDS_PATH",
            ] {
                call.export(name, &path)?;
            }
        }
        call.output("credentials_file_path", path);
        // Always, as the workspace's new files are kept.
        call.afterwards(PostWork::Remove(vec![file]));
    }
    if export && !project.is_empty() {
        for name in [
            "CLOUDSDK_PROJECT",
            "CLOUDSDK_CORE_PROJECT",
            "GCP_PROJECT",
            "GCLOUD_PROJECT",
            "GOOGLE_CLOUD_PROJECT",
        ] {
            call.export(name, &project)?;
        }
    }
    call.output("project_id", project);
    token(call, key)
}

/// The token that `token_format` asks for, as an output that is hidden.
fn token(call: &mut Call<'_, '_>, key: Value) -> Result<(), Fail> {
    let mut request = GoogleRequest { key, seconds: 3600, ..GoogleRequest::default() };
    let output = match call.text("token_format") {
        "" => return Ok(()),
        "access_token" => {
            let life = call.text("access_token_lifetime");
            request.seconds =
                life.trim_end_matches('s').parse().ok().filter(|life| *life <= 43200).ok_or_else(|| {
                    Fail::Because(format!("`access_token_lifetime` is `{life}`, and no seconds up to 43200s"))
                })?;
            request.scopes = call.values("access_token_scopes");
            request.subject = call.text("access_token_subject").to_owned();
            "access_token"
        }
        "id_token" => {
            let audience = call.text("id_token_audience").to_owned();
            if audience.is_empty() {
                return Err(Fail::Because(
                    "`id_token_audience` must be given for `token_format: id_token`".into(),
                ));
            }
            request.audience = Some(audience);
            "id_token"
        }
        other => {
            return Err(Fail::Because(format!(
                "unknown token format \"{other}\"; it is access_token or id_token"
            )));
        }
    };
    let token = call.leg.engine.google_token(&request)?;
    call.leg.masker.add(&token);
    call.output(output, token.clone());
    call.output("auth_token", token);
    Ok(())
}
