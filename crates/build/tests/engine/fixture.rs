//! A data directory with a busybox image in it, contexts, and builds.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tempfile::TempDir;
use wharf_build::{BuildError, BuildRequest, BuildResult, ContextSource, Engine, Event, Reason};
use wharf_layer::{Decoder, Entry, Kind, LayerReader, LayerWriter, WriteOptions};
use wharf_oci::{Descriptor, History, ImageConfig, Manifest, MediaType, Platform};
use wharf_registry::{Client, Layout, Settings};
use wharf_sandbox::Sandbox;

const BUSYBOX: &str = "/bin/busybox";
const APPLETS: [&str; 24] = [
    "sh", "cat", "chmod", "chown", "cp", "date", "echo", "env", "find", "grep", "id", "ln", "ls", "mkdir",
    "mv", "rm", "sleep", "stat", "test", "touch", "true", "false", "wc", "tr",
];

/// What all tests of this process share.
pub(crate) struct Host {
    sandbox: Sandbox,
    runtime: tokio::runtime::Runtime,
}

impl Host {
    /// Enters the sandbox; `None` where the host does not let us.
    pub(crate) fn enter() -> Option<Self> {
        let sandbox = wharf_sandbox::enter().ok()?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        Some(Self { sandbox, runtime: runtime.unwrap() })
    }

    /// A new data directory with the image `busybox`.
    pub(crate) fn fixture(&self) -> Fixture {
        let temp = tempfile::tempdir().unwrap();
        let engine = self.engine(&temp.path().join("data"));
        put_busybox(engine.store());
        Fixture { temp, engine }
    }

    /// An engine on a data directory.
    pub(crate) fn engine(&self, data: &Path) -> Engine {
        let client = Client::new(Settings::default()).unwrap();
        Engine::open(data, self.sandbox.clone(), client, self.runtime.handle().clone()).unwrap()
    }
}

/// A data directory, and room for contexts.
pub(crate) struct Fixture {
    temp: TempDir,
    pub(crate) engine: Engine,
}

/// A build that has ended, and what it said.
pub(crate) struct Built {
    pub(crate) result: Result<BuildResult, BuildError>,
    pub(crate) events: Vec<Event>,
}

impl Fixture {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// A context with these files; names that end in a slash are directories.
    pub(crate) fn context(&self, files: &[(&str, &str)]) -> PathBuf {
        let root = self.path("context");
        fs::create_dir_all(&root).unwrap();
        for (name, content) in files {
            let path = root.join(name);
            if name.ends_with('/') {
                fs::create_dir_all(&path).unwrap();
            } else {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, content).unwrap();
            }
        }
        root
    }

    /// A request for the context made last, with this Dockerfile.
    pub(crate) fn request(&self, dockerfile: &str) -> BuildRequest {
        let root = self.context(&[]);
        fs::write(root.join("Dockerfile"), dockerfile).unwrap();
        BuildRequest::new(ContextSource::Directory(root))
    }

    pub(crate) fn build(&self, request: &BuildRequest) -> Built {
        build(&self.engine, request)
    }

    /// Builds this Dockerfile, which must succeed.
    pub(crate) fn ok(&self, dockerfile: &str) -> BuildResult {
        self.build(&self.request(dockerfile)).ok()
    }

    /// The files of an image by path, as `kind mode owner content`.
    pub(crate) fn files(&self, result: &BuildResult) -> BTreeMap<String, String> {
        files(self.engine.store(), result)
    }
}

pub(crate) fn build(engine: &Engine, request: &BuildRequest) -> Built {
    let events = Mutex::new(Vec::new());
    let result = engine.build(request, &|event| events.lock().unwrap().push(event));
    Built { result, events: events.into_inner().unwrap() }
}

impl Built {
    pub(crate) fn ok(self) -> BuildResult {
        match self.result {
            Ok(result) => result,
            Err(error) => panic!("{}", chain(&error)),
        }
    }

    /// The error with its causes.
    pub(crate) fn error(self) -> String {
        chain(&self.result.expect_err("the build ought to fail"))
    }

    /// Why steps ran, in order.
    pub(crate) fn reasons(&self) -> Vec<&Reason> {
        let reasons = self.events.iter().filter_map(|event| match event {
            Event::Executing { reason, .. } => Some(reason),
            _ => None,
        });
        reasons.collect()
    }

