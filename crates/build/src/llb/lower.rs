//! Operations as BuildKit's Dockerfile frontend writes them, and their digests.
//!
//! The order of the members is that of BuildKit's protocol buffers, as its JSON is what is hashed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use wharf_dockerfile::{Network, Security, Sharing};
use wharf_oci::{Digest, Platform, digest};

use crate::plan::{CopyOp, CopySource, ModeChange, Mount, Op, RunOp, Source as Place, WorkdirOp};

/// Something that an operation reads besides what it starts from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Source<'a> {
    pub(crate) place: &'a Place,
    /// The paths that are looked at.
    pub(crate) paths: Vec<&'a str>,
    /// What a link to a step says of them.
    pub(crate) selector: String,
}

/// An operation, lowered.
#[derive(Debug)]
pub(crate) struct Lowered<'a> {
    pub(crate) digest: Digest,
    /// What a link to the step before says.
    pub(crate) parent_selector: String,
    pub(crate) sources: Vec<Source<'a>>,
}

/// `op` on top of something, or of nothing. `None` where it is not known how BuildKit writes it.
pub(crate) fn lower<'a>(
    op: &'a Op,
    platform: &Platform,
    on_scratch: bool,
    epoch: Option<i64>,
) -> Option<Lowered<'a>> {
    match op {
        Op::Run(run) if !on_scratch => lower_run(run, platform),
        Op::Run(_) => None,
        Op::Copy(copy) => lower_copy(copy, on_scratch),
        Op::Workdir(workdir) if epoch.is_none() => lower_workdir(workdir, on_scratch),
        Op::Workdir(_) => None,
    }
}

fn selector(text: &str) -> String {
    digest::sha256(text.as_bytes()).to_string()
}

/// JSON as Go writes it.
fn go_json(value: &Value) -> String {
    let text = value.to_string();
    text.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

fn object(members: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    let members = members.into_iter().filter(|(_, value)| !value.is_null());
    Value::Object(members.map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
}

fn lower_workdir(op: &WorkdirOp, on_scratch: bool) -> Option<Lowered<'_>> {
    let owner = match op.user.as_str() {
        "" => Value::Null,
        user => owner(user)?,
    };
    let action = object([
        ("path", json!(op.path)),
        ("mode", json!(0o755)),
        ("makeParents", json!(true)),
        ("owner", owner),
        ("timestamp", json!(-1)),
    ]);
    let start = if on_scratch { -1 } else { 0 };
    Some(Lowered {
        digest: file_digest(&[action], &[[start, -1, 0]]),
        parent_selector: String::new(),
        sources: Vec::new(),
    })
}

fn lower_copy(op: &CopyOp, on_scratch: bool) -> Option<Lowered<'_>> {
    if op.link || !op.excludes.is_empty() {
        return None;
    }
    let owner = match &op.chown {
        None => Value::Null,
        Some(spec) => owner(spec)?,
    };
    let mode = match &op.chmod {
        None => -1,
        Some(mode) => numeric(mode)?,
    };
    let mut paths = Vec::new();
    let mut actions = Vec::new();
    for source in &op.sources {
        let CopySource::Path { path, parents: None } = source else { return None };
        paths.push(path.as_str());
        let base =
            path.trim_end_matches('/').rsplit('/').next().filter(|base| !base.is_empty()).unwrap_or("/");
        actions.push(object([
            ("src", json!(base)),
            ("dest", json!(op.dest)),
            ("owner", owner.clone()),
            ("mode", json!(mode)),
            ("followSymlink", json!(true)),
            ("dirCopyContents", json!(true)),
            ("attemptUnpackDockerCompatibility", if op.unpack { json!(true) } else { Value::Null }),
            ("createDestPath", json!(true)),
            ("allowWildcard", json!(true)),
            ("allowEmptyWildcard", json!(true)),
            ("timestamp", json!(-1)),
        ]));
    }
    let (start, source, count) = if on_scratch { (-1, 0, 1) } else { (0, 1, 2) };
    let last = actions.len().checked_sub(1)?;
    let indexes: Vec<[i64; 3]> = (0..actions.len())
        .map(|place| {
            let number = i64::try_from(place).unwrap_or(i64::MAX);
            [if place == 0 { start } else { count + number - 1 }, source, if place == last { 0 } else { -1 }]
        })
        .collect();
    let mut sorted = paths.clone();
    sorted.sort_unstable();
    sorted.reverse();
    Some(Lowered {
        digest: file_digest(&actions, &indexes),
        parent_selector: String::new(),
        sources: vec![Source { place: &op.from, selector: selector(&sorted.join("\0")), paths }],
    })
}

