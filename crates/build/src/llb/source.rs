//! Files from the network.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::json::{digest_of, object};
use super::node::Node;
use crate::contexts::Found;
use crate::download::Downloaded;
use crate::plan::GitSource;

/// A file from a URL. Where its digest was said beforehand, nobody asks when it was changed.
pub(crate) fn url(name: &str, file: &Downloaded, is_pinned: bool) -> Arc<Node> {
    let changed = file.modified.filter(|_| !is_pinned);
    let changed = changed.and_then(|time| Timestamp::from_second(time.seconds).ok());
    let key = digest_of(&object([
        ("Filename", json!(name)),
        ("Perm", json!(0)),
        ("UID", json!(0)),
        ("GID", json!(0)),
        ("Checksum", json!(file.digest)),
        (
            "LastModTime",
            changed.map_or(Value::Null, |time| json!(time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())),
        ),
    ]));
    Node::of_source(key.as_ref())
}

/// The files of a commit. `None` where BuildKit's key is not known.
pub(crate) fn git(source: &GitSource, found: &Found) -> Option<Arc<Node>> {
    if !source.submodules {
        return None;
    }
    let mut key = found.commit.clone();
    if source.keep_git_dir {
        key.push_str(".git");
        key.extend(found.reference.iter().flat_map(|reference| ["#", reference]));
    }
    if !source.subdir.is_empty() {
        key.extend([":", &source.subdir]);
    }
    Some(Node::of_source(&key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Moment;

    // The expected digests are those of records in a cache that BuildKit (docker 28.5) wrote.
    #[test]
    fn downloads() {
        let file = Downloaded {
            digest: "sha256:87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7"
                .parse()
                .unwrap(),
            modified: Some(Moment { seconds: 1795824385, nanoseconds: 0 }),
        };
        assert!(url("a.txt", &file, true).digest.starts_with("sha256:01771023bc7e"));
        assert!(url("a.txt", &file, false).digest.starts_with("sha256:81ad3594ec25"));
    }
}
