//! Credential helpers: programs that keep logins (`docker-credential-…`, docker's helper protocol).

use std::ffi::OsStr;
use std::process::Stdio;
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;
use tokio::io::AsyncWriteExt;

use super::{CredentialsError, Login};

/// A helper may have to talk to a cloud, or wait for a person to unlock a key ring.
const PATIENCE: Duration = Duration::from_secs(60);
/// Helpers answer so where they know nothing; it is no failure.
const UNKNOWN: &str = "credentials not found";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: SecretString,
}

/// Asks `docker-credential-{helper}`, found in the directories of `path`, for the login it keeps under `key`.
pub(super) async fn ask(
    helper: &str,
    key: &str,
    path: Option<&OsStr>,
) -> Result<Option<Login>, CredentialsError> {
    let failed =
        |message: String| CredentialsError::Helper { helper: helper.into(), registry: key.into(), message };
    // The name becomes part of a program's name, so it must not lead elsewhere.
    if !helper.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_' || b == b'.') {
        return Err(failed("a helper's name is letters, digits, `-`, `_` and `.`".into()));
    }
    let run = async {
        let mut command = tokio::process::Command::new(format!("docker-credential-{helper}"));
        if let Some(path) = path {
            command.env("PATH", path);
        }
        let mut child = command
            .arg("get")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(key.as_bytes()).await?;
        }
        child.wait_with_output().await
    };
    let output = tokio::time::timeout(PATIENCE, run)
        .await
        .map_err(|_| failed(format!("no answer within {} s", PATIENCE.as_secs())))?
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        // Helpers print their failure to stdout.
        let said =
            String::from_utf8_lossy(if output.stdout.is_empty() { &output.stderr } else { &output.stdout });
        if said.contains(UNKNOWN) {
            return Ok(None);
        }
        return Err(failed(crate::answer::readable(&said)));
    }
    // The answer holds the secret, so no part of it goes into a message.
    let answer: Answer = serde_json::from_slice(&output.stdout)
        .map_err(|_| failed("its answer is not the JSON it should be".into()))?;
    Ok(Some(match answer.username.as_str() {
        "<token>" => Login::Identity(answer.secret),
        _ => Login::Password { username: answer.username, password: answer.secret },
    }))
}