    pub(crate) fn output(&self) -> Vec<&str> {
        let lines = self.events.iter().filter_map(|event| match event {
            Event::Output { line, .. } => Some(line.as_str()),
            _ => None,
        });
        lines.collect()
    }
}

pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// Applies the layers of an image in memory.
pub(crate) fn files(store: &Layout, result: &BuildResult) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for layer in &result.images[0].manifest.layers {
        let blob = store.open_blob(&layer.digest).unwrap();
        let mut reader = LayerReader::new(blob).unwrap();
        while let Some(entry) = reader.next_entry().unwrap() {
            let mut content = String::new();
            if matches!(entry.kind, Kind::File { size } if size < 4096) {
                reader.read_to_string(&mut content).unwrap();
            }
            put(&mut files, &entry, content);
        }
    }
    files
}

fn put(files: &mut BTreeMap<String, String>, entry: &Entry, content: String) {
    let path = format!("/{}", entry.path.display());
    let metadata = &entry.metadata;
    let kind = match &entry.kind {
        Kind::Whiteout => {
            files.retain(|known, _| *known != path && !known.starts_with(&format!("{path}/")));
            return;
        }
        Kind::Opaque => {
            files.retain(|known, _| !known.starts_with(&format!("{path}/")));
            return;
        }
        Kind::File { .. } => "f".to_owned(),
        Kind::Directory => "d".to_owned(),
        Kind::Symlink { target } => format!("l {}", target.display()),
        Kind::HardLink { target } => format!("h {}", target.display()),
        other => format!("{other:?}"),
    };
    let text = format!("{kind} {:o} {}:{} {}", metadata.mode, metadata.uid, metadata.gid, content.trim_end());
    files.insert(path, text.trim_end().to_owned());
}

fn put_busybox(store: &Layout) {
    let mut layer = LayerWriter::new(Vec::new(), &WriteOptions::default());
    let binary = fs::read(BUSYBOX).unwrap();
    for directory in ["bin", "etc", "tmp"] {
        layer.append(&Entry::directory(directory), std::io::empty()).unwrap();
    }
    let mut busybox = Entry::file("bin/busybox", binary.len() as u64);
    busybox.metadata.mode = 0o755;
    layer.append(&busybox, binary.as_slice()).unwrap();
    for applet in APPLETS {
        layer.append(&Entry::symlink(format!("bin/{applet}"), "busybox"), std::io::empty()).unwrap();
    }
    for (path, content) in [
        ("etc/group", "root:x:0:\napp:x:1001:\n"),
        ("etc/passwd", "root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n"),
    ] {
        layer.append(&Entry::file(path, content.len() as u64), content.as_bytes()).unwrap();
    }
    let (bytes, info) = layer.finish().unwrap();
    let blob = store.put(&bytes).unwrap().descriptor(MediaType::ImageLayerGzip);
    let mut config = ImageConfig::empty(&Platform::host());
    config.rootfs.diff_ids.push(info.diff_id);
    config.config.env = Some(vec!["PATH=/bin".into()]);
    config.history.push(History { created_by: Some("busybox".into()), ..History::default() });
    tag(store, "docker.io/library/busybox:latest", &config, vec![blob]);
}

fn tag(store: &Layout, name: &str, config: &ImageConfig, layers: Vec<Descriptor>) {
    let config = store.put(&serde_json::to_vec(config).unwrap()).unwrap().descriptor(MediaType::ImageConfig);
    let manifest = serde_json::to_vec(&Manifest::new(config, layers)).unwrap();
    let descriptor = store.put(&manifest).unwrap().descriptor(MediaType::ImageManifest);
    store.tag(name, &descriptor).unwrap();
}

/// Whether `needle` is in any file below `root`, decompressed where it is compressed.
pub(crate) fn find_bytes(root: &Path, needle: &[u8]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(directory).unwrap().flatten() {
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            if kind.is_dir() {
                pending.push(path);
            } else if kind.is_file() {
                let raw = fs::read(&path).unwrap();
                let mut plain = Vec::new();
                let _ = Decoder::new(raw.as_slice()).and_then(|mut decoder| decoder.read_to_end(&mut plain));
                let holds = |bytes: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
                if holds(&raw) || holds(&plain) {
                    found.push(path);
                }
            }
        }
    }
    found
}
