//! Processes.

use serde_json::{Value, json};
use wharf_dockerfile::{Network, Security, Sharing};
use wharf_oci::Platform;

use super::file::{cache_directory, written};
use super::json::{digest_of, nonzero, object, selector};
use super::lower::{From, Lowered, Source};
use crate::plan::{CacheMount, FileOwner, Mount, RunOp, Script, SecretMount, Source as Place, SshMount};
use crate::request::BuildRequest;

/// The numbers of the protocol's mount types.
const SECRET: u32 = 1;
const SSH: u32 = 2;
const CACHE: u32 = 3;
const TMPFS: u32 = 4;

/// The input of what is mounted from nowhere.
const EMPTY: i64 = -1;
/// Nothing that is written there becomes part of the image.
const NO_OUTPUT: i64 = -1;
/// Where a cache whose owner is said finds the directory that it starts as.
const CACHE_ROOT: &str = "/cache";

pub(super) fn lower<'a>(op: &'a RunOp, platform: &Platform, request: &BuildRequest) -> Option<Lowered<'a>> {
    let mut reads = Reads::default();
    let mut mounts = mounts(op, request, &mut reads)?;
    let (named, sockets) = secrets(op);
    mounts.extend(named);
    mounts.extend(sockets);
    let env: Vec<String> =
        op.env.iter().map(|variable| format!("{}={}", variable.name, variable.value)).collect();
    let list = |items: Vec<Value>| if items.is_empty() { Value::Null } else { json!(items) };
    let meta = object([
        ("args", json!(op.args)),
        ("env", if env.is_empty() { Value::Null } else { json!(env) }),
        ("cwd", json!(op.cwd)),
        ("user", nonzero(op.user.clone())),
        ("extraHosts", list(hosts(request))),
        ("hostname", op.hostname.as_deref().map_or(Value::Null, |name| json!(name))),
        ("ulimit", list(limits(request))),
        ("removeMountStubsRecursive", json!(true)),
    ]);
    let exec = object([
        ("meta", meta),
        // The root alone was never counted.
        ("mounts", if mounts.len() == 1 { Value::Null } else { json!(mounts) }),
        ("network", nonzero(network(op.network))),
        ("security", nonzero(i64::from(op.security == Security::Insecure))),
        ("secretenv", list(secret_variables(op))),
    ]);
    let digest = digest_of(&object([
        ("Type", json!("buildkit.exec.v0")),
        ("Exec", exec),
        ("OS", json!(platform.os)),
        ("Arch", json!(platform.architecture)),
        ("Variant", platform.variant.as_deref().map_or(Value::Null, |variant| json!(variant))),
    ]));
    Some(Lowered { digest, parent_selector: selector(["/"]), sources: reads.finish() })
}

/// What is read besides the root, with the paths that are looked at.
#[derive(Default)]
struct Reads<'a>(Vec<(From<'a>, Vec<&'a str>)>);

impl<'a> Reads<'a> {
    /// The number of the input for `path` of `from`. The root is number 0.
    fn add(&mut self, from: From<'a>, path: &'a str) -> i64 {
        let place = self.0.iter().position(|(known, _)| *known == from).unwrap_or_else(|| {
            self.0.push((from, Vec::new()));
            self.0.len() - 1
        });
        self.0[place].1.push(path);
        i64::try_from(place + 1).unwrap_or(i64::MAX)
    }

    fn finish(self) -> Vec<Source<'a>> {
        let source = |(from, paths)| Source { from, selector: selector::<'a>(paths) };
        self.0.into_iter().map(source).collect()
    }
}

/// The root and what is mounted into it, in the order of their places there.
fn mounts<'a>(op: &'a RunOp, request: &BuildRequest, reads: &mut Reads<'a>) -> Option<Vec<Value>> {
    let mut sorted: Vec<(String, Option<&Mount>)> = op
        .mounts
        .iter()
        .filter_map(|mount| Some((target(mount)?, Some(mount))))
        .chain(request.shm_size.map(|_| ("/dev/shm".to_owned(), None)))
        .collect();
    sorted.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut mounts = vec![json!({"dest": "/"})];
    for (target, mount) in sorted {
        mounts.push(match mount {
            Some(mount) => lower_mount(mount, &target, reads)?,
            None => tmpfs(&target, request.shm_size, false),
        });
    }
    Some(mounts)
}

