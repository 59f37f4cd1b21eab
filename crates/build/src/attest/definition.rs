//! The steps of a build as BuildKit's provenance lists them (`buildConfig.llbDefinition`): operations in the JSON
//! of its protocol buffers, each with those it starts from, and where in the Dockerfile each stands.
//!
//! What is described is what was asked for. wharf carries it out in its own way, so the digests that BuildKit has
//! for its vertices are left out.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use wharf_dockerfile::{Network, Security, Sharing, Span};
use wharf_oci::{Descriptor, Platform};

use crate::contexts::without_credentials;
use crate::plan::{
    Base, CopyOp, CopySource, FileOwner, GitSource, Mount, Op, PinnedImage, Plan, RunOp, Source, StageId,
    Step, WorkdirOp,
};

/// The numbers of the protocol's mount types.
const SECRET: u32 = 1;
const SSH: u32 = 2;
const CACHE: u32 = 3;
const TMPFS: u32 = 4;

/// The steps, numbered from 0.
#[derive(Debug, Default)]
pub(super) struct Definition {
    entries: Vec<Value>,
    locations: Map<String, Value>,
    /// Where something comes from, by what identifies it.
    sources: HashMap<String, usize>,
    /// The last step of each stage.
    stages: Vec<Option<usize>>,
    /// How many layers there are once a step of the target is done.
    layers: Vec<(usize, usize)>,
}

impl Definition {
    /// Everything that `plan` does.
    pub(super) fn of(plan: &Plan) -> Self {
        let mut definition = Self::default();
        let on_the_way = chain(plan);
        let mut layers = 0;
        for (index, stage) in plan.stages.iter().enumerate() {
            let mut last = match &stage.base {
                Base::Scratch => None,
                Base::Stage(base) => definition.stages[base.0],
                Base::Image(image) => Some(definition.image(image)),
                Base::NamedContext(name) => Some(definition.files(name)),
            };
            for step in &stage.steps {
                let Some(op) = &step.op else { continue };
                let made = definition.step(op, last, &stage.platform, step);
                if on_the_way.contains(&StageId(index)) {
                    layers += 1;
                    definition.layers.push((made, layers));
                }
                last = Some(made);
            }
            definition.stages.push(last);
        }
        // The last entry only says what the result is.
        let result = definition.stages.get(plan.target.0).copied().flatten();
        definition.add(json!({ "Op": {} }), result, None);
        definition
    }

    /// `buildConfig`.
    pub(super) fn config(&self) -> Value {
        json!({ "llbDefinition": self.entries })
    }

    /// Where each step stands.
    pub(super) fn locations(&self) -> Value {
        Value::Object(self.locations.clone())
    }

    /// The layers that an image has after each step on the way to it, of all that it has.
    pub(super) fn layers(&self, all: &[Descriptor]) -> Value {
        let made = self.layers.len();
        // Those of the base image are below.
        let Some(below) = all.len().checked_sub(made) else { return json!({}) };
        let described: Vec<Value> = all
            .iter()
            .map(|layer| json!({"mediaType": layer.media_type, "digest": layer.digest, "size": layer.size}))
            .collect();
        let after = self
            .layers
            .iter()
            .map(|(step, count)| (format!("step{step}:0"), json!([described[..below + count]])));
        Value::Object(after.collect())
    }

    fn add(&mut self, op: Value, inputs: impl IntoIterator<Item = usize>, span: Option<Span>) -> usize {
        let number = self.entries.len();
        let id = format!("step{number}");
        let inputs: Vec<String> = inputs.into_iter().map(|input| format!("step{input}:0")).collect();
        let mut entry = Map::from_iter([("id".to_owned(), json!(id)), ("op".to_owned(), op)]);
        if !inputs.is_empty() {
            entry.insert("inputs".into(), json!(inputs));
        }
        self.entries.push(Value::Object(entry));
        let location = span.map_or(json!({}), |span| {
            let line = |line: u32| json!({ "line": line });
            json!({ "locations": [{ "ranges": [{ "start": line(span.line), "end": line(span.end_line) }] }] })
        });
        self.locations.insert(id, location);
        number
    }

