//! The files that a build is given: its context, and the named ones beside it.
//!
//! A directory of this machine is read where it is, through its ignore file. Everything else (git, archives,
//! downloads) is brought into the build's work directory first.

mod address;
mod archive;
mod git;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use wharf_dockerfile::IgnorePatterns;

pub(crate) use address::without_credentials;
pub(crate) use git::{Found, check_out, find_commit};

use crate::download::download;
use crate::engine::Engine;
use crate::error::{BuildError, Cause, StepError};
use crate::event::Events;
use crate::plan::GitSource;
use crate::request::{BuildRequest, ContextSource, DockerfileSource, NamedContext};
use crate::tree::{Memo, Owners, Tree};
use crate::work::WorkDirectory;

/// The file that says what is left out of a context.
const IGNORE: &str = ".dockerignore";
/// The most that is read of a Dockerfile or an ignore file.
const TEXT_MAX: u64 = 64 << 20;
/// What a download that is no archive is called as a context.
const DOWNLOADED: &str = "context";

/// A context, ready to be read.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) tree: Tree,
    /// Digests of its files from earlier builds, for directories of this machine.
    pub(crate) memo: Option<Memo>,
    /// What BuildKit's caches know those files by.
    pub(crate) sums: Option<Memo>,
}

/// Where the memo of `sums` is kept, beside the one of the context at the same path.
const SUMS: &str = "sums of ";

/// All contexts of one build. Each is loaded when it is first needed.
pub(crate) struct Contexts<'a> {
    engine: &'a Engine,
    work: &'a WorkDirectory,
    request: &'a BuildRequest,
    events: Events<'a>,
    main: OnceLock<Result<Arc<Context>, StepError>>,
    named: BTreeMap<&'a str, OnceLock<Result<Arc<Context>, StepError>>>,
}

impl<'a> Contexts<'a> {
    pub(crate) fn new(
        engine: &'a Engine,
        work: &'a WorkDirectory,
        request: &'a BuildRequest,
        events: Events<'a>,
    ) -> Self {
        let named = request.contexts.keys().map(|name| (name.as_str(), OnceLock::new())).collect();
        Self { engine, work, request, events, main: OnceLock::new(), named }
    }

    /// The build context.
    pub(crate) fn main(&self) -> Result<Arc<Context>, StepError> {
        let load = || self.load(&self.request.context, &self.ignore_text()?).map(Arc::new);
        self.main.get_or_init(load).clone()
    }

    /// The text of the build context's ignore file.
    pub(crate) fn ignore_text(&self) -> Result<Vec<u8>, StepError> {
        match &self.request.context {
            ContextSource::Directory(root) => ignore_file(root, Some(&self.request.dockerfile)),
            _ => Ok(Vec::new()),
        }
    }

    /// A named context that consists of files.
    pub(crate) fn named(&self, name: &str) -> Result<Arc<Context>, StepError> {
        let unknown = || Cause::Refused(format!("there is no build context {name} with files"));
        let Some(NamedContext::Files(source)) = self.request.contexts.get(name) else {
            return Err(unknown().into());
        };
        let load = || {
            let ignore = match source {
                ContextSource::Directory(root) => ignore_file(root, None)?,
                _ => Vec::new(),
            };
            self.load(source, &ignore).map(Arc::new)
        };
        self.named.get(name).ok_or_else(unknown)?.get_or_init(load).clone()
    }

    /// The Dockerfile and how it is called in messages.
    pub(crate) fn dockerfile(&self) -> Result<(String, Vec<u8>), BuildError> {
        let fail = |name: &str| {
            let name = name.to_owned();
            move |source| BuildError::Dockerfile { name, source }
        };
        let loading = |source| BuildError::Context { name: "of the build".into(), source };
        match &self.request.dockerfile {
            DockerfileSource::Inline(text) => Ok(("Dockerfile".into(), text.clone())),
            DockerfileSource::File(path) => {
                let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
                let file = std::fs::File::open(path).map_err(fail(&path.to_string_lossy()))?;
                Ok((name.clone(), read_text(file).map_err(fail(&name))?))
            }
            DockerfileSource::InContext(name) => {
                let context = self.main().map_err(loading)?;
                // The ignore file may name the Dockerfile, and it is read all the same.
                let root = Tree::open(context.tree.path(), Owners::Root).map_err(fail(name))?;
                let file = root.open_file(Path::new(name)).or_else(|error| match &self.request.context {
                    // A Dockerfile alone, given in place of a context.
                    ContextSource::Archive(_) | ContextSource::Url(_) => {
                        root.open_file(Path::new(DOWNLOADED))
                    }
                    _ => Err(error),
                });
                let text = file.and_then(read_text).map_err(fail(name))?;
                Ok((name.clone(), text))
            }
        }
    }

