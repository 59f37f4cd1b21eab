//! A build request in the words of a builder: what it is told, and what it may ask of this machine.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::NamedTempFile;
use wharf_build::plan::Network;
use wharf_build::{BuildRequest, ContextSource, DockerfileSource, HostCa, NamedContext, Secret};
use wharf_buildkit::session::{self, Blobs, Files, Offer};
use wharf_buildkit::{Answer, Builder, Entry, Feature, Frontend, Solve};
use wharf_oci::{Descriptor, Platform, digest};
use wharf_registry::Layout;

use super::failure::of_builder;
use super::keyring::Keys;
use super::store::Shelf;
use crate::exit::{Failure, OrFail};
use crate::world::World;

/// What was typed that only a builder understands, or that it understands better as it was typed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Verbatim {
    /// `--cache-from`.
    pub(crate) cache_from: Vec<Entry>,
    /// `--cache-to`.
    pub(crate) cache_to: Vec<Entry>,
    /// `--provenance`, `--sbom` and `--attest`.
    pub(crate) attestations: BTreeMap<String, String>,
}

/// A build, ready to be handed over, without an exporter.
pub(super) struct Prepared {
    frontend: Frontend,
    verbatim: Verbatim,
    entitlements: Vec<String>,
    shared_key: String,
    files: BTreeMap<String, Files>,
    secrets: BTreeMap<String, session::Secret>,
    agents: BTreeMap<String, PathBuf>,
    stores: BTreeMap<String, Arc<dyn Blobs>>,
    uploads: BTreeMap<String, PathBuf>,
    /// A context from standard input, kept as long as it may be asked for.
    _spooled: Option<NamedTempFile>,
    /// Caches in directories that are written: where, and under which name.
    pub(super) local_caches: Vec<(PathBuf, String)>,
    /// What a person should know.
    pub(super) warnings: Vec<String>,
}

impl Prepared {
    /// The build once more for these platforms, and what it may ask for.
    pub(super) fn solve(
        &self,
        world: &World,
        platforms: &[Platform],
        exporter: Option<Entry>,
    ) -> (Solve, Offer) {
        let frontend = Frontend { platforms: platforms.to_vec(), ..self.frontend.clone() };
        let solve = Solve {
            frontend: frontend.attributes(),
            exporter,
            cache_from: self.verbatim.cache_from.clone(),
            cache_to: self.verbatim.cache_to.clone(),
            entitlements: self.entitlements.clone(),
        };
        let offer = Offer {
            shared_key: self.shared_key.clone(),
            files: self.files.clone(),
            secrets: self.secrets.clone(),
            agents: self.agents.clone(),
            keyring: Some(Arc::new(Keys(world.client.clone()))),
            stores: self.stores.clone(),
            uploads: self.uploads.clone(),
            target: None,
        };
        (solve, offer)
    }

    /// What a builder must be able to do.
    pub(super) fn demand(&self, builder: &Builder, request: &BuildRequest) -> Result<(), Failure> {
        let wanted = [
            (request.shm_size.is_some(), "--shm-size", (0, 9)),
            (!request.ulimits.is_empty(), "--ulimit", (0, 9)),
            (!request.contexts.is_empty(), "--build-context", (0, 10)),
            (!self.verbatim.attestations.is_empty(), "an attestation (--provenance, --sbom)", (0, 11)),
            (request.image.rewrite_timestamp, "rewrite-timestamp=true", (0, 13)),
        ];
        for (_, name, since) in wanted.into_iter().filter(|(wanted, ..)| *wanted) {
            builder.require(Feature { name, since }).map_err(of_builder)?;
        }
        Ok(())
    }
}

