//! The operations of a plan: everything a step may do to a file system.

use wharf_dockerfile::{Network, Security, Sharing};
use wharf_oci::{Digest, Platform};

use super::{ModeChange, StageId};

/// One change of a stage's file system. Each operation makes exactly one layer, even when nothing changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Run a process.
    Run(RunOp),
    /// Copy files in (`COPY` and `ADD`).
    Copy(CopyOp),
    /// Make the working directory.
    Workdir(WorkdirOp),
}

/// Where files come from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    /// The build context, without what the ignore file names.
    Context,
    /// The result of a stage of this plan.
    Stage(StageId),
    /// The files of an image.
    Image(PinnedImage),
    /// A named context that is not an image, by the name in [`super::Request::contexts`].
    NamedContext(String),
    /// Nothing.
    Scratch,
}

/// An image as the base resolver answered it: the engine finds its layers by the digest.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PinnedImage {
    /// As it was asked for: a full reference, or the name of a named context.
    pub reference: String,
    /// The digest of the manifest for `platform`.
    pub digest: Digest,
    /// The platform that was asked for.
    pub platform: Platform,
}

/// One environment variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvVar {
    /// The name; never empty.
    pub name: String,
    /// The value.
    pub value: String,
}

/// `RUN`: a process in the stage's file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunOp {
    /// The program and its arguments, the shell included.
    pub args: Vec<String>,
    /// The complete environment in the order the process sees it, except `proxy`.
    pub env: Vec<EnvVar>,
    /// Proxy variables for the process: they count neither for the cache key nor for the history.
    pub proxy: Vec<EnvVar>,
    /// `name[:group]` or numbers; empty means root. Names are looked up in the stage's own files.
    pub user: String,
    /// The working directory, absolute; made when the stage lacks it.
    pub cwd: String,
    /// What is mounted for the time of the step, in the order of the instruction.
    pub mounts: Vec<Mount>,
    /// How it reaches the network.
    pub network: Network,
    /// How it is confined.
    pub security: Security,
    /// The host name it sees; `None` leaves the choice to the sandbox.
    pub hostname: Option<String>,
}

/// One `--mount` of a `RUN`, or a script that its here-document asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mount {
    /// Files from elsewhere.
    Bind(BindMount),
    /// A directory that outlives the build.
    Cache(CacheMount),
    /// An empty file system in memory.
    Tmpfs(TmpfsMount),
    /// A secret as a file, as a variable, or both.
    Secret(SecretMount),
    /// An agent's socket.
    Ssh(SshMount),
    /// A here-document that names its interpreter.
    Script(Script),
}

/// `type=bind`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindMount {
    /// Where, absolute.
    pub target: String,
    /// What is mounted.
    pub from: Source,
    /// The path inside `from`, absolute and clean; it may be a file.
    pub source: String,
    /// Whether writes are refused; where they are not, they are discarded after the step.
    pub read_only: bool,
}

/// `type=cache`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheMount {
    /// Where, absolute.
    pub target: String,
    /// Which cache, with the namespace of `BUILDKIT_CACHE_MOUNT_NS` in front.
    pub id: String,
    /// What several steps at once may do.
    pub sharing: Sharing,
    /// What a new cache starts as.
    pub from: Source,
    /// The path inside `from`, absolute and clean.
    pub source: String,
    /// Owner and mode of a new cache's root; `None` where the instruction says nothing of it.
    pub owner: Option<FileOwner>,
    /// Whether writes are refused.
    pub read_only: bool,
}

/// `type=tmpfs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TmpfsMount {
    /// Where, absolute.
    pub target: String,
    /// The most it may hold, bytes; `None` is the kernel's default.
    pub size: Option<u64>,
    /// Whether writes are refused.
    pub read_only: bool,
}

