//! The files that a step takes from elsewhere, as far as its key needs them.
//!
//! Files of contexts are known by their contents. Those of stages and images are known by their layers first,
//! which needs no unpacking, and by their contents only when no step is known with these layers.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use wharf_dockerfile::ignore::has_wildcard;
use wharf_oci::Digest;

use super::key::{FILES, Parts, SOURCE};
use crate::contexts::find_commit;
use crate::download::{Downloaded, download};
use crate::error::{Cause, StepError};
use crate::id::{Hasher, Id};
use crate::llb::{self, Node};
use crate::plan::{BindMount, CopyOp, CopySource, Mount, Op, Source};
use crate::session::{Files, Session};
use crate::tree::{Pick, PickError, Query, digest, pick};

/// The files of a step.
pub(super) struct Inputs {
    asked: Vec<Asked>,
    /// The paths of the context that are used, with their digests.
    pub(super) files: Vec<(PathBuf, Id)>,
    /// The digests of files from stages and images, once somebody asked for them.
    from_sources: Option<Vec<Id>>,
    /// What is known of files that come over the network.
    remote: Option<Id>,
    /// The downloads among the sources of a copy, in order.
    pub(super) downloads: Vec<Downloaded>,
    /// What BuildKit knows files and repositories from the network by.
    nodes: Vec<(CopySource, Arc<Node>)>,
    sources: Option<Id>,
    contents: Option<Id>,
}

/// Some files of one source.
struct Asked {
    source: Source,
    queries: Vec<OwnedQuery>,
    excludes: Vec<String>,
    found: Option<Found>,
}

struct OwnedQuery {
    path: String,
    glob: bool,
    parents: Option<crate::plan::Parents>,
}

/// Files that were found, per query.
pub(super) struct Found {
    pub(super) files: Files,
    pub(super) picks: Vec<Vec<Pick>>,
}

impl Inputs {
    /// What `op` takes. Files of contexts are hashed, as far as they are not known.
    pub(super) fn new(session: &Session<'_>, op: &Op) -> Result<Self, StepError> {
        let asked = match op {
            Op::Copy(copy) => asked_by_copy(copy).into_iter().collect(),
            Op::Run(run) => run.mounts.iter().filter_map(asked_by_mount).collect(),
            Op::Workdir(_) => Vec::new(),
        };
        let mut inputs = Self {
            asked,
            files: Vec::new(),
            from_sources: None,
            remote: None,
            downloads: Vec::new(),
            nodes: Vec::new(),
            sources: None,
            contents: None,
        };
        inputs.hash_contexts(session)?;
        inputs.identify_sources(session)?;
        if let Op::Copy(copy) = op {
            inputs.identify_remote(session, copy)?;
        }
        Ok(inputs)
    }

    /// Adds the parts that these files bring to a key.
    pub(super) fn add_to(&self, parts: &mut Parts) -> Result<(), StepError> {
        let known = [(FILES, self.contents), (SOURCE, self.sources), ("remote", self.remote)];
        for (label, id) in known {
            if let Some(id) = id {
                parts.push(label, id);
            }
        }
        Ok(())
    }

    /// What a copy takes from its paths.
    pub(super) fn found(&mut self, session: &Session<'_>) -> Result<Option<&Found>, StepError> {
        match self.asked.first_mut() {
            Some(asked) => asked.find(session).map(Some),
            None => Ok(None),
        }
    }

    /// The digests of the files that a copy takes from its paths, in order, as far as they are known.
    pub(super) fn digests(&self) -> Option<Vec<Id>> {
        match self.asked.first()?.is_context() {
            true => Some(self.files.iter().map(|(_, digest)| *digest).collect()),
            false => self.from_sources.clone(),
        }
    }

    /// What BuildKit knows the files of a context by; `None` where that is not known.
    pub(super) fn content(&self, source: &Source) -> Result<Option<Digest>, StepError> {
        let mut selected = Vec::new();
        let mut files = None;
        for asked in self.asked.iter().filter(|asked| asked.source == *source) {
            let Some(found) = &asked.found else { return Ok(None) };
            files = Some(&found.files);
            selected.extend(asked.queries.iter().zip(&found.picks).map(|(query, picks)| llb::Selected {
                path: &query.path,
                picks,
                is_filtered: !asked.excludes.is_empty()
                    || query.parents.is_some()
                    || (query.glob && has_wildcard(&query.path)),
            }));
        }
        match files {
            Some(files) => llb::content(files.tree(), &selected, files.sums())
                .map_err(Cause::file("reading", Path::new("/"))),
            None => Ok(None),
        }
    }

    /// What BuildKit knows a file or a repository from the network by, if that is known.
    pub(super) fn remote(&self, source: &CopySource) -> Option<Arc<Node>> {
        self.nodes.iter().find(|(known, _)| known == source).map(|(_, node)| node.clone())
    }

