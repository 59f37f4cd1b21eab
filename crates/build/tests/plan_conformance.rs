//! Compares plans with images recorded from BuildKit: config, history, and what is refused.
//!
//! The corpus is not part of the repository. `WHARF_CONFORMANCE` names its directory; without it the test
//! looks beside the checkout, and says so where nothing is there. Whatever takes running a step to know is
//! left to the corpus's own runner.

#![allow(clippy::unwrap_used, reason = "a fixture that is missing fails the test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use wharf_build::plan::{BaseImage, BaseRef, ContextKind, Plan, PlanError, Request, ResolveError, plan};
use wharf_dockerfile::parse;
use wharf_oci::{ImageConfig, Platform, digest};

const REGISTRY: &str = "127.0.0.1:5000";
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const CONFIG_KEYS: [&str; 12] = [
    "Env",
    "Cmd",
    "Entrypoint",
    "User",
    "WorkingDir",
    "Labels",
    "ExposedPorts",
    "Volumes",
    "Healthcheck",
    "OnBuild",
    "StopSignal",
    "Shell",
];

#[test]
fn plans_agree_with_recorded_images() {
    let Some(root) = corpus() else {
        eprintln!("skipped: no conformance corpus; set WHARF_CONFORMANCE to its directory");
        return;
    };
    let mut differences = Vec::new();
    let mut compared = 0;
    for case in cases(&root) {
        match case.compare() {
            Verdict::Same => compared += 1,
            Verdict::NeedsRunning => {}
            Verdict::Differs(lines) => differences.push(format!("{}:\n  {}", case.name, lines.join("\n  "))),
        }
    }
    eprintln!("{compared} plans agree, {} differ", differences.len());
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(compared > 0, "{} holds no case", root.display());
}

fn corpus() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance");
    let root = std::env::var_os("WHARF_CONFORMANCE").map_or(beside, PathBuf::from).join("dockerfile/cases");
    root.is_dir().then_some(root)
}