/// Where something is mounted, unless it is a secret or a socket, which come after everything else.
fn target(mount: &Mount) -> Option<String> {
    match mount {
        Mount::Bind(bind) => Some(bind.target.clone()),
        Mount::Cache(cache) => Some(cache.target.clone()),
        Mount::Tmpfs(tmpfs) => Some(tmpfs.target.clone()),
        Mount::Script(script) => Some(format!("{}/", script.directory.trim_end_matches('/'))),
        Mount::Secret(_) | Mount::Ssh(_) => None,
    }
}

fn lower_mount<'a>(mount: &'a Mount, target: &str, reads: &mut Reads<'a>) -> Option<Value> {
    let bind = |input: i64, read_only: bool| {
        object([
            ("input", nonzero(input)),
            ("dest", json!(target)),
            ("output", json!(NO_OUTPUT)),
            ("readonly", nonzero(read_only)),
        ])
    };
    match mount {
        Mount::Bind(mount) if mount.from == Place::Scratch => Some(bind(EMPTY, mount.read_only)),
        Mount::Bind(mount) => Some(bind(reads.add(From::Place(&mount.from), &mount.source), mount.read_only)),
        Mount::Script(Script { name, content, .. }) => {
            let script = written(&format!("/{name}"), 0o755, content);
            Some(bind(reads.add(From::Made(script), "/"), true))
        }
        Mount::Cache(mount) => cache(mount, reads),
        Mount::Tmpfs(mount) => Some(tmpfs(target, mount.size, mount.read_only)),
        Mount::Secret(_) | Mount::Ssh(_) => None,
    }
}

fn cache<'a>(mount: &'a CacheMount, reads: &mut Reads<'a>) -> Option<Value> {
    let input = match (&mount.from, &mount.owner) {
        (Place::Scratch, None) => EMPTY,
        (Place::Scratch, Some(owner)) if mount.source == "/" => {
            reads.add(From::Made(cache_directory(CACHE_ROOT, owner)), CACHE_ROOT)
        }
        // The directory is made on top of what the cache starts as, or is passed over.
        (_, Some(_)) => return None,
        (from, None) => reads.add(From::Place(from), &mount.source),
    };
    // A name space, which is mostly empty, stands before the name.
    let is_named_by_target = mount.id.split_once('/').is_some_and(|(_, rest)| rest == mount.target);
    let is_plain = mount.sharing == Sharing::Shared && is_named_by_target;
    Some(object([
        ("input", nonzero(input)),
        ("dest", json!(mount.target)),
        ("output", json!(NO_OUTPUT)),
        ("readonly", nonzero(mount.read_only)),
        ("mountType", json!(CACHE)),
        ("cacheOpt", if is_plain { json!({ "ID": mount.id }) } else { json!({}) }),
    ]))
}

fn tmpfs(target: &str, size: Option<u64>, read_only: bool) -> Value {
    object([
        ("input", json!(EMPTY)),
        ("dest", json!(target)),
        ("output", json!(NO_OUTPUT)),
        ("readonly", nonzero(read_only)),
        ("mountType", json!(TMPFS)),
        ("TmpfsOpt", object([("size", nonzero(size.unwrap_or_default()))])),
    ])
}

/// The files of secrets, and the sockets of agents.
fn secrets(op: &RunOp) -> (Vec<Value>, Vec<Value>) {
    let mut files = Vec::new();
    let mut sockets = Vec::new();
    let one = |target: &str, kind: u32, member: &'static str, options: Value| {
        object([
            ("input", json!(EMPTY)),
            ("dest", json!(target)),
            ("mountType", json!(kind)),
            (member, options),
        ])
    };
    for mount in &op.mounts {
        match mount {
            Mount::Secret(SecretMount { id, target: Some(target), owner, required, .. }) => {
                files.push(one(target, SECRET, "secretOpt", owned(id, owner, *required)));
            }
            Mount::Ssh(SshMount { id, is_named, target, owner, required }) => {
                let id = if *is_named { id } else { "" };
                sockets.push(one(target, SSH, "SSHOpt", owned(id, owner, *required)));
            }
            _ => {}
        }
    }
    (files, sockets)
}