    /// Keeps the digests of files for the next build.
    pub(crate) fn save(&self) -> Result<(), StepError> {
        let loaded = std::iter::once(&self.main).chain(self.named.values()).filter_map(OnceLock::get);
        for context in loaded.flatten() {
            let path = context.tree.path().to_string_lossy();
            for (name, memo) in [(path.to_string(), &context.memo), (format!("{SUMS}{path}"), &context.sums)]
            {
                if let Some(bytes) = memo.as_ref().and_then(Memo::encode) {
                    self.engine.state.keep_memo(&name, &bytes)?;
                }
            }
        }
        Ok(())
    }

    fn load(&self, source: &ContextSource, ignore: &[u8]) -> Result<Context, StepError> {
        let directory = match source {
            ContextSource::Directory(path) => return self.load_directory(path, ignore),
            ContextSource::Empty => self.directory()?,
            ContextSource::Archive(path) => archive::load(path, self.directory()?, DOWNLOADED, self.work)?,
            ContextSource::Git(address) => {
                let source = git_source(address)?;
                let checkout = check_out(&source, self.engine, self.directory()?)?;
                let tree = Tree::open(&checkout.directory, Owners::Root);
                let tree = tree.map_err(Cause::file("opening", &checkout.directory))?;
                let path = tree.resolve(Path::new(&source.subdir));
                checkout.directory.join(path.map_err(Cause::file("looking up", Path::new(&source.subdir)))?)
            }
            ContextSource::Url(url) => {
                let file = download(self.engine, url, None, self.events)?;
                let path = self.engine.store.path(&file.digest);
                archive::load(&path, self.directory()?, DOWNLOADED, self.work)?
            }
        };
        let tree = Tree::open(&directory, Owners::Root).map_err(Cause::file("opening", &directory))?;
        Ok(Context { tree, memo: None, sums: None })
    }

    fn load_directory(&self, path: &Path, ignore: &[u8]) -> Result<Context, StepError> {
        let path = path.canonicalize().map_err(Cause::file("finding", path))?;
        let mut tree = Tree::open(&path, Owners::Root).map_err(Cause::file("opening", &path))?;
        let patterns = IgnorePatterns::parse(ignore)?;
        if !patterns.is_empty() {
            tree = tree.ignoring(Arc::new(patterns));
        }
        let memo = self.memo(&path.to_string_lossy())?;
        let sums = match self.request.cache_to.is_empty() && self.request.cache_from.is_empty() {
            true => None,
            false => Some(self.memo(&format!("{SUMS}{}", path.to_string_lossy()))?),
        };
        Ok(Context { tree, memo: Some(memo), sums })
    }

    fn memo(&self, name: &str) -> Result<Memo, StepError> {
        Ok(self.engine.state.memo(name)?.as_deref().map(Memo::decode).unwrap_or_default())
    }

    fn directory(&self) -> Result<PathBuf, StepError> {
        self.work
            .directory("context")
            .map_err(Cause::file("making a directory in", Path::new("the work directory")))
    }
}

/// The text of the ignore file for a context at `root`: the Dockerfile's own where it has one.
fn ignore_file(root: &Path, dockerfile: Option<&DockerfileSource>) -> Result<Vec<u8>, StepError> {
    let own = match dockerfile {
        Some(DockerfileSource::File(path)) => Some(path.clone()),
        Some(DockerfileSource::InContext(name)) => Some(root.join(name)),
        Some(DockerfileSource::Inline(_)) | None => None,
    };
    let own = own.map(|path| {
        let mut name = path.into_os_string();
        name.push(IGNORE);
        PathBuf::from(name)
    });
    for path in own.into_iter().chain([root.join(IGNORE)]) {
        match std::fs::File::open(&path) {
            Ok(file) => return read_text(file).map_err(Cause::file("reading", &path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Cause::file("opening", &path)(error)),
        }
    }
    Ok(Vec::new())
}

fn read_text(file: std::fs::File) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(file, TEXT_MAX + 1), &mut text)?;
    match text.len() as u64 > TEXT_MAX {
        true => Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 64 MiB")),
        false => Ok(text),
    }
}

fn git_source(address: &str) -> Result<GitSource, StepError> {
    let known = address.strip_prefix("github.com/").map(|rest| format!("https://github.com/{rest}"));
    let source = GitSource::parse(known.as_deref().unwrap_or(address)).map_err(Cause::Refused)?;
    Ok(source.ok_or_else(|| Cause::Refused(format!("{address} is no git repository")))?)
}