/// Reads the request, and what it needs of this machine's files, for so many shares.
pub(super) fn prepare(
    world: &World,
    request: &BuildRequest,
    verbatim: &Verbatim,
    shares: usize,
) -> Result<Prepared, Failure> {
    let options = &request.options;
    let mut prepared = Prepared {
        frontend: frontend(request),
        verbatim: verbatim.clone(),
        entitlements: options.allow.clone(),
        shared_key: shared_key(&request.context),
        files: BTreeMap::new(),
        secrets: request.secrets.iter().map(|(id, secret)| (id.clone(), as_offered(secret))).collect(),
        agents: request.ssh.clone(),
        stores: BTreeMap::new(),
        uploads: BTreeMap::new(),
        _spooled: None,
        local_caches: Vec::new(),
        warnings: warnings(request),
    };
    prepared.frontend.attestations.clone_from(&verbatim.attestations);
    if options.network == Network::Host && !prepared.entitlements.iter().any(|known| known == "network.host")
    {
        prepared.entitlements.push("network.host".into());
    }
    let inline = prepared.context(world, &request.context)?;
    prepared.dockerfile(request, inline);
    for (name, context) in &request.contexts {
        prepared.named_context(name, context)?;
    }
    prepared.caches()?;
    if shares > 1 && verbatim.cache_to.iter().any(|entry| entry.kind != "inline") {
        prepared.warnings.push(
            "several builders write one cache, and that of the last remains: give each build of a platform its own \
             --cache-to"
                .into(),
        );
    }
    Ok(prepared)
}

/// What a builder has no way to do.
fn warnings(request: &BuildRequest) -> Vec<String> {
    let limited = request.limits.memory.is_some() || request.limits.cpu.is_some();
    let told = [
        (limited, "--memory and --cpu-quota are passed over: a BuildKit limits its steps as a whole"),
        (
            request.host_ca == HostCa::On,
            "--host-ca is passed over: a BuildKit trusts what its own host trusts",
        ),
    ];
    told.iter().filter(|(is, _)| *is).map(|(_, text)| (*text).to_owned()).collect()
}

fn frontend(request: &BuildRequest) -> Frontend {
    let options = &request.options;
    let mut args = request.proxies.clone();
    args.extend(options.build_args.clone());
    let limit = |limit: Option<u64>| limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
    Frontend {
        dockerfile: "Dockerfile".into(),
        target: options.target.clone(),
        args,
        labels: options.labels.clone(),
        no_cache: options.no_cache.clone(),
        pull: request.pull,
        network: options.network,
        hosts: request
            .extra_hosts
            .iter()
            .filter_map(|(name, address)| Some((name.clone(), address.parse().ok()?)))
            .collect(),
        shm_size: request.shm_size,
        ulimits: request
            .ulimits
            .iter()
            .map(|ulimit| (ulimit.resource.to_string(), limit(ulimit.soft), limit(ulimit.hard)))
            .collect(),
        ..Frontend::default()
    }
}

fn as_offered(secret: &Secret) -> session::Secret {
    match secret {
        Secret::File(path) => session::Secret::File(path.clone()),
        Secret::Value(value) => session::Secret::Value(value.clone()),
    }
}

/// By this the builder knows the project again and compares its files with those of the last build. The path itself
/// is nobody's business there.
fn shared_key(context: &ContextSource) -> String {
    let ContextSource::Directory(path) = context else { return String::new() };
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.clone());
    let machine = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let name = format!("{}\n{}", machine.trim(), path.display());
    digest::short(&digest::sha256(name.as_bytes()), 32).to_owned()
}

impl Prepared {
    /// Brings the context in; gives the Dockerfile that came in its place.
    fn context(&mut self, world: &World, context: &ContextSource) -> Result<Option<Vec<u8>>, Failure> {
        match context {
            ContextSource::Directory(path) => {
                self.files.insert("context".into(), Files::Directory(path.clone()));
            }
            ContextSource::Git(url) | ContextSource::Url(url) => self.frontend.context = Some(url.clone()),
            ContextSource::Empty => {
                self.files.insert("context".into(), Files::Inline(BTreeMap::new()));
            }
            ContextSource::Archive(path) => return self.archive(world, path),
        }
        Ok(None)
    }