fn owned(id: &str, owner: &FileOwner, required: bool) -> Value {
    object([
        ("ID", nonzero(id.to_owned())),
        ("uid", nonzero(owner.uid)),
        ("gid", nonzero(owner.gid)),
        ("mode", nonzero(owner.mode)),
        ("optional", nonzero(!required)),
    ])
}

fn secret_variables(op: &RunOp) -> Vec<Value> {
    let variables = op.mounts.iter().filter_map(|mount| match mount {
        Mount::Secret(SecretMount { id, env: Some(name), required, .. }) => {
            Some(object([("ID", json!(id)), ("name", json!(name)), ("optional", nonzero(!*required))]))
        }
        _ => None,
    });
    variables.collect()
}

/// Addresses do not count.
fn hosts(request: &BuildRequest) -> Vec<Value> {
    request.extra_hosts.iter().map(|(name, _)| json!({ "Host": name })).collect()
}

fn limits(request: &BuildRequest) -> Vec<Value> {
    let number = |limit: Option<u64>| limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
    let mut limits: Vec<(String, Value)> = request
        .ulimits
        .iter()
        .map(|limit| {
            let name = limit.resource.to_string();
            let (soft, hard) = (nonzero(number(limit.soft)), nonzero(number(limit.hard)));
            (name.clone(), object([("Name", json!(name)), ("Soft", soft), ("Hard", hard)]))
        })
        .collect();
    limits.sort_by(|(one, _), (other, _)| one.cmp(other));
    limits.into_iter().map(|(_, limit)| limit).collect()
}

fn network(network: Network) -> i64 {
    match network {
        Network::Default => 0,
        Network::Host => 1,
        Network::None => 2,
    }
}

#[cfg(test)]
mod tests {
    use wharf_sandbox::{Resource, Ulimit};

    use super::*;
    use crate::llb::Node;
    use crate::plan::{BindMount, EnvVar, TmpfsMount};
    use crate::request::ContextSource;

    // The expected digests are those of records in caches that BuildKit (docker 28.5) wrote.

    const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

    fn run(command: &str, mounts: Vec<Mount>) -> RunOp {
        RunOp {
            args: ["/bin/sh", "-c", command].map(str::to_owned).to_vec(),
            env: vec![variable("PATH", PATH)],
            proxy: Vec::new(),
            user: String::new(),
            cwd: "/".into(),
            mounts,
            network: Network::Host,
            security: Security::Sandbox,
            hostname: None,
        }
    }

    fn variable(name: &str, value: &str) -> EnvVar {
        EnvVar { name: name.into(), value: value.into() }
    }

    fn digest_with(op: &RunOp, request: &BuildRequest) -> String {
        let lowered = lower(op, &"linux/amd64".parse().unwrap(), request).unwrap();
        Node::of_operation(&lowered.digest, Vec::new()).digest["sha256:".len()..][..12].to_owned()
    }

    fn digest(op: &RunOp) -> String {
        digest_with(op, &BuildRequest::new(ContextSource::Empty))
    }

    fn cache(target: &str, id: &str, owner: Option<FileOwner>, sharing: Sharing) -> Mount {
        Mount::Cache(CacheMount {
            target: target.into(),
            id: id.into(),
            sharing,
            from: Place::Scratch,
            source: "/".into(),
            owner,
            read_only: false,
        })
    }

    fn tmpfs(target: &str, size: Option<u64>) -> Mount {
        Mount::Tmpfs(TmpfsMount { target: target.into(), size, read_only: false })
    }

    fn bind(target: &str, source: &str) -> Mount {
        Mount::Bind(BindMount {
            target: target.into(),
            from: Place::Context,
            source: source.into(),
            read_only: true,
        })
    }

