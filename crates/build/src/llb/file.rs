//! File operations: copies, directories, and files that a Dockerfile holds.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use wharf_oci::Digest;

use super::json::{digest_of, go_json, nonzero, object, selector};
use super::lower::{From, Lowered, Source};
use super::node::Node;
use crate::plan::{CopyOp, CopySource, FileOwner, ModeChange, Parents, WorkdirOp};

/// The input of an action that starts from nothing, or reads nothing else.
const NONE: i64 = -1;
/// Times are what they happen to be.
const ANY_TIME: i64 = -1;

pub(super) fn lower_workdir(op: &WorkdirOp, on_scratch: bool, epoch: Option<i64>) -> Lowered<'_> {
    let start = if on_scratch { NONE } else { 0 };
    let time = epoch.map_or(ANY_TIME, |seconds| seconds.saturating_mul(1_000_000_000));
    let action = object([
        ("path", json!(op.path)),
        ("mode", json!(0o755)),
        ("makeParents", json!(true)),
        ("owner", if op.user.is_empty() { Value::Null } else { owner(&op.user, start) }),
        ("timestamp", json!(time)),
    ]);
    Lowered {
        digest: operation(&[action], &[[start, NONE, 0]]),
        parent_selector: String::new(),
        sources: Vec::new(),
    }
}

pub(super) fn lower_copy(op: &CopyOp, on_scratch: bool) -> Option<Lowered<'_>> {
    let start = if on_scratch { NONE } else { 0 };
    let first = start + 1;
    let mut read: Vec<(From<'_>, Vec<String>)> = Vec::new();
    let mut actions = Vec::new();
    let mut indexes = Vec::new();
    for source in &op.sources {
        let (from, path) = source_of(op, source);
        let place = read.iter().position(|(known, _)| *known == from).unwrap_or_else(|| {
            read.push((from, Vec::new()));
            read.len() - 1
        });
        actions.push(copy_action(op, source, &path, start)?);
        indexes.push([start, first + number(place), NONE]);
        read[place].1.push(path);
    }
    indexes.last_mut()?[2] = 0;
    let inputs = first + number(read.len());
    for (place, index) in indexes.iter_mut().enumerate().skip(1) {
        index[0] = inputs + number(place) - 1;
    }
    let sources = read.into_iter().map(|(from, mut paths)| {
        paths.sort_unstable();
        Source { from, selector: selector(paths.iter().rev().map(String::as_str)) }
    });
    Some(Lowered {
        digest: operation(&actions, &indexes),
        parent_selector: String::new(),
        sources: sources.collect(),
    })
}

/// Where a source of a copy is read, and the path there.
fn source_of<'a>(op: &'a CopyOp, source: &'a CopySource) -> (From<'a>, String) {
    match source {
        CopySource::Path { path, .. } => (From::Place(&op.from), path.clone()),
        CopySource::Inline { name, content } => {
            let path = format!("/{}", name.trim_start_matches('/'));
            (From::Made(written(&path, 0o644, content)), path)
        }
        CopySource::Url { name, .. } => (From::Remote(source), format!("/{name}")),
        CopySource::Git(_) => (From::Remote(source), "/".to_owned()),
    }
}

fn copy_action(op: &CopyOp, source: &CopySource, path: &str, start: i64) -> Option<Value> {
    let flag = |set: bool| nonzero(set);
    let (is_path, parents, unpack) = match source {
        CopySource::Path { parents, .. } => (true, parents.as_ref(), op.unpack),
        CopySource::Url { unpack, .. } => (false, None, *unpack),
        CopySource::Inline { .. } | CopySource::Git(_) => (false, None, false),
    };
    let (mode, symbolic) = mode(op.chmod.as_ref());
    let base = path.trim_end_matches('/').rsplit('/').next().filter(|base| !base.is_empty()).unwrap_or("/");
    let list = |items: Vec<&str>| if items.is_empty() { Value::Null } else { json!(items) };
    let included = |parents: &Parents| parents.pattern.trim_start_matches('/').to_owned();
    Some(object([
        ("src", json!(base)),
        ("dest", json!(op.dest)),
        ("owner", op.chown.as_deref().map_or(Value::Null, |spec| owner(spec, start))),
        ("mode", nonzero(mode)),
        ("followSymlink", flag(is_path)),
        ("dirCopyContents", flag(is_path)),
        ("attemptUnpackDockerCompatibility", flag(unpack)),
        ("createDestPath", json!(true)),
        ("allowWildcard", flag(is_path)),
        ("allowEmptyWildcard", flag(is_path)),
        ("timestamp", json!(ANY_TIME)),
        ("include_patterns", parents.map_or(Value::Null, |parents| json!([included(parents)]))),
        ("exclude_patterns", list(op.excludes.iter().map(String::as_str).collect())),
        ("modeStr", nonzero(symbolic)),
        (
            "required_paths",
            list(parents.and_then(|parents| parents.required.as_deref()).into_iter().collect()),
        ),
    ]))
}