/// `type=secret`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretMount {
    /// Which secret.
    pub id: String,
    /// The file to make, absolute; `None` where it is only a variable.
    pub target: Option<String>,
    /// The variable to set.
    pub env: Option<String>,
    /// Whether the step fails without it; otherwise it is left out.
    pub required: bool,
    /// Owner and mode of the file.
    pub owner: FileOwner,
}

/// `type=ssh`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshMount {
    /// Which agent; `default` where none is named.
    pub id: String,
    /// Whether one is named.
    pub is_named: bool,
    /// The socket to make, absolute.
    pub target: String,
    /// Whether the step fails without it; otherwise it is left out.
    pub required: bool,
    /// Owner and mode of the socket.
    pub owner: FileOwner,
}

/// Owner and permission bits in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileOwner {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permission bits.
    pub mode: u32,
}

/// A here-document that starts with `#!`: a read-only directory is mounted with this one executable file in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// The directory, absolute.
    pub directory: String,
    /// The file in it; [`RunOp::args`] names it in full.
    pub name: String,
    /// The script. Its mode is 0755.
    pub content: Vec<u8>,
}

/// `COPY` and `ADD`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyOp {
    /// What is copied, in order.
    pub sources: Vec<CopySource>,
    /// Where the paths among `sources` are found.
    pub from: Source,
    /// Where to, absolute and clean, with its trailing slash where it was written with one (or as `.`).
    pub dest: String,
    /// `user[:group]` in names or numbers, looked up in the stage's own files; `None` means 0:0 for files of
    /// the context, and the owners as they are for files of stages and images.
    pub chown: Option<String>,
    /// The mode to give.
    pub chmod: Option<ModeChange>,
    /// Make the layer without looking at what is below it.
    pub link: bool,
    /// Patterns of what to leave out, relative to each source.
    pub excludes: Vec<String>,
    /// Whether local archives are unpacked.
    pub unpack: bool,
    /// `ADD`, not `COPY`.
    pub is_add: bool,
}

impl CopyOp {
    /// Whether the destination is a directory by its spelling.
    pub fn dest_is_dir(&self) -> bool {
        self.dest.ends_with('/')
    }
}

/// One source of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopySource {
    /// A path or glob inside [`CopyOp::from`], absolute and clean. A glob without a match copies nothing;
    /// a path that is missing is an error. Of a directory, the contents are copied.
    Path {
        /// The path or glob.
        path: String,
        /// Set by `--parents`.
        parents: Option<Parents>,
    },
    /// A here-document, mode 0644, copied as the file `name`.
    Inline {
        /// The file's name.
        name: String,
        /// What is in it, expanded.
        content: Vec<u8>,
    },
    /// A file from a URL, mode 0600 unless `chmod` says otherwise.
    Url {
        /// Where.
        url: String,
        /// The file's name: the last part of the URL's path.
        name: String,
        /// What it must hash to.
        checksum: Option<Digest>,
        /// Whether an archive is unpacked.
        unpack: bool,
    },
    /// A git repository, whose contents are copied.
    Git(GitSource),
}

/// `COPY --parents`: keep the directories between the pivot and what matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parents {
    /// The pattern below the path of the source, which is the part before `/./` (or the root).
    pub pattern: String,
    /// A path that must exist, absolute: set where neither part is a glob.
    pub required: Option<String>,
}

/// What to check out of a git repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitSource {
    /// The repository's address, without fragment and query.
    pub remote: String,
    /// Branch, tag or commit; empty means the remote's HEAD.
    pub reference: String,
    /// The directory in it to take; empty means all.
    pub subdir: String,
    /// The commit it must be.
    pub checksum: Option<String>,
    /// Whether `.git` is kept.
    pub keep_git_dir: bool,
    /// Whether submodules are checked out.
    pub submodules: bool,
}

/// `WORKDIR`: make a directory and its missing parents, mode 0755.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkdirOp {
    /// The directory, absolute and clean.
    pub path: String,
    /// Who owns what is made, as in [`RunOp::user`].
    pub user: String,
}
