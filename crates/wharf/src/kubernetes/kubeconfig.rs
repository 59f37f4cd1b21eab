//! Where a cluster is and who we are there: a kubeconfig, or the service account of the pod that wharf runs in.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;
use serde_json::Value;
use wharf_registry::HostTls;

use crate::settings::host::variable;

/// Where a pod finds its own account.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// A way into a cluster.
pub(crate) struct Connection {
    pub(crate) server: String,
    pub(crate) token: Option<SecretString>,
    pub(crate) tls: HostTls,
    /// The namespace that is meant where none is said.
    pub(crate) namespace: Option<String>,
}

/// The connection: by the file that was named, `$KUBECONFIG`, `~/.kube/config`, or from inside a pod.
pub(crate) fn connection(named: Option<&Path>, context: Option<&str>) -> anyhow::Result<Connection> {
    if let Some(path) = named.map(Path::to_owned).or_else(conventional) {
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("reading the kubeconfig {}", path.display()))?;
        let directory = path.parent().unwrap_or(Path::new("."));
        return parse(&text, directory, context)
            .with_context(|| format!("the kubeconfig {}", path.display()));
    }
    let (Some(host), None) = (variable("KUBERNETES_SERVICE_HOST"), context) else {
        bail!("there is no kubeconfig, and wharf does not run in a pod");
    };
    let port = variable("KUBERNETES_SERVICE_PORT").unwrap_or_else(|| "443".into());
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let account = Path::new(ACCOUNT);
    let authority = read(&account.join("ca.crt"))?;
    Ok(Connection {
        server: format!("https://{host}:{port}"),
        token: Some(text(&account.join("token"))?.into()),
        tls: HostTls { authorities: vec![authority], ..HostTls::default() },
        namespace: text(&account.join("namespace")).ok(),
    })
}

/// The first kubeconfig that is there.
fn conventional() -> Option<PathBuf> {
    let listed = variable("KUBECONFIG");
    let home = variable("HOME").map(|home| Path::new(&home).join(".kube/config"));
    let listed: Vec<PathBuf> = listed.iter().flat_map(std::env::split_paths).collect();
    listed.into_iter().chain(home).find(|path| path.is_file())
}

/// Reads a kubeconfig; the files that it names are relative to `directory`.
fn parse(yaml: &str, directory: &Path, context: Option<&str>) -> anyhow::Result<Connection> {
    let config: Value = serde_saphyr::from_str(yaml).map_err(|error| anyhow!("{error}"))?;
    let current = config["current-context"].as_str().filter(|name| !name.is_empty());
    let Some(context) = context.or(current) else { bail!("has no current context") };
    let context = entry(&config, "contexts", "context", context)?;
    let part = |name: &str| context[name].as_str().ok_or_else(|| anyhow!("its context names no {name}"));
    let cluster = entry(&config, "clusters", "cluster", part("cluster")?)?;
    let user = match context["user"].as_str() {
        Some(user) => entry(&config, "users", "user", user)?,
        None => &Value::Null,
    };
    refuse(cluster, &["insecure-skip-tls-verify", "tls-server-name", "proxy-url"])?;
    refuse(user, &["exec", "auth-provider", "username", "as"])?;
    let bytes = |of: &Value, name: &str| -> anyhow::Result<Option<Vec<u8>>> {
        if let Some(data) = of[format!("{name}-data")].as_str() {
            return Ok(Some(STANDARD.decode(data).with_context(|| format!("`{name}-data` is not base64"))?));
        }
        of[name].as_str().map(|file| read(&directory.join(file))).transpose()
    };
    let identity = match (bytes(user, "client-certificate")?, bytes(user, "client-key")?) {
        (Some(certificate), Some(key)) => Some((certificate, key.into())),
        (None, None) => None,
        _ => bail!("its user has only one of a client certificate and its key"),
    };
    let token = match (user["token"].as_str(), user["tokenFile"].as_str()) {
        (Some(token), _) => Some(token.to_owned()),
        (None, Some(file)) => Some(text(&directory.join(file))?),
        (None, None) => None,
    };
    let authorities = bytes(cluster, "certificate-authority")?.into_iter().collect();
    let namespace = match &context["namespace"] {
        Value::Null => None,
        Value::String(name) => Some(name.clone()),
        // To YAML, `n` is no text; the default namespace is not what was meant.
        _ => bail!("its context's namespace is no text: put it in quotes"),
    };
    let server = cluster["server"].as_str().ok_or_else(|| anyhow!("its cluster has no server"))?;
    Ok(Connection {
        server: server.trim_end_matches('/').to_owned(),
        token: token.map(Into::into),
        tls: HostTls { authorities, identity },
        namespace,
    })
}

fn entry<'a>(config: &'a Value, list: &str, kind: &str, name: &str) -> anyhow::Result<&'a Value> {
    let entries = config[list].as_array().map(Vec::as_slice).unwrap_or_default();
    let found = entries.iter().find(|entry| entry["name"] == name);
    found.map(|entry| &entry[kind]).ok_or_else(|| anyhow!("has no {kind} `{name}`"))
}

/// What would need another program, or would be less safe than it looks, is named instead of ignored.
fn refuse(entry: &Value, keys: &[&str]) -> anyhow::Result<()> {
    match keys.iter().find(|key| !entry[**key].is_null() && entry[**key] != false) {
        Some(key) => bail!(
            "uses `{key}`, which wharf does not: it knows tokens, client certificates and authorities \
             (`kubectl create token` makes a token)"
        ),
        None => Ok(()),
    }
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("reading {}", path.display()))
}

fn text(path: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn config(user: &str) -> String {
        format!(
            "current-context: a\ncontexts:\n- name: a\n  context: {{cluster: c, user: u, namespace: shop}}\n\
             clusters:\n- name: c\n  cluster: {{server: \"https://k:6443/\", certificate-authority-data: Y2E=}}\n\
             users:\n- name: u\n  user: {user}\n"
        )
    }

    #[test]
    fn a_kubeconfig_says_where_and_who() {
        let text = config("{token: t, client-certificate-data: Yw==, client-key-data: aw==}");
        let found = parse(&text, Path::new("."), None).unwrap();
        assert_eq!((found.server.as_str(), found.namespace.as_deref()), ("https://k:6443", Some("shop")));
        assert_eq!(found.token.unwrap().expose_secret(), "t");
        assert_eq!(found.tls.authorities, [b"ca"]);
        assert_eq!(found.tls.identity.unwrap().0, b"c");
    }

    #[test]
    fn what_wharf_does_not_do_is_named() {
        let error = |text: &str, context| parse(text, Path::new("."), context).err().unwrap().to_string();
        assert!(error(&config("{exec: {command: aws}}"), None).contains("`exec`"));
        assert!(error(&config("{client-key-data: aw==}"), None).contains("only one"));
        assert!(error(&config("{token: t}"), Some("b")).contains("no context `b`"));
        assert!(error(&config("{}").replace("shop", "n"), None).contains("in quotes"));
        assert!(error("[", None).contains("line"));
        assert!(error("{}", None).contains("no current context"));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,200}", user in "[a-z:{}\\[\\], =-]{0,60}") {
            drop(parse(&text, Path::new("/nonexistent"), None));
            drop(parse(&config(&user), Path::new("/nonexistent"), None));
        }
    }
}