    #[test]
    fn commands() {
        let op = RunOp { network: Network::None, ..run("echo $VERSION > /deps", Vec::new()) };
        let env = vec![variable("PATH", PATH), variable("VERSION", "1")];
        assert_eq!(digest(&RunOp { env, ..op }), "46ecc91679a6");
    }

    #[test]
    fn mounts_stand_in_the_order_of_their_places() {
        let op = run("cat /mnt/src/x.py > /x", vec![bind("/mnt/src", "/src")]);
        let env = vec![variable("PATH", PATH), variable("LANG", "C.UTF-8")];
        let op = RunOp { env, cwd: "/build".into(), network: Network::None, ..op };
        assert_eq!(digest(&op), "f54bef65c188");
        let pip = cache("/root/.cache/pip", "//root/.cache/pip", None, Sharing::Shared);
        let op = run("ls /bsrc", vec![tmpfs("/tmp", None), pip, bind("/bsrc", "/src")]);
        assert_eq!(digest(&op), "ea45c3b63219");
        assert_eq!(digest(&run("true", vec![tmpfs("/tm", Some(1 << 20))])), "dd302d10ced9");
    }

    #[test]
    fn caches() {
        let owned = Some(FileOwner { uid: 1000, gid: 1000, mode: 0o755 });
        let mounts =
            vec![cache("/c", "//c", owned, Sharing::Shared), cache("/b", "/zz", None, Sharing::Locked)];
        assert_eq!(digest(&run("true", mounts)), "aa87d92ab76d");
    }

    #[test]
    fn secrets_and_agents() {
        let secret = |target: Option<&str>, env: Option<&str>, required, owner| {
            Mount::Secret(SecretMount {
                id: "token".into(),
                target: target.map(str::to_owned),
                env: env.map(str::to_owned),
                required,
                owner,
            })
        };
        let root = FileOwner { uid: 0, gid: 0, mode: 0o400 };
        let file = secret(Some("/run/secrets/token"), None, false, root);
        assert_eq!(digest(&run("cat /run/secrets/token >/dev/null", vec![file])), "9b8beae1bee8");
        let variable_only = secret(None, Some("TOKEN"), true, root);
        assert_eq!(digest(&run("echo \"$TOKEN\" >/dev/null", vec![variable_only])), "8e79518e1a90");
        let elsewhere = secret(Some("/x"), None, false, FileOwner { uid: 5, gid: 0, mode: 0o444 });
        assert_eq!(digest(&run("true", vec![elsewhere])), "921792b87b4d");
        let socket = "/run/buildkit/ssh_agent.0";
        let agent = |is_named, uid| {
            let agent = Mount::Ssh(SshMount {
                id: "default".into(),
                is_named,
                target: socket.into(),
                required: false,
                owner: FileOwner { uid, gid: 0, mode: 0o600 },
            });
            let env = vec![variable("PATH", PATH), variable("SSH_AUTH_SOCK", socket)];
            digest(&RunOp { env, ..run("true", vec![agent]) })
        };
        assert_eq!(agent(false, 0), "0e1700b4b1d3");
        assert_eq!(agent(true, 1000), "0aa78c964687");
    }

    #[test]
    fn what_flags_say_of_every_process() {
        let limit = |resource, soft, hard| Ulimit { resource, soft: Some(soft), hard: Some(hard) };
        let request = BuildRequest {
            extra_hosts: vec![("foo".into(), "1.2.3.4".into()), ("bar".into(), "10.0.0.1".into())],
            ulimits: vec![limit(Resource::Nproc, 100, 100), limit(Resource::Nofile, 1024, 2048)],
            shm_size: Some(64 << 20),
            ..BuildRequest::new(ContextSource::Empty)
        };
        assert_eq!(digest_with(&run("echo hi >/hi", Vec::new()), &request), "0ad8d9c5ea1d");
        let mounts = vec![cache("/a", "//a", None, Sharing::Shared), tmpfs("/z", None)];
        assert_eq!(digest_with(&run("true", mounts), &request), "5aca3345b9c1");
    }
}
