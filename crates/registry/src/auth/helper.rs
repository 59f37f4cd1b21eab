//! Credential helpers: programs that keep logins (`docker-credential-…`, docker's helper protocol).

use std::ffi::OsStr;
use std::process::Stdio;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
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

/// The login that `docker-credential-{helper}`, found in the directories of `path`, keeps under `key`.
pub(super) async fn get(
    helper: &str,
    key: &str,
    path: Option<&OsStr>,
) -> Result<Option<Login>, CredentialsError> {
    let failed = |message: String| failure(helper, key, message);
    let output = match run(helper, "get", key, key.as_bytes(), path).await? {
        Ok(output) => output,
        Err(said) if said.contains(UNKNOWN) => return Ok(None),
        Err(said) => return Err(failed(said)),
    };
    // The answer holds the secret, so no part of it goes into a message.
    let answer: Answer = serde_json::from_slice(&output)
        .map_err(|_| failed("its answer is not the JSON it should be".into()))?;
    Ok(Some(match answer.username.as_str() {
        "<token>" => Login::Identity(answer.secret),
        _ => Login::Password { username: answer.username, password: answer.secret },
    }))
}

/// Lets the helper keep a password under `key`.
pub(super) async fn store(
    helper: &str,
    key: &str,
    username: &str,
    password: &SecretString,
    path: Option<&OsStr>,
) -> Result<(), CredentialsError> {
    let login = serde_json::json!({
        "ServerURL": key, "Username": username, "Secret": password.expose_secret(),
    });
    let done = run(helper, "store", key, login.to_string().as_bytes(), path).await?;
    done.map(drop).map_err(|said| failure(helper, key, said))
}

/// Lets the helper forget what it keeps under `key`; returns whether it kept anything.
pub(super) async fn erase(helper: &str, key: &str, path: Option<&OsStr>) -> Result<bool, CredentialsError> {
    match run(helper, "erase", key, key.as_bytes(), path).await? {
        Ok(_) => Ok(true),
        Err(said) if said.contains(UNKNOWN) => Ok(false),
        Err(said) => Err(failure(helper, key, said)),
    }
}

fn failure(helper: &str, key: &str, message: String) -> CredentialsError {
    CredentialsError::Helper { helper: helper.into(), registry: key.into(), message }
}

/// Runs the helper: what it prints, or why it says that it failed.
async fn run(
    helper: &str,
    verb: &str,
    key: &str,
    input: &[u8],
    path: Option<&OsStr>,
) -> Result<Result<Vec<u8>, String>, CredentialsError> {
    let failed = |message: String| failure(helper, key, message);
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
            .arg(verb)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            match stdin.write_all(input).await {
                // One that keeps a single login need not read whose it is asked for.
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
                written => written?,
            }
        }
        child.wait_with_output().await
    };
    let output = tokio::time::timeout(PATIENCE, run)
        .await
        .map_err(|_| failed(format!("no answer within {} s", PATIENCE.as_secs())))?
        .map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(Ok(output.stdout));
    }
    // Helpers print their failure to stdout.
    let said = if output.stdout.is_empty() { &output.stderr } else { &output.stdout };
    Ok(Err(crate::answer::readable(&String::from_utf8_lossy(said))))
}