/// A mode in digits, and one in letters; -1 leaves the modes as they are.
fn mode(change: Option<&ModeChange>) -> (i64, String) {
    match change.map(|change| (change.as_str(), change.is_in_digits())) {
        None => (-1, String::new()),
        Some((text, true)) => (i64::from_str_radix(text, 8).unwrap_or_default(), String::new()),
        Some((text, false)) => (0, text.to_owned()),
    }
}

/// A file that the Dockerfile holds.
pub(super) fn written(path: &str, mode: u32, content: &[u8]) -> Arc<Node> {
    let data = if content.is_empty() { Value::Null } else { json!(STANDARD.encode(content)) };
    made(object([
        ("path", json!(path)),
        ("mode", json!(mode)),
        ("data", data),
        ("timestamp", json!(ANY_TIME)),
    ]))
}

/// The directory that a cache starts as, where its owner or mode is said.
pub(super) fn cache_directory(path: &str, owned: &FileOwner) -> Arc<Node> {
    made(object([
        ("path", json!(path)),
        ("mode", json!(owned.mode)),
        ("owner", json!({"user": user_number(owned.uid.into()), "group": user_number(owned.gid.into())})),
        ("timestamp", json!(ANY_TIME)),
    ]))
}

/// One action on nothing.
fn made(action: Value) -> Arc<Node> {
    Node::of_operation(&operation(&[action], &[[NONE, NONE, 0]]), Vec::new())
}

/// The digest of a file operation. The commonest order of its inputs is left out, as it once was not there.
fn operation(actions: &[Value], indexes: &[[i64; 3]]) -> Digest {
    let count = number(indexes.len());
    let is_default = indexes.iter().zip(0..).all(|([input, second, output], place)| {
        let starts_right = if place == 0 { *input == 0 } else { *input == count + place - 1 };
        let ends_right = *output == if place == count - 1 { 0 } else { -1 };
        starts_right && ends_right && (*second == 1 || *second == -1)
    });
    let actions: Vec<String> = actions.iter().map(|action| STANDARD.encode(go_json(action))).collect();
    digest_of(&object([
        ("Type", json!("buildkit.file.v0")),
        ("Actions", json!(actions)),
        ("indexes", if is_default { Value::Null } else { json!(indexes) }),
    ]))
}

/// `user` or `user:group`; names are looked up in the input `base`.
fn owner(spec: &str, base: i64) -> Value {
    let one = |text: &str| match text {
        "root" => user_number(0),
        _ => match text.parse::<i32>() {
            // As a conversion of C has it: less than nothing is much.
            Ok(id) => user_number(i64::from(id as u32)),
            Err(_) => json!({"User": {"byName": object([("name", json!(text)), ("input", nonzero(base))])}}),
        },
    };
    match spec.split_once(':') {
        None => json!({"user": one(spec)}),
        Some((user, group)) => json!({"user": one(user), "group": one(group)}),
    }
}

fn user_number(id: i64) -> Value {
    json!({"User": object([("byId", nonzero(id))])})
}