    /// A source, once.
    fn source(&mut self, identifier: String, attributes: Value, platform: Option<&Platform>) -> usize {
        let key = format!("{identifier} {attributes} {platform:?}");
        if let Some(known) = self.sources.get(&key) {
            return *known;
        }
        let mut source = json!({ "identifier": identifier });
        if attributes.as_object().is_some_and(|attributes| !attributes.is_empty()) {
            source["attrs"] = attributes;
        }
        let number = self.add(operation("source", source, platform), None, None);
        self.sources.insert(key, number);
        number
    }

    fn image(&mut self, image: &PinnedImage) -> usize {
        let identifier = format!("docker-image://{}@{}", image.reference, image.digest);
        self.source(identifier, json!({}), Some(&image.platform))
    }

    fn files(&mut self, name: &str) -> usize {
        self.source(format!("local://{name}"), json!({ "local.sharedkeyhint": name }), None)
    }

    /// Where the files of `source` are; `None` is nowhere.
    fn place(&mut self, source: &Source) -> Option<usize> {
        match source {
            Source::Context => Some(self.files("context")),
            Source::Stage(stage) => self.stages.get(stage.0).copied().flatten(),
            Source::Image(image) => Some(self.image(image)),
            Source::NamedContext(name) => Some(self.files(name)),
            Source::Scratch => None,
        }
    }

    fn step(&mut self, op: &Op, on: Option<usize>, platform: &Platform, step: &Step) -> usize {
        let span = Some(step.span);
        match op {
            Op::Run(run) => {
                let mut inputs = Inputs::on(on);
                let exec = self.exec(run, &mut inputs);
                self.add(operation("exec", exec, Some(platform)), inputs.steps, span)
            }
            Op::Copy(copy) if copy.link && on.is_some() => {
                let mut inputs = Inputs::on(None);
                let file = self.copy(copy, &mut inputs);
                let copied = self.add(operation("file", file, None), inputs.steps, span);
                let merge = operation("merge", json!({ "inputs": [{}, { "input": 1 }] }), None);
                self.add(merge, on.into_iter().chain([copied]), span)
            }
            Op::Copy(copy) => {
                let mut inputs = Inputs::on(on);
                let file = self.copy(copy, &mut inputs);
                self.add(operation("file", file, None), inputs.steps, span)
            }
            Op::Workdir(workdir) => self.add(operation("file", mkdir(workdir, on), None), on, span),
        }
    }

    fn exec(&mut self, run: &RunOp, inputs: &mut Inputs) -> Value {
        let env: Vec<String> =
            run.env.iter().map(|variable| format!("{}={}", variable.name, variable.value)).collect();
        let mut meta =
            json!({"args": run.args, "env": env, "cwd": run.cwd, "removeMountStubsRecursive": true});
        if !run.user.is_empty() {
            meta["user"] = json!(run.user);
        }
        let mut mounts = vec![json!({ "dest": "/" })];
        if inputs.root == -1 {
            mounts[0]["input"] = json!(-1);
        }
        mounts.extend(run.mounts.iter().filter_map(|mount| self.mount(mount, inputs)));
        let mut exec = json!({ "meta": meta, "mounts": mounts });
        match run.network {
            Network::Default => {}
            Network::Host => exec["network"] = json!(1),
            Network::None => exec["network"] = json!(2),
        }
        if run.security == Security::Insecure {
            exec["security"] = json!(1);
        }
        let variables = run.mounts.iter().filter_map(|mount| match mount {
            Mount::Secret(secret) => Some((secret, secret.env.as_ref()?)),
            _ => None,
        });
        let variables = variables
            .map(|(secret, name)| json!({ "ID": secret.id, "name": name, "optional": !secret.required }));
        let variables: Vec<Value> = variables.collect();
        if !variables.is_empty() {
            exec["secretenv"] = json!(variables);
        }
        exec
    }