    /// The contents of what is taken from stages and images, which are unpacked for it.
    pub(super) fn contents_of_sources(&mut self, session: &Session<'_>) -> Result<Option<Id>, StepError> {
        if self.sources.is_none() {
            return Ok(None);
        }
        let mut hasher = Hasher::new("contents of sources");
        let mut digests = Vec::new();
        for asked in self.asked.iter_mut().filter(|asked| !asked.is_context()) {
            let found = asked.find(session)?;
            for picks in &found.picks {
                let contents = hash(&found.files, picks)?;
                hasher.id(&contents.id);
                digests.extend(contents.files.iter().map(|(_, digest)| *digest));
            }
        }
        self.from_sources = Some(digests);
        Ok(Some(hasher.finish()))
    }

    fn hash_contexts(&mut self, session: &Session<'_>) -> Result<(), StepError> {
        let mut hasher = Hasher::new("contents of contexts");
        let mut any = false;
        for asked in self.asked.iter_mut().filter(|asked| asked.is_context()) {
            any = true;
            let found = asked.find(session)?;
            for picks in &found.picks {
                let contents = hash(&found.files, picks)?;
                hasher.id(&contents.id);
                self.files.extend(contents.files);
            }
        }
        self.contents = any.then(|| hasher.finish());
        Ok(())
    }

    fn identify_sources(&mut self, session: &Session<'_>) -> Result<(), StepError> {
        let mut hasher = Hasher::new("layers of sources");
        let mut any = false;
        for asked in &self.asked {
            if let Some(chain) = session.source_chain(&asked.source)? {
                any = true;
                hasher.id(&chain.id);
            }
        }
        self.sources = any.then(|| hasher.finish());
        Ok(())
    }

    fn identify_remote(&mut self, session: &Session<'_>, op: &CopyOp) -> Result<(), StepError> {
        let mut hasher = Hasher::new("remote");
        let mut any = false;
        for source in &op.sources {
            let node = match source {
                CopySource::Git(git) => {
                    let found = find_commit(git)?;
                    hasher.text(&found.commit);
                    if git.keep_git_dir {
                        hasher.text(found.reference.as_deref().unwrap_or_default());
                    }
                    llb::git(git, &found)
                }
                CopySource::Url { url, name, checksum, .. } => {
                    let file = download(session.engine, url, checksum.as_ref(), session.events)?;
                    hasher.text(file.digest.as_ref());
                    let node = llb::url(name, &file, checksum.is_some());
                    self.downloads.push(file);
                    Some(node)
                }
                CopySource::Path { .. } | CopySource::Inline { .. } => continue,
            };
            self.nodes.extend(node.map(|node| (source.clone(), node)));
            any = true;
        }
        self.remote = any.then(|| hasher.finish());
        Ok(())
    }
}

impl Asked {
    fn is_context(&self) -> bool {
        matches!(self.source, Source::Context | Source::NamedContext(_))
    }

    fn find(&mut self, session: &Session<'_>) -> Result<&Found, StepError> {
        if self.found.is_none() {
            let files = session.files(&self.source)?;
            let mut picks = Vec::new();
            for query in &self.queries {
                let OwnedQuery { path, glob, parents } = query;
                let query = Query { path, glob: *glob, parents: parents.as_ref(), excludes: &self.excludes };
                picks.push(pick(files.tree(), &query)?);
            }
            self.found = Some(Found { files, picks });
        }
        self.found.as_ref().ok_or_else(|| Cause::Cancelled.into())
    }
}

fn asked_by_copy(op: &CopyOp) -> Option<Asked> {
    let paths = op.sources.iter().filter_map(|source| match source {
        CopySource::Path { path, parents } => {
            Some(OwnedQuery { path: path.clone(), glob: true, parents: parents.clone() })
        }
        _ => None,
    });
    let queries: Vec<OwnedQuery> = paths.collect();
    let asked = Asked { source: op.from.clone(), queries, excludes: op.excludes.clone(), found: None };
    (!asked.queries.is_empty()).then_some(asked)
}

fn asked_by_mount(mount: &Mount) -> Option<Asked> {
    let (source, path) = match mount {
        Mount::Bind(BindMount { from, source, .. }) => (from, source),
        Mount::Cache(cache) => (&cache.from, &cache.source),
        Mount::Tmpfs(_) | Mount::Secret(_) | Mount::Ssh(_) | Mount::Script(_) => return None,
    };
    if *source == Source::Scratch {
        return None;
    }
    let query = OwnedQuery { path: path.clone(), glob: false, parents: None };
    Some(Asked { source: source.clone(), queries: vec![query], excludes: Vec::new(), found: None })
}

fn hash(files: &Files, picks: &[Pick]) -> Result<crate::tree::Contents, StepError> {
    digest(files.tree(), picks, files.memo()).map_err(|error| {
        Cause::File { action: "reading", path: PathBuf::from("/").join(error.path), source: error.source }
            .into()
    })
}

impl From<PickError> for StepError {
    fn from(error: PickError) -> Self {
        match error {
            PickError::NotFound { path, nearest } => Cause::NotFound { path, nearest }.into(),
            PickError::Pattern(error) => error.into(),
            PickError::Read { path, source } => {
                Cause::File { action: "reading", path: path.into(), source }.into()
            }
        }
    }
}