fn number(place: usize) -> i64 {
    i64::try_from(place).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Source as Place;

    // The expected digests are those of records in caches that BuildKit (docker 28.5) wrote, except where a test
    // says otherwise.

    fn record(lowered: &Lowered<'_>) -> String {
        short(&Node::of_operation(&lowered.digest, Vec::new()))
    }

    fn short(node: &Node) -> String {
        node.digest["sha256:".len()..][..12].to_owned()
    }

    fn copy(paths: &[&str], dest: &str) -> CopyOp {
        let path = |path: &&str| CopySource::Path { path: (*path).into(), parents: None };
        CopyOp {
            sources: paths.iter().map(path).collect(),
            from: Place::Context,
            dest: dest.into(),
            chown: None,
            chmod: None,
            link: false,
            excludes: Vec::new(),
            unpack: false,
            is_add: false,
        }
    }

    fn digest(op: &CopyOp) -> String {
        record(&lower_copy(op, false).unwrap())
    }

    #[test]
    fn copies() {
        assert_eq!(
            record(&lower_copy(&copy(&["/bin/busybox"], "/bin/busybox"), true).unwrap()),
            "1616bd1ac1df"
        );
        assert_eq!(digest(&copy(&["/etc"], "/etc")), "592a517cc201");
        assert_eq!(digest(&copy(&["/*.txt"], "/texts/")), "b281bf666b20");
        assert_eq!(digest(&copy(&["/deps", "/x"], "/opt/")), "c3c983d02c46");
        let less = CopyOp { excludes: vec!["*.py".into()], ..copy(&["/src"], "/r/") };
        assert_eq!(digest(&less), "259c305ce1b5");
    }

    #[test]
    fn owners_and_modes() {
        let owned = |spec: &str, path: &str, dest: &str| {
            digest(&CopyOp { chown: Some(spec.into()), ..copy(&[path], dest) })
        };
        assert_eq!(owned("app:app", "/app.py", "/app/"), "525e7865ed45");
        assert_eq!(owned("1000:1000", "/a.txt", "/o/"), "6de77b5df24e");
        assert_eq!(owned("0", "/a.txt", "/o2/"), "492185c58823");
        assert_eq!(owned("root:root", "/a.txt", "/o3/"), "864e6225499b");
        let op = CopyOp {
            chown: Some("daemon:5".into()),
            chmod: ModeChange::parse("u+x").ok(),
            ..copy(&["/a.txt"], "/o4/")
        };
        assert_eq!(digest(&op), "c72826205eda");
    }

    #[test]
    fn copies_onto_nothing() {
        let op = CopyOp { chown: Some("1000:1000".into()), link: true, ..copy(&["/src"], "/src/") };
        assert_eq!(record(&lower_copy(&op, true).unwrap()), "8e1884ad737c");
    }

    #[test]
    fn here_documents() {
        let inline = |name: &str, content: &str| CopySource::Inline {
            name: name.into(),
            content: content.as_bytes().to_vec(),
        };
        assert_eq!(short(&written("/a", 0o644, b"text\n")), "e9b1b3ed1e94");
        assert_eq!(short(&written("/X", 0o755, b"#!/bin/sh\necho three >/three\n")), "b718d02a35b9");
        let op = CopyOp { sources: vec![inline("a", "text\n"), inline("b", "second\n")], ..copy(&[], "/h/") };
        assert_eq!(digest(&op), "2f4d0109cd30");
        let mut op = copy(&["/a.txt"], "/both/");
        op.sources.push(inline("f", "inline\n"));
        assert_eq!(digest(&op), "b6b13f98d300");
    }

    #[test]
    fn downloads() {
        let url = CopySource::Url {
            url: "http://127.0.0.1:8765/a.txt".into(),
            name: "a.txt".into(),
            checksum: None,
            unpack: false,
        };
        assert_eq!(digest(&CopyOp { sources: vec![url], is_add: true, ..copy(&[], "/u/") }), "3cc60f09655b");
    }

    #[test]
    fn directories() {
        let op = |path: &str, user: &str| WorkdirOp { path: path.into(), user: user.into() };
        let digest = |op: &WorkdirOp, epoch| record(&lower_workdir(op, false, epoch));
        assert_eq!(digest(&op("/srv", ""), None), "4a631d44bee2");
        assert_eq!(digest(&op("/home/app/work", "app"), None), "8b71c8101c07");
        assert_eq!(digest(&op("/w", "1000:1000"), None), "22daf71e8234");
        assert_eq!(digest(&op("/w2", "root"), Some(1_700_000_000)), "e38ccf8314cd");
        let owned = FileOwner { uid: 1000, gid: 1000, mode: 0o755 };
        assert_eq!(short(&cache_directory("/cache", &owned)), "11d5c7840818");
    }
}