fn cases(root: &Path) -> Vec<Case> {
    let mut cases: Vec<Case> =
        fs::read_dir(root).unwrap().filter_map(|entry| Case::read(&entry.unwrap().path())).collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

struct Case {
    name: String,
    directory: PathBuf,
    case: Value,
    expected: Value,
}

enum Verdict {
    Same,
    NeedsRunning,
    Differs(Vec<String>),
}

impl Case {
    fn read(directory: &Path) -> Option<Self> {
        let read = |name: &str| -> Option<Value> {
            Some(serde_json::from_str(&fs::read_to_string(directory.join(name)).ok()?).unwrap())
        };
        let name = directory.file_name()?.to_string_lossy().into_owned();
        let (case, expected) = (read("case.json")?, read("expect.json")?);
        let several = expected["images"].as_object().is_some_and(|images| images.len() > 1);
        (case["quirk"] != true && !several).then_some(Self {
            name,
            directory: directory.into(),
            case,
            expected,
        })
    }

    fn compare(&self) -> Verdict {
        let planned = self.plan();
        match (self.expected["result"].as_str(), planned) {
            (Some("ok"), Ok(plan)) => self.compare_images(&plan),
            (Some("ok"), Err(error)) => Verdict::Differs(vec![format!("refused: {error}")]),
            // What BuildKit refuses only while it runs is planned all right.
            (_, Ok(_)) => Verdict::NeedsRunning,
            (_, Err(_)) => Verdict::Same,
        }
    }

    fn plan(&self) -> Result<Plan, String> {
        let text = self.dockerfile();
        let dockerfile = parse(&text).map_err(|error| error.to_string())?;
        let request = self.request(&String::from_utf8_lossy(&text));
        plan(&dockerfile, &request, &|wanted: &[BaseRef]| {
            wanted.iter().map(|base| self.resolve(base)).collect()
        })
        .map_err(|error: PlanError| error.to_string())
    }

    fn dockerfile(&self) -> Vec<u8> {
        let inside = self.case["dockerfile"].as_str().unwrap_or("Dockerfile");
        let context = self.directory.join("context").join(inside);
        fs::read(self.directory.join("Dockerfile")).or_else(|_| fs::read(context)).unwrap_or_default()
    }

    fn request(&self, text: &str) -> Request {
        let mut request = Request::new("linux/amd64".parse().unwrap());
        let declared = |name: &str| {
            text.lines().map(str::trim).any(|line| {
                let mut words = line.split(|c: char| !(c.is_alphanumeric() || c == '_'));
                words.next().is_some_and(|first| first.eq_ignore_ascii_case("arg"))
                    && words.any(|word| word == name)
            })
        };
        request.build_args = offered().into_iter().filter(|(name, _)| declared(name)).collect();
        for (name, value) in members(&self.case["build_args"]) {
            if let Some(value) = value.as_str() {
                request.build_args.insert(name, substitute(value));
            }
        }
        if let Some(epoch) = self.case["env"]["SOURCE_DATE_EPOCH"].as_str() {
            request.build_args.entry("SOURCE_DATE_EPOCH".into()).or_insert(epoch.into());
        }
        request.target = self.case["target"].as_str().map(Into::into);
        for (name, value) in members(&self.case["contexts"]) {
            let image = value
                .as_str()
                .is_some_and(|value| value.starts_with("image:") || value.starts_with("layout:"));
            request.contexts.insert(name, if image { ContextKind::Image } else { ContextKind::Files });
        }
        let args: Vec<&str> =
            self.case["args"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for pair in args.windows(2) {
            match pair {
                ["--platform", platform] => request.platform = Some(platform.parse().unwrap()),
                ["--label", label] => {
                    let (key, value) = label.split_once('=').unwrap_or((label, ""));
                    request.labels.insert(key.into(), value.into());
                }
                ["--allow", entitlement] => request.allow.push((*entitlement).into()),
                _ => {}
            }
        }
        request
    }

    fn resolve(&self, base: &BaseRef) -> Result<BaseImage, ResolveError> {
        let (name, platform) = match base {
            BaseRef::Image { reference, platform } if reference.registry() == REGISTRY => {
                (reference.repository().to_owned(), platform)
            }
            BaseRef::Image { reference, .. } => return Err(format!("{reference} is not served").into()),
            BaseRef::Context { name, platform } => {
                let image = self.case["contexts"][name].as_str().unwrap_or_default();
                (image.split(':').nth(1).unwrap_or_default().to_owned(), platform)
            }
        };
        let config = fixture(&name, platform).ok_or_else(|| format!("{name} is not served"))?;
        Ok(BaseImage { digest: digest::sha256(name.as_bytes()), config })
    }

    fn compare_images(&self, plan: &Plan) -> Verdict {
        let Some((platform, wanted)) = members(&self.expected["images"]).into_iter().next() else {
            return Verdict::NeedsRunning;
        };
        let image = &plan.target().config;
        let got = recorded(image);
        let mut lines = Vec::new();
        let mut differ = |what: &str, wanted: &Value, got: &Value| {
            if wanted != got {
                lines.push(format!("{what}: wanted {wanted}, got {got}"));
            }
        };
        differ("platform", &json!(platform), &json!(image.platform().to_string()));
        differ("author", &wanted["author"], &got["author"]);
        for key in CONFIG_KEYS {
            differ(key, &wanted["config"][key], &got["config"][key]);
        }
        for key in ["created_by", "empty", "args_escaped"] {
            differ(key, &wanted["layers"][key], &got["layers"][key]);
        }
        if lines.is_empty() { Verdict::Same } else { Verdict::Differs(lines) }
    }
}

/// A config in the form in which the corpus keeps it.
fn recorded(image: &ImageConfig) -> Value {
    let config = serde_json::to_value(&image.config).unwrap();
    let kept = CONFIG_KEYS.iter().filter_map(|key| {
        let value = match (*key, &config[*key]) {
            ("ExposedPorts" | "Volumes", Value::Object(map)) => json!(map.keys().collect::<Vec<_>>()),
            (_, value) => value.clone(),
        };
        (!value.is_null()).then(|| ((*key).to_owned(), value))
    });
    let created_by: Vec<_> =
        image.history.iter().map(|line| line.created_by.clone().unwrap_or_default()).collect();
    let empty: Vec<_> = image.history.iter().map(|line| line.empty_layer).collect();
    let text = json!({
        "author": image.author,
        "config": serde_json::Map::from_iter(kept),
        "layers": {"created_by": created_by, "empty": empty, "args_escaped": image.config.args_escaped},
    })
    .to_string();
    let masked = text
        .replace(REGISTRY, "127.0.0.1:PORT")
        .replace(digest::sha256(b"busybox").as_ref(), "sha256:BUSYBOX")
        .replace(digest::sha256(b"multi").as_ref(), "sha256:MULTI");
    serde_json::from_str(&masked).unwrap()
}

/// The build arguments that the corpus's runner passes to Dockerfiles which declare them.
fn offered() -> BTreeMap<String, String> {
    let hello = digest::sha256(b"hello over http\n").to_string();
    let pairs = [
        ("REG", REGISTRY.to_owned()),
        ("HTTP", format!("http://{REGISTRY}")),
        ("BUSYBOX", format!("{REGISTRY}/busybox:latest")),
        ("DEBIAN", format!("{REGISTRY}/debian:latest")),
        ("BUSYBOX_DIGEST", digest::sha256(b"busybox").to_string()),
        ("MULTI_DIGEST", digest::sha256(b"multi").to_string()),
        ("GITURL", format!("http://{REGISTRY}/git/app.git")),
        ("SUM_HELLO", hello),
    ];
    pairs.map(|(name, value)| (name.to_owned(), value)).into()
}

fn substitute(text: &str) -> String {
    offered().iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${{{name}}}"), value))
}

fn members(value: &Value) -> Vec<(String, Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The images that the corpus's registry serves.
fn fixture(name: &str, platform: &Platform) -> Option<ImageConfig> {
    let onbuild = |triggers: &[&str]| (1, json!({"OnBuild": triggers}));
    let (layers, config) = match name {
        "busybox" => (1, json!({})),
        "raw" | "zstd" | "schema2" => (2, json!({})),
        "layered" => (3, json!({})),
        "debian" => (1, json!({"Cmd": ["bash"]})),
        "noenv" => (1, json!({"Env": null})),
        "nopath" => (1, json!({"Env": ["ONLY=this"]})),
        "shell" => (1, json!({"Shell": ["/bin/ash", "-e", "-c"], "Cmd": ["x"]})),
        "onbuild" => onbuild(&[
            "COPY onb.txt /onb/",
            "RUN echo trigger > /onb/ran",
            "ENV FROM_TRIGGER=1",
            "LABEL trig=\"a b\"",
        ]),
        "onbuildarg" => onbuild(&["ARG TRIGARG=dflt", "RUN echo $TRIGARG > /trigarg"]),
        "onbuildfrom" => onbuild(&["COPY --from=side /side.txt /side.txt"]),
        "onbuildbad" => onbuild(&["FROM scratch"]),
        "cfg" => (2, configured()),
        "multi" | "multidocker" => {
            let layers = if platform.architecture == "amd64" { 2 } else { 1 };
            let label =
                [platform.architecture.as_str(), platform.variant.as_deref().unwrap_or_default()].concat();
            let labels = if name == "multi" { json!({"Labels": {"a": label}}) } else { json!({}) };
            return Some(image(layers, labels, platform));
        }
        "arm64only" => {
            return Some(image(1, json!({"Labels": {"a": "arm64"}}), &"linux/arm64".parse().ok()?));
        }
        _ => return None,
    };
    Some(image(layers, config, &"linux/amd64".parse().ok()?))
}

fn configured() -> Value {
    json!({
        "Env": [format!("{PATH}:/opt/bin"), "BASE_VAR=from base", "EMPTY="],
        "Cmd": ["base-cmd", "arg"], "Entrypoint": ["/base-entry"], "User": "app:staffers", "WorkingDir": "/srv/work",
        "Labels": {"base.label": "yes", "shared": "base"}, "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
        "Volumes": {"/base-vol": {}}, "StopSignal": "SIGQUIT",
        "Healthcheck": {"Test": ["CMD", "/bin/true"], "Interval": 5_000_000_000_u64, "Retries": 4},
    })
}

fn image(layers: usize, config: Value, platform: &Platform) -> ImageConfig {
    let mut all = json!({"Env": [PATH]});
    all.as_object_mut().unwrap().extend(members(&config));
    let history: Vec<_> =
        (0..layers).map(|layer| json!({"created_by": format!("base layer {layer}")})).collect();
    let diff_ids: Vec<_> = (0..layers).map(|layer| digest::sha256(&[layer as u8]).to_string()).collect();
    serde_json::from_value(json!({
        "architecture": platform.architecture, "os": platform.os, "variant": platform.variant, "config": all,
        "rootfs": {"type": "layers", "diff_ids": diff_ids}, "history": history,
    }))
    .unwrap()
}