/// The digest of a file operation. The commonest order of its inputs is left out, as it once was not there.
fn file_digest(actions: &[Value], indexes: &[[i64; 3]]) -> Digest {
    let count = i64::try_from(indexes.len()).unwrap_or(i64::MAX);
    let is_default = indexes.iter().zip(0..).all(|([input, second, output], place)| {
        let starts_right = if place == 0 { *input == 0 } else { *input == count + place - 1 };
        let ends_right = *output == if place == count - 1 { 0 } else { -1 };
        starts_right && ends_right && (*second == 1 || *second == -1)
    });
    let actions: Vec<String> = actions.iter().map(|action| STANDARD.encode(go_json(action))).collect();
    let operation = object([
        ("Type", json!("buildkit.file.v0")),
        ("Actions", json!(actions)),
        ("indexes", if is_default { Value::Null } else { json!(indexes) }),
    ]);
    digest::sha256(go_json(&operation).as_bytes())
}

/// `user` or `user:group` by their names; how BuildKit writes numbers is not known here.
fn owner(spec: &str) -> Option<Value> {
    let named = |name: &str| {
        let is_name = !name.is_empty() && name.parse::<u32>().is_err();
        is_name.then(|| json!({"User": {"byName": {"name": name}}}))
    };
    match spec.split_once(':') {
        None => Some(json!({"user": named(spec)?})),
        Some((user, group)) => Some(json!({"user": named(user)?, "group": named(group)?})),
    }
}

fn numeric(mode: &ModeChange) -> Option<i64> {
    i64::from_str_radix(mode.as_str(), 8).ok()
}

fn lower_run<'a>(op: &'a RunOp, platform: &Platform) -> Option<Lowered<'a>> {
    if op.security != Security::Sandbox || op.hostname.is_some() {
        return None;
    }
    let mut mounts = vec![json!({"dest": "/"})];
    let mut sources: Vec<Source<'a>> = Vec::new();
    for mount in &op.mounts {
        mounts.push(lower_mount(mount, &mut sources)?);
    }
    for source in &mut sources {
        source.selector = selector(&source.paths.join("\0"));
    }
    let env: Vec<String> =
        op.env.iter().map(|variable| format!("{}={}", variable.name, variable.value)).collect();
    let text = |text: &str| if text.is_empty() { Value::Null } else { json!(text) };
    let meta = object([
        ("args", json!(op.args)),
        ("env", if env.is_empty() { Value::Null } else { json!(env) }),
        ("cwd", json!(op.cwd)),
        ("user", text(&op.user)),
        ("removeMountStubsRecursive", json!(true)),
    ]);
    let network = match op.network {
        Network::Default => Value::Null,
        Network::Host => json!(1),
        Network::None => json!(2),
    };
    let exec = object([
        ("meta", meta),
        // The root alone was never counted.
        ("mounts", if mounts.len() == 1 { Value::Null } else { json!(mounts) }),
        ("network", network),
    ]);
    let operation = object([
        ("Type", json!("buildkit.exec.v0")),
        ("Exec", exec),
        ("OS", json!(platform.os)),
        ("Arch", json!(platform.architecture)),
        ("Variant", platform.variant.as_deref().map_or(Value::Null, |variant| json!(variant))),
    ]);
    Some(Lowered {
        digest: digest::sha256(go_json(&operation).as_bytes()),
        parent_selector: selector("/"),
        sources,
    })
}

