//! What the image says of itself.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::situation::built_at;
use crate::rules::RulesError;
use crate::snapshot::Snapshot;
use crate::subject::Subject;

/// The OCI annotations (image-spec, annotations.md) and the model's labels, where something is known.
pub(super) fn describe(
    snapshot: &Snapshot,
    subject: &Subject,
    version: Option<&str>,
) -> BTreeMap<String, String> {
    let repository = snapshot.event.as_ref().map(|event| event.repository.clone()).unwrap_or_default();
    let remote = snapshot.git.as_ref().and_then(|git| git.remote.as_deref());
    let page = match repository.url.as_str() {
        "" => remote.and_then(web_page).unwrap_or_default(),
        url => url.to_owned(),
    };
    let title = match repository.name.as_str() {
        "" => page.rsplit('/').next().unwrap_or_default(),
        name => name,
    };
    let predefined = [
        ("title", title.to_owned()),
        ("description", repository.description.clone()),
        ("url", page.clone()),
        ("source", page.clone()),
        ("version", version.unwrap_or_default().to_owned()),
        ("created", created(snapshot)),
        ("revision", revision(snapshot, subject)),
        ("licenses", repository.license.clone()),
    ];
    let predefined = predefined.map(|(name, value)| (format!("org.opencontainers.image.{name}"), value));
    let model = snapshot.model.iter().flat_map(|model| model.labels());
    predefined.into_iter().chain(model).filter(|(_, value)| !value.is_empty()).collect()
}

/// `described` with `key=value` lines over it.
pub(super) fn with_lines(
    described: &BTreeMap<String, String>,
    lines: &[String],
    subject: &Subject,
) -> Result<BTreeMap<String, String>, RulesError> {
    let mut labels = described.clone();
    for line in lines {
        let expanded = subject.expand(line).map_err(|problem| RulesError::new(line, problem))?;
        if let Some((key, value)) = expanded.split_once('=') {
            labels.insert(key.to_owned(), value.to_owned());
        }
    }
    Ok(labels)
}

fn created(snapshot: &Snapshot) -> String {
    Timestamp::from_millisecond(built_at(snapshot)).map(|instant| instant.to_string()).unwrap_or_default()
}

/// The commit; `-dirty` where the tree that is built is not the commit's.
fn revision(snapshot: &Snapshot, subject: &Subject) -> String {
    let Some(commit) = &subject.commit else { return String::new() };
    let dirty = snapshot.git.as_ref().is_some_and(|git| git.dirty);
    format!("{}{}", commit.value, if dirty { "-dirty" } else { "" })
}

/// The page of a git remote: `git@host:org/repo.git` and `ssh://git@host/org/repo` are at `https://host/org/repo`.
fn web_page(remote: &str) -> Option<String> {
    let (host, path) = match remote.split_once("://") {
        Some(("http" | "https" | "ssh" | "git", rest)) => rest.split_once('/')?,
        Some(_) => return None,
        None => remote.split_once(':').filter(|(host, _)| !host.contains('/'))?,
    };
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let host = if remote.starts_with("http") { host } else { host.split(':').next()? };
    let path = path.trim_matches('/').trim_end_matches(".git");
    let scheme = if remote.starts_with("http://") { "http" } else { "https" };
    (!host.is_empty() && !path.is_empty()).then(|| format!("{scheme}://{host}/{path}"))
}

#[cfg(test)]
mod tests {
    use super::web_page;

    #[test]
    fn remotes_have_pages() {
        let cases = [
            ("git@github.com:org/app.git", Some("https://github.com/org/app")),
            ("ssh://git@host:2222/org/app", Some("https://host/org/app")),
            ("https://token@host:8443/org/app.git", Some("https://host:8443/org/app")),
            ("http://host/app", Some("http://host/app")),
            ("file:///srv/app.git", None),
            ("/srv/app.git", None),
            ("../app", None),
            ("", None),
        ];
        for (remote, page) in cases {
            assert_eq!(web_page(remote).as_deref(), page, "{remote}");
        }
    }
}
