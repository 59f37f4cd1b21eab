//! Docker's `config.json` (and podman's `auth.json`): which login belongs to which registry.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;
use serde::Deserialize;

use super::Login;

/// The parts of the file that have to do with logins.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub struct DockerConfig {
    auths: BTreeMap<String, Entry>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<SecretString>,
    identitytoken: Option<SecretString>,
    registrytoken: Option<SecretString>,
}

/// Whose logins are in it, and not the logins.
impl fmt::Debug for DockerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DockerConfig").field("auths", &self.auths.keys()).finish_non_exhaustive()
    }
}

impl DockerConfig {
    /// Reads the text of a file.
    pub fn parse(text: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(text)
    }

    /// The helper that keeps the login for `registry`, and the key it keeps it under. A helper named for the
    /// registry goes before the general store.
    pub fn helper(&self, registry: &str) -> Option<(&str, String)> {
        let key = if registry == "docker.io" { HUB_KEY } else { registry };
        let named = self.cred_helpers.get(registry).or_else(|| self.cred_helpers.get(key));
        let helper = named.or(self.creds_store.as_ref()).filter(|helper| !helper.is_empty())?;
        Some((helper, key.into()))
    }

    /// The login for `repository` of `registry` in the file itself. A namespace (`quay.io/org`, podman's way)
    /// goes before the host.
    pub fn login(&self, registry: &str, repository: &str) -> Option<Login> {
        let mut wanted = format!("{registry}/{repository}");
        loop {
            let entry = self.auths.iter().find(|(key, _)| normalised(key) == wanted);
            if let Some(login) = entry.and_then(|(_, entry)| entry.login()) {
                return Some(login);
            }
            wanted.truncate(wanted.rfind('/')?);
        }
    }
}

/// The key that docker uses for its hub, in the file and with helpers.
const HUB_KEY: &str = "https://index.docker.io/v1/";

/// A key without scheme, API version and slashes; the hub's several names are one.
fn normalised(key: &str) -> String {
    let bare = key.split_once("://").map_or(key, |(_, rest)| rest);
    let bare = bare.trim_end_matches('/');
    let bare = bare.strip_suffix("/v1").or_else(|| bare.strip_suffix("/v2")).unwrap_or(bare);
    match bare {
        "index.docker.io" | "registry-1.docker.io" => "docker.io".into(),
        bare => bare.into(),
    }
}

impl Entry {
    fn login(&self) -> Option<Login> {
        let secret = |text: &Option<SecretString>| {
            text.clone().filter(|text| !secrecy::ExposeSecret::expose_secret(text).is_empty())
        };
        if let Some(token) = secret(&self.registrytoken) {
            return Some(Login::Bearer(token));
        }
        if let Some(token) = secret(&self.identitytoken) {
            return Some(Login::Identity(token));
        }
        if let (Some(username), Some(password)) = (&self.username, secret(&self.password)) {
            return Some(Login::Password { username: username.clone(), password });
        }
        let decoded = String::from_utf8(STANDARD.decode(self.auth.as_ref()?.trim()).ok()?).ok()?;
        let (username, password) = decoded.split_once(':')?;
        let password = password.trim_end_matches('\0');
        Some(Login::Password { username: username.into(), password: password.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn login(config: &str, registry: &str, repository: &str) -> Option<String> {
        let config = DockerConfig::parse(config.as_bytes()).unwrap();
        config.login(registry, repository).map(|login| format!("{login:?}"))
    }

    #[test]
    fn every_way_of_writing_a_registry_is_found() {
        // "a:1", "h:2", "o:3" in base64
        let config = r#"{"auths":{
            "https://index.docker.io/v1/":{"auth":"aDoy"}, "ghcr.io":{"auth":"YTox"}, "https://quay.io/v2/":{"auth":"YTox"},
            "quay.io/org":{"auth":"bzoz"}, "localhost:5000":{"username":"u","password":"p"},
            "id.example.com":{"auth":"YTox","identitytoken":"t"}, "empty.example.com":{}}}"#;
        for (registry, repository, expected) in [
            ("docker.io", "library/alpine", Some("Password(h)")),
            ("ghcr.io", "org/x", Some("Password(a)")),
            ("quay.io", "other/x", Some("Password(a)")),
            ("quay.io", "org/x", Some("Password(o)")),
            ("quay.io", "organic/x", Some("Password(a)")),
            ("localhost:5000", "x", Some("Password(u)")),
            ("id.example.com", "x", Some("Identity")),
            ("empty.example.com", "x", None),
            ("gcr.io", "x", None),
        ] {
            assert_eq!(login(config, registry, repository).as_deref(), expected, "{registry}/{repository}");
        }
    }

    #[test]
    fn a_named_helper_goes_before_the_store_and_the_hub_has_its_own_key() {
        let config = br#"{"credHelpers":{"gcr.io":"gcloud"},"credsStore":"desktop"}"#;
        let config = DockerConfig::parse(config).unwrap();
        assert_eq!(config.helper("gcr.io"), Some(("gcloud", "gcr.io".into())));
        assert_eq!(config.helper("docker.io"), Some(("desktop", "https://index.docker.io/v1/".into())));
        assert_eq!(DockerConfig::parse(b"{}").unwrap().helper("gcr.io"), None);
    }

    #[test]
    fn what_is_not_base64_is_no_login() {
        for auth in ["!", "YQ==", ""] {
            assert_eq!(login(&format!(r#"{{"auths":{{"r.io":{{"auth":"{auth}"}}}}}}"#), "r.io", "x"), None);
        }
    }

    proptest! {
        #[test]
        fn no_file_is_too_odd(text in prop::collection::vec(any::<u8>(), 0..100), registry in "\\PC{0,20}") {
            if let Ok(config) = DockerConfig::parse(&text) {
                config.login(&registry, "a/b");
            }
        }
    }
}