fn lower_mount<'a>(mount: &'a Mount, sources: &mut Vec<Source<'a>>) -> Option<Value> {
    match mount {
        Mount::Bind(bind) if bind.from != Place::Scratch => {
            let place = sources.iter().position(|source| *source.place == bind.from);
            let place = place.unwrap_or_else(|| {
                sources.push(Source { place: &bind.from, paths: Vec::new(), selector: String::new() });
                sources.len() - 1
            });
            sources[place].paths.push(&bind.source);
            let read_only = if bind.read_only { json!(true) } else { Value::Null };
            Some(object([
                ("input", json!(place + 1)),
                ("dest", json!(bind.target)),
                ("output", json!(-1)),
                ("readonly", read_only),
            ]))
        }
        Mount::Cache(cache) if cache.from == Place::Scratch && cache.owner.is_none() => {
            // A name space, which is mostly empty, stands before the name.
            let is_named_by_target = cache.id.split_once('/').is_some_and(|(_, rest)| rest == cache.target);
            let is_plain = cache.sharing == Sharing::Shared && is_named_by_target;
            let options = if is_plain { json!({ "ID": cache.id }) } else { json!({}) };
            Some(object([
                ("input", json!(-1)),
                ("dest", json!(cache.target)),
                ("output", json!(-1)),
                ("readonly", if cache.read_only { json!(true) } else { Value::Null }),
                ("mountType", json!(3)),
                ("cacheOpt", options),
            ]))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llb::node::Node;
    use crate::plan::EnvVar;

    // The expected digests are those of records in a cache that BuildKit (docker 28.5) wrote.

    fn record(lowered: &Lowered<'_>) -> String {
        Node::of_operation(&lowered.digest, Vec::new()).digest["sha256:".len()..][..12].to_owned()
    }

    fn amd64() -> Platform {
        "linux/amd64".parse().unwrap()
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

    #[test]
    fn copies_have_buildkits_digests() {
        let digest = |op: CopyOp, on_scratch| {
            record(&lower(&Op::Copy(op.clone()), &amd64(), on_scratch, None).unwrap())
        };
        assert_eq!(digest(copy(&["/bin/busybox"], "/bin/busybox"), true), "1616bd1ac1df");
        assert_eq!(digest(copy(&["/etc"], "/etc"), false), "592a517cc201");
        assert_eq!(digest(copy(&["/*.txt"], "/texts/"), false), "b281bf666b20");
        assert_eq!(digest(copy(&["/deps", "/x"], "/opt/"), false), "c3c983d02c46");
        let owned = CopyOp { chown: Some("app:app".into()), ..copy(&["/app.py"], "/app/") };
        assert_eq!(digest(owned, false), "525e7865ed45");
        let linked = CopyOp { link: true, ..copy(&["/a"], "/a") };
        assert!(lower(&Op::Copy(linked), &amd64(), false, None).is_none());
    }

    #[test]
    fn directories_have_buildkits_digests() {
        let op = |path: &str, user: &str| Op::Workdir(WorkdirOp { path: path.into(), user: user.into() });
        let digest = |op: &Op| record(&lower(op, &amd64(), false, None).unwrap());
        assert_eq!(digest(&op("/srv", "")), "4a631d44bee2");
        assert_eq!(digest(&op("/home/app/work", "app")), "8b71c8101c07");
    }

    #[test]
    fn processes_have_buildkits_digests() {
        let variable = |name: &str, value: &str| EnvVar { name: name.into(), value: value.into() };
        let path = variable("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        let run = |command: &str, env: Vec<EnvVar>| RunOp {
            args: ["/bin/sh", "-c", command].map(str::to_owned).to_vec(),
            env,
            proxy: Vec::new(),
            user: String::new(),
            cwd: "/".into(),
            mounts: Vec::new(),
            network: Network::None,
            security: Security::Sandbox,
            hostname: None,
        };
        let op = Op::Run(run("echo $VERSION > /deps", vec![path.clone(), variable("VERSION", "1")]));
        assert_eq!(record(&lower(&op, &amd64(), false, None).unwrap()), "46ecc91679a6");
        let mount = Mount::Bind(crate::plan::BindMount {
            target: "/mnt/src".into(),
            from: Place::Context,
            source: "/src".into(),
            read_only: true,
        });
        let op = Op::Run(RunOp {
            cwd: "/build".into(),
            mounts: vec![mount],
            ..run("cat /mnt/src/x.py > /x", vec![path, variable("LANG", "C.UTF-8")])
        });
        assert_eq!(record(&lower(&op, &amd64(), false, None).unwrap()), "f54bef65c188");
    }
}
