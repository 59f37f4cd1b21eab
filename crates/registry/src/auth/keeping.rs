//! Keeping and forgetting logins where docker's configuration names a program for it.

use std::path::Path;

use secrecy::SecretString;

use super::credentials::{CredentialsError, read};
use super::helper;

/// Lets the credential helper that the configuration at `path` names for `registry` keep the password. Returns
/// whether it names one; if not, nothing has been kept.
pub async fn keep_with_helper(
    path: &Path,
    registry: &str,
    username: &str,
    password: &SecretString,
) -> Result<bool, CredentialsError> {
    let config = read(path)?;
    let Some((helper, key)) = config.helper(registry) else { return Ok(false) };
    helper::store(helper, &key, username, password, None).await?;
    Ok(true)
}

/// Lets the credential helper for `registry` forget its login. Returns whether there was one.
pub async fn forget_with_helper(path: &Path, registry: &str) -> Result<bool, CredentialsError> {
    let config = read(path)?;
    let Some((helper, key)) = config.helper(registry) else { return Ok(false) };
    helper::erase(helper, &key, None).await
}