    /// An archive goes to the builder as it is. A file that is none is a Dockerfile, and there are no files.
    fn archive(&mut self, world: &World, path: &Path) -> Result<Option<Vec<u8>>, Failure> {
        let mut file = std::fs::File::open(path).or_hint("is standard input open?")?;
        let mut spooled = NamedTempFile::new_in(&world.data_dir)?;
        std::io::copy(&mut file, &mut spooled)?;
        spooled.flush()?;
        let mut head = Vec::new();
        std::fs::File::open(spooled.path())?.take(512).read_to_end(&mut head)?;
        if !is_archive(&head) {
            self.files.insert("context".into(), Files::Inline(BTreeMap::new()));
            return Ok(Some(std::fs::read(spooled.path())?));
        }
        let name = uuid::Uuid::new_v4().simple().to_string();
        self.frontend.context = Some(format!("http://buildkit-session/{name}"));
        self.uploads.insert(name, spooled.path().to_owned());
        self._spooled = Some(spooled);
        Ok(None)
    }

    fn dockerfile(&mut self, request: &BuildRequest, inline: Option<Vec<u8>>) {
        let (files, name) = match (inline, &request.dockerfile, &request.context) {
            (Some(text), ..) => (inline_dockerfile(text), "Dockerfile".to_owned()),
            (None, DockerfileSource::Inline(text), _) => {
                (inline_dockerfile(text.clone()), "Dockerfile".into())
            }
            (None, DockerfileSource::File(path), _) => {
                let above = path.parent().filter(|above| !above.as_os_str().is_empty());
                let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
                let above = above.unwrap_or(Path::new(".")).to_owned();
                (Files::Directory(above), name.unwrap_or_default())
            }
            (None, DockerfileSource::InContext(name), ContextSource::Directory(path)) => {
                (Files::Directory(path.clone()), name.clone())
            }
            // In a context that is elsewhere, so is its Dockerfile.
            (None, DockerfileSource::InContext(name), _) => {
                self.frontend.dockerfile.clone_from(name);
                return;
            }
        };
        self.frontend.own_dockerfile = self.frontend.context.is_some();
        self.frontend.dockerfile = name;
        self.files.insert("dockerfile".into(), files);
    }

    fn named_context(&mut self, name: &str, context: &NamedContext) -> Result<(), Failure> {
        let place = match context {
            NamedContext::Image(reference) => format!("docker-image://{reference}"),
            NamedContext::Scratch => "docker-image://scratch".into(),
            NamedContext::Files(ContextSource::Git(url) | ContextSource::Url(url)) => url.clone(),
            NamedContext::Files(ContextSource::Archive(_)) => {
                return Err(Failure::usage(format!(
                    "--build-context {name} cannot come from standard input"
                )));
            }
            NamedContext::Files(ContextSource::Directory(path)) => {
                self.local(name, Files::Directory(path.clone()))
            }
            NamedContext::Files(ContextSource::Empty) => self.local(name, Files::Inline(BTreeMap::new())),
            NamedContext::Layout { path, name: wanted } => self.layout(path, wanted.as_deref())?,
        };
        self.frontend.contexts.insert(name.to_owned(), place);
        Ok(())
    }

    /// Files beside the context; two names are taken.
    fn local(&mut self, name: &str, files: Files) -> String {
        let taken = matches!(name, "context" | "dockerfile");
        let name = if taken { format!("_{name}") } else { name.to_owned() };
        self.files.insert(name.clone(), files);
        format!("local:{name}")
    }