    fn mount(&mut self, mount: &Mount, inputs: &mut Inputs) -> Option<Value> {
        let special = |target: &str, kind: u32, name: &str, options: Value| json!({ "input": -1, "dest": target, "mountType": kind, name: options });
        let owned = |id: &str, required: bool, owner: &FileOwner| {
            let mut options = json!({ "ID": id, "mode": owner.mode });
            for (name, number) in [("uid", owner.uid), ("gid", owner.gid)] {
                if number != 0 {
                    options[name] = json!(number);
                }
            }
            if !required {
                options["optional"] = json!(true);
            }
            options
        };
        Some(match mount {
            Mount::Bind(bind) => {
                let place = self.place(&bind.from);
                let mut mount = json!({ "input": inputs.number(place), "dest": bind.target, "output": -1 });
                if bind.source != "/" {
                    mount["selector"] = json!(bind.source);
                }
                if bind.read_only {
                    mount["readonly"] = json!(true);
                }
                mount
            }
            Mount::Cache(cache) => {
                let place = self.place(&cache.from);
                let mut options = json!({ "ID": cache.id });
                match cache.sharing {
                    Sharing::Shared => {}
                    Sharing::Private => options["sharing"] = json!(1),
                    Sharing::Locked => options["sharing"] = json!(2),
                }
                let mut mount = special(&cache.target, CACHE, "cacheOpt", options);
                mount["input"] = json!(inputs.number(place));
                mount["output"] = json!(-1);
                mount
            }
            Mount::Tmpfs(tmpfs) => {
                let options = tmpfs.size.map_or(json!({}), |size| json!({ "size": size }));
                special(&tmpfs.target, TMPFS, "TmpfsOpt", options)
            }
            Mount::Secret(secret) => {
                let target = secret.target.as_ref()?;
                special(target, SECRET, "secretOpt", owned(&secret.id, secret.required, &secret.owner))
            }
            Mount::Ssh(agent) => {
                special(&agent.target, SSH, "SSHOpt", owned(&agent.id, agent.required, &agent.owner))
            }
            // Its text is in the Dockerfile, which is in the provenance, too.
            Mount::Script(script) => json!({ "input": -1, "dest": script.directory, "readonly": true }),
        })
    }

    /// A file operation; each action starts from the one before it.
    fn copy(&mut self, copy: &CopyOp, inputs: &mut Inputs) -> Value {
        let owner = copy.chown.as_deref().map(owner);
        let mode = copy.chmod.as_ref().map(|mode| mode.as_str());
        let mut actions = Vec::new();
        for source in &copy.sources {
            let (place, action) = match source {
                CopySource::Inline { name, content } => {
                    let path =
                        if copy.dest_is_dir() { format!("{}{name}", copy.dest) } else { copy.dest.clone() };
                    let data = STANDARD.encode(content);
                    let file = json!({ "path": path, "mode": 0o644, "data": data, "timestamp": -1 });
                    (None, ("mkfile", file))
                }
                CopySource::Path { path, .. } => {
                    let place = self.place(&copy.from);
                    let mut action = copied(path, &copy.dest);
                    for name in ["followSymlink", "dirCopyContents", "allowWildcard", "allowEmptyWildcard"] {
                        action[name] = json!(true);
                    }
                    if copy.unpack {
                        action["attemptUnpackDockerCompatibility"] = json!(true);
                    }
                    if !copy.excludes.is_empty() {
                        action["excludePatterns"] = json!(copy.excludes);
                    }
                    (place, ("copy", action))
                }
                CopySource::Url { url, name, checksum, unpack } => {
                    let mut attributes = json!({ "http.filename": name });
                    if let Some(checksum) = checksum {
                        attributes["http.checksum"] = json!(checksum);
                    }
                    let place = self.source(without_credentials(url), attributes, None);
                    let mut action = copied(&format!("/{name}"), &copy.dest);
                    if *unpack {
                        action["attemptUnpackDockerCompatibility"] = json!(true);
                    }
                    (Some(place), ("copy", action))
                }
                CopySource::Git(git) => {
                    let place = self.git(git);
                    let mut action = copied("/", &copy.dest);
                    action["dirCopyContents"] = json!(true);
                    (Some(place), ("copy", action))
                }
            };
            let second = place.map_or(-1, |place| inputs.number(Some(place)));
            actions.push((second, with(action, owner.clone(), mode)));
        }
        let (first, count) = (inputs.root, i64::try_from(inputs.steps.len()).unwrap_or(i64::MAX));
        let last = actions.len().saturating_sub(1);
        let actions = actions.into_iter().enumerate().map(|(number, (second, action))| {
            let before = count + i64::try_from(number).unwrap_or(i64::MAX) - 1;
            json!({
                "input": if number == 0 { first } else { before },
                "secondaryInput": second,
                "output": if number == last { 0 } else { -1 },
                "Action": action,
            })
        });
        json!({ "actions": actions.collect::<Vec<_>>() })
    }

