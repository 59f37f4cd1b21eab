//! `RUN --mount`: kept as text until variables are known, then typed and validated.

/// A `--mount` as it was written. Its options may hold variables, so it is typed only when it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountFlag {
    /// The flag's value.
    pub text: String,
}

impl MountFlag {
    /// The mount, its values passed through `expand`.
    pub fn resolve<E>(&self, expand: impl FnMut(&str) -> Result<String, E>) -> Result<Mount, E>
    where
        E: From<MountError>,
    {
        let _ = expand;
        Err(MountError { message: format!("unsupported mount {}", self.text) }.into())
    }

    /// The stage, image or context named by `from`, which may not hold variables.
    pub fn from(&self) -> Option<String> {
        None
    }
}

/// What a `--mount` may not say, in BuildKit's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct MountError {
    /// The sentence.
    pub message: String,
}

/// What is mounted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum MountType {
    /// Files of the context, a stage or an image.
    #[default]
    Bind,
    /// A directory that survives the build.
    Cache,
    /// An empty directory in memory.
    Tmpfs,
    /// A secret as a file or a variable.
    Secret,
    /// The socket of an SSH agent.
    Ssh,
}

/// Whether several steps may use a cache at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Sharing {
    /// At once.
    #[default]
    Shared,
    /// Each writer its own.
    Private,
    /// One after the other.
    Locked,
}

/// A mount of a `RUN` instruction, validated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mount {
    /// What is mounted.
    pub kind: MountType,
    /// `from`: stage, image or named context.
    pub from: Option<String>,
    /// `source`: path in what `from` names; for secrets, an old word for `id`.
    pub source: Option<String>,
    /// `target`, not yet joined to the working directory.
    pub target: Option<String>,
    /// Whether writes are refused; already set to the type's default where the flag says nothing.
    pub read_only: bool,
    /// `size` of a tmpfs in bytes.
    pub size_limit: Option<u64>,
    /// `id` of a cache, a secret or an SSH agent.
    pub id: Option<String>,
    /// `sharing` of a cache.
    pub sharing: Option<Sharing>,
    /// `required`: fail where the secret or agent is missing.
    pub required: bool,
    /// `env`: the variable that gets the secret.
    pub env: Option<String>,
    /// `mode`: permission bits.
    pub mode: Option<u32>,
    /// `uid` of the owner.
    pub uid: Option<u32>,
    /// `gid` of the owner.
    pub gid: Option<u32>,
}