    fn layout(&mut self, path: &Path, wanted: Option<&str>) -> Result<String, Failure> {
        let layout = Layout::existing(path)?;
        let found = match wanted {
            Some(digest) if digest.contains(':') => Some(digest.to_owned()),
            Some(tag) => layout.resolve(tag)?.map(|found| found.digest.to_string()),
            None => match (layout.resolve("latest")?, layout.index()?.manifests.as_slice()) {
                (Some(latest), _) => Some(latest.digest.to_string()),
                (None, [only]) => Some(only.digest.to_string()),
                (None, _) => None,
            },
        };
        let wanted = wanted.unwrap_or("latest");
        let shown = path.display();
        let digest =
            found.ok_or_else(|| Failure::usage(format!("the layout `{shown}` has no image `{wanted}`")))?;
        let id = uuid::Uuid::new_v4().simple().to_string();
        self.stores.insert(format!("oci:{id}"), Arc::new(Shelf(layout)));
        Ok(format!("oci-layout://{id}@{digest}"))
    }

    /// Caches in directories are read and written through the session.
    fn caches(&mut self) -> Result<(), Failure> {
        let option =
            |entry: &Entry, name: &str| entry.options.get(name).filter(|text| !text.is_empty()).cloned();
        for entry in self.verbatim.cache_to.iter().filter(|entry| entry.kind == "local") {
            let place = option(entry, "dest").unwrap_or_default();
            let layout = Layout::open(&place)?;
            self.stores.insert(format!("local:{place}"), Arc::new(Shelf(layout)));
            let tag = option(entry, "tag").unwrap_or_else(|| "latest".into());
            self.local_caches.push((place.into(), tag));
        }
        let mut absent = Vec::new();
        for (index, entry) in self.verbatim.cache_from.iter_mut().enumerate() {
            if entry.kind != "local" {
                continue;
            }
            let place = option(entry, "src").unwrap_or_default();
            let tag = option(entry, "tag").unwrap_or_else(|| "latest".into());
            let found = Layout::existing(&place).ok().and_then(|layout| {
                let digest = match option(entry, "digest") {
                    Some(digest) => digest,
                    None => layout.resolve(&tag).ok()??.digest.to_string(),
                };
                Some((layout, digest))
            });
            let Some((layout, digest)) = found else {
                self.warnings.push(format!("there is no cache `{tag}` in `{place}`"));
                absent.push(index);
                continue;
            };
            entry.options.insert("digest".into(), digest);
            self.stores.insert(format!("local:{place}"), Arc::new(Shelf(layout)));
        }
        for index in absent.into_iter().rev() {
            self.verbatim.cache_from.remove(index);
        }
        Ok(())
    }
}

impl Prepared {
    /// Caches that were written into directories get their names.
    pub(super) fn keep_caches(&self, answer: &Answer) -> Result<(), Failure> {
        let Some(text) = answer.get("cache.manifest") else { return Ok(()) };
        let manifest: Descriptor =
            serde_json::from_str(text).or_hint("the builder's answer makes no sense")?;
        for (path, tag) in &self.local_caches {
            Layout::open(path)?.tag(tag, &manifest)?;
        }
        Ok(())
    }
}

fn inline_dockerfile(text: Vec<u8>) -> Files {
    Files::Inline([("Dockerfile".to_owned(), text)].into())
}

/// Whether bytes begin a tar, compressed or not, as moby tells them from a Dockerfile.
fn is_archive(head: &[u8]) -> bool {
    let compressed: [&[u8]; 4] = [b"\x1f\x8b\x08", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd"];
    compressed.iter().any(|magic| head.starts_with(magic))
        || head.get(257..262).is_some_and(|magic| magic == b"ustar")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_told_from_dockerfiles() {
        let mut tar = vec![0; 512];
        tar[257..262].copy_from_slice(b"ustar");
        assert!(is_archive(&tar) && is_archive(b"\x1f\x8b\x08...."));
        assert!(!is_archive(b"FROM scratch\n") && !is_archive(b""));
    }

    #[test]
    fn a_project_is_known_again_and_does_not_show_its_path() {
        let key = |path: &str| shared_key(&ContextSource::Directory(path.into()));
        assert_eq!(key("/tmp"), key("/tmp/."));
        assert_ne!(key("/tmp"), key("/"));
        assert!(!key("/tmp").contains("tmp"));
    }
}