    fn git(&mut self, git: &GitSource) -> usize {
        let fragment = match (git.reference.as_str(), git.subdir.as_str()) {
            ("", "") => String::new(),
            (reference, "") => format!("#{reference}"),
            (reference, subdir) => format!("#{reference}:{subdir}"),
        };
        let remote = without_credentials(&git.remote);
        let short = remote.split_once("://").map_or(remote.as_str(), |(_, rest)| rest);
        let attributes = json!({ "git.fullurl": remote, "git.keepgitdir": git.keep_git_dir.to_string() });
        self.source(format!("git://{short}{fragment}"), attributes, None)
    }
}

/// What an operation starts from, and how its parts name that: by place, or -1 for nothing.
struct Inputs {
    steps: Vec<usize>,
    root: i64,
}

impl Inputs {
    fn on(root: Option<usize>) -> Self {
        Self { steps: root.into_iter().collect(), root: if root.is_some() { 0 } else { -1 } }
    }

    fn number(&mut self, step: Option<usize>) -> i64 {
        let Some(step) = step else { return -1 };
        let place = self.steps.iter().position(|known| *known == step).unwrap_or_else(|| {
            self.steps.push(step);
            self.steps.len() - 1
        });
        i64::try_from(place).unwrap_or(i64::MAX)
    }
}

/// The stages that the image is built up through: the target, and what it is `FROM`.
fn chain(plan: &Plan) -> Vec<StageId> {
    let mut chain = vec![plan.target];
    while let Some(Base::Stage(below)) =
        chain.last().and_then(|id| plan.stages.get(id.0)).map(|stage| &stage.base)
    {
        chain.push(*below);
    }
    chain
}

fn operation(kind: &str, value: Value, platform: Option<&Platform>) -> Value {
    let mut op = json!({ "Op": { kind: value }, "constraints": {} });
    if let Some(platform) = platform {
        op["platform"] = json!({ "Architecture": platform.architecture, "OS": platform.os });
        if let Some(variant) = &platform.variant {
            op["platform"]["Variant"] = json!(variant);
        }
    }
    op
}

fn copied(src: &str, dest: &str) -> Value {
    json!({ "src": src, "dest": dest, "mode": -1, "createDestPath": true, "timestamp": -1 })
}

/// An action with owner and mode.
fn with((kind, mut action): (&str, Value), owner: Option<Value>, mode: Option<&str>) -> Value {
    if let Some(owner) = owner {
        action["owner"] = owner;
    }
    match mode.map(|mode| (mode, i64::from_str_radix(mode, 8))) {
        Some((_, Ok(bits))) => action["mode"] = json!(bits),
        Some((symbolic, Err(_))) => action["modeStr"] = json!(symbolic),
        None => {}
    }
    json!({ kind: action })
}

fn mkdir(workdir: &WorkdirOp, on: Option<usize>) -> Value {
    let mut action = json!({ "path": workdir.path, "mode": 0o755, "makeParents": true, "timestamp": -1 });
    if !workdir.user.is_empty() {
        action["owner"] = owner(&workdir.user);
    }
    let input = if on.is_some() { 0 } else { -1 };
    json!({ "actions": [{ "input": input, "secondaryInput": -1, "output": 0, "Action": { "mkdir": action } }] })
}

/// `user[:group]`, names or numbers.
fn owner(spec: &str) -> Value {
    let one = |text: &str| match text.parse::<u32>() {
        Ok(0) => json!({ "User": {} }),
        Ok(number) => json!({ "User": { "byId": number } }),
        Err(_) => json!({ "User": { "byName": { "name": text } } }),
    };
    match spec.split_once(':') {
        None => json!({ "user": one(spec) }),
        Some((user, group)) => json!({ "user": one(user), "group": one(group) }),
    }
}
