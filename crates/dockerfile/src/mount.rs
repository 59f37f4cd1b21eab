//! `RUN --mount`: kept as text until variables are known, then typed and validated.

use crate::error::Problem;
use crate::{go, suggest};

/// The most that a secret may hold, in bytes: BuildKit's own limit.
pub const LARGEST_SECRET: u64 = 500 << 10;

/// A `--mount` as it was written. Its options may hold variables, so it is typed only when it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountFlag {
    text: String,
    from: Option<String>,
}

impl MountFlag {
    /// Checks what can be checked before variables are known.
    pub(crate) fn parse(text: &str) -> Result<Self, Problem> {
        let mut from = None;
        let problem = |message: String| Problem::new(message).at(text);
        for field in go::csv_record(text).map_err(|reason| problem(not_csv("mounts", reason)))? {
            if let Some((key, value)) = field.split_once('=')
                && key.eq_ignore_ascii_case("from")
            {
                if value.find('$').is_some_and(|at| at + 1 < value.len()) {
                    let message = "'from' doesn't support variable expansion, define alias stage instead";
                    return Err(problem(message.into()));
                }
                from = Some(value.to_string());
            }
        }
        Ok(Self { text: text.into(), from: from.filter(|from| !from.is_empty()) })
    }

    /// The flag's value as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The stage, image or context named by `from`, which may not hold variables.
    pub fn from(&self) -> Option<&str> {
        self.from.as_deref()
    }

    /// The mount, its values passed through `expand`.
    ///
    /// # Errors
    /// What `expand` returns, and [`MountError`] for options that do not exist, have a wrong value or do
    /// not go together.
    pub fn resolve<E>(&self, mut expand: impl FnMut(&str) -> Result<String, E>) -> Result<Mount, E>
    where
        E: From<MountError>,
    {
        let fields =
            go::csv_record(&self.text).map_err(|reason| MountError::new(not_csv("mounts", reason)))?;
        let mut draft = Draft::default();
        for field in &fields {
            match field.split_once('=') {
                Some((key, value)) => {
                    let value = expand(value)?;
                    draft.set(&key.to_ascii_lowercase(), value, field)?;
                }
                None => draft.set_bare(&field.to_ascii_lowercase(), field)?,
            }
        }
        Ok(draft.finish()?)
    }
}

pub(crate) fn not_csv(what: &str, reason: &str) -> String {
    format!("failed to parse csv {what}: {reason}")
}

/// What a `--mount` may not say, in BuildKit's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct MountError {
    /// The sentence.
    pub message: String,
}

impl MountError {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }

    fn suggesting<'a>(message: String, given: &str, names: impl IntoIterator<Item = &'a str>) -> Self {
        Self::new(match suggest::nearest(given, names) {
            Some(name) => suggest::amend(message, name),
            None => message,
        })
    }
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

impl MountType {
    const ALL: [Self; 5] = [Self::Bind, Self::Cache, Self::Tmpfs, Self::Secret, Self::Ssh];

    /// The word for `type=`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bind => "bind",
            Self::Cache => "cache",
            Self::Tmpfs => "tmpfs",
            Self::Secret => "secret",
            Self::Ssh => "ssh",
        }
    }
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

impl Sharing {
    const ALL: [Self; 3] = [Self::Shared, Self::Private, Self::Locked];

    /// The word for `sharing=`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Private => "private",
            Self::Locked => "locked",
        }
    }
}

/// A mount of a `RUN` instruction, validated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mount {
    /// What is mounted.
    pub kind: MountType,
    /// `from`: stage, image or named context.
    pub from: Option<String>,
    /// `source`: path in what `from` names; for secrets and agents, an old word for `id`.
    pub source: Option<String>,
    /// `target`, not yet joined to the working directory.
    pub target: Option<String>,
    /// Whether writes are refused; already set to the type's default where the flag says nothing.
    pub read_only: bool,
    /// `size` of a tmpfs in bytes; none and 0 mean no limit.
    pub size_limit: Option<u64>,
    /// `id` of a cache, a secret or an SSH agent.
    pub id: Option<String>,
    /// `sharing` of a cache.
    pub sharing: Option<Sharing>,
    /// `required`: fail where the secret or agent is missing.
    pub required: bool,
    /// `env`: the variable that gets the secret; empty for one named like the secret.
    pub env: Option<String>,
    /// `mode`: permission bits.
    pub mode: Option<u32>,
    /// `uid` of the owner.
    pub uid: Option<u32>,
    /// `gid` of the owner.
    pub gid: Option<u32>,
}

/// The options that a mount may have.
const KEYS: [&str; 19] = [
    "type",
    "from",
    "source",
    "target",
    "readonly",
    "id",
    "sharing",
    "required",
    "size",
    "mode",
    "uid",
    "gid",
    "src",
    "dst",
    "destination",
    "ro",
    "rw",
    "readwrite",
    "env",
];

/// A mount while its options are read, in order: some depend on the type given before them.
#[derive(Default)]
struct Draft {
    mount: Mount,
    read_only: Option<bool>,
}

impl Draft {
    /// An option without a value.
    fn set_bare(&mut self, key: &str, field: &str) -> Result<(), MountError> {
        match key {
            "readonly" | "ro" => self.read_only = Some(true),
            "readwrite" | "rw" => self.read_only = Some(false),
            "required" => {
                self.only_for(key, &[MountType::Secret, MountType::Ssh])?;
                self.mount.required = true;
            }
            _ => return Err(MountError::new(format!("invalid field '{field}' must be a key=value pair"))),
        }
        Ok(())
    }

    fn set(&mut self, key: &str, value: String, field: &str) -> Result<(), MountError> {
        let boolean = |value: &str| {
            let invalid = || MountError::new(format!("invalid value for {key}: {value}"));
            go::parse_bool(value).ok_or_else(invalid)
        };
        let number = |value: &str, radix| {
            let parsed = u32::from_str_radix(value, radix).ok().filter(|_| !value.starts_with('+'));
            parsed.ok_or_else(|| MountError::new(format!("invalid value {value} for {key}")))
        };
        let mount = &mut self.mount;
        match key {
            "type" => mount.kind = mount_type(&value)?,
            "from" => mount.from = non_empty(value),
            "source" | "src" => mount.source = non_empty(value),
            "target" | "dst" | "destination" => mount.target = non_empty(value),
            "readonly" | "ro" => self.read_only = Some(boolean(&value)?),
            "readwrite" | "rw" => self.read_only = Some(!boolean(&value)?),
            "id" => mount.id = non_empty(value),
            "sharing" => mount.sharing = Some(sharing(&value)?),
            "mode" => mount.mode = Some(number(&value, 8)?),
            "uid" => mount.uid = Some(number(&value, 10)?),
            "gid" => mount.gid = Some(number(&value, 10)?),
            "env" => mount.env = Some(value),
            "required" => {
                self.only_for(key, &[MountType::Secret, MountType::Ssh])?;
                self.mount.required = boolean(&value)?;
            }
            "size" => {
                self.only_for(key, &[MountType::Tmpfs])?;
                let invalid = || MountError::new(format!("invalid value for {key}: {value}"));
                self.mount.size_limit = Some(go::parse_ram_size(&value).ok_or_else(invalid)?);
            }
            _ => {
                let message = format!("unexpected key '{key}' in '{field}'");
                return Err(MountError::suggesting(message, key, KEYS));
            }
        }
        Ok(())
    }

    fn only_for(&self, key: &str, kinds: &[MountType]) -> Result<(), MountError> {
        if kinds.contains(&self.mount.kind) {
            return Ok(());
        }
        let kind = self.mount.kind.name();
        Err(MountError::new(format!("unexpected key '{key}' for mount type '{kind}'")))
    }

    /// Checks what must go together, and fills in the default.
    fn finish(self) -> Result<Mount, MountError> {
        let mut mount = self.mount;
        let kind = mount.kind;
        if matches!(kind, MountType::Bind | MountType::Tmpfs) {
            let owner = [("mode", mount.mode), ("uid", mount.uid), ("gid", mount.gid)];
            if let Some((key, _)) = owner.into_iter().find(|(_, value)| value.is_some()) {
                return Err(MountError::new(format!("{key} not allowed for {:?} type mounts", kind.name())));
            }
        }
        if kind == MountType::Secret {
            if mount.from.is_some() {
                return Err(MountError::new("secret mount should not have a from"));
            }
            if mount.sharing.is_some() {
                return Err(MountError::new("secret mount should not define sharing"));
            }
            if mount.source.is_none() && mount.target.is_none() && mount.id.is_none() {
                return Err(MountError::new("invalid secret mount. one of source, target required"));
            }
            if mount.source.is_some() && mount.id.is_some() {
                return Err(MountError::new("both source and id can't be set"));
            }
        }
        if mount.sharing.is_some() && kind != MountType::Cache {
            return Err(MountError::new(format!("invalid cache sharing set for {} mount", kind.name())));
        }
        mount.read_only = self.read_only.unwrap_or(!matches!(kind, MountType::Cache | MountType::Tmpfs));
        Ok(mount)
    }
}

fn non_empty(value: String) -> Option<String> {
    Some(value).filter(|value| !value.is_empty())
}

fn mount_type(value: &str) -> Result<MountType, MountError> {
    MountType::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(value)).ok_or_else(|| {
        let message = format!("unsupported mount type {value:?}");
        MountError::suggesting(message, value, MountType::ALL.map(MountType::name))
    })
}

fn sharing(value: &str) -> Result<Sharing, MountError> {
    Sharing::ALL.into_iter().find(|sharing| sharing.name().eq_ignore_ascii_case(value)).ok_or_else(|| {
        let message = format!("unsupported sharing value {value:?}");
        MountError::suggesting(message, value, Sharing::ALL.map(Sharing::name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str) -> Result<Mount, String> {
        let flag = MountFlag::parse(text).map_err(|problem| problem.message)?;
        flag.resolve(|value| Ok::<_, MountError>(value.replace("$v", "x"))).map_err(|error| error.message)
    }

    #[test]
    fn options_of_every_type() {
        let bind = resolve("target=/m,source=$v/y,from=base").unwrap();
        assert_eq!((bind.kind, bind.read_only), (MountType::Bind, true));
        assert_eq!((bind.source.as_deref(), bind.from.as_deref()), (Some("x/y"), Some("base")));
        let cache = resolve("type=Cache,dst=/c,id=i,sharing=LOCKED,mode=0755,uid=1,gid=2").unwrap();
        assert_eq!((cache.sharing, cache.mode, cache.uid), (Some(Sharing::Locked), Some(0o755), Some(1)));
        assert!(!cache.read_only);
        assert!(resolve("type=cache,target=/c,ro").unwrap().read_only);
        assert!(!resolve("target=/c,rw=true").unwrap().read_only);
        assert_eq!(resolve("type=tmpfs,target=/t,size=64m").unwrap().size_limit, Some(64 << 20));
        let secret = resolve("type=secret,id=s,env=TOKEN,required").unwrap();
        assert_eq!((secret.env.as_deref(), secret.required), (Some("TOKEN"), true));
        assert!(resolve("type=ssh,required=true,mode=0600").unwrap().required);
    }

    #[test]
    fn what_does_not_go_together() {
        for (text, message) in [
            ("type=bin,target=/m", "unsupported mount type \"bin\" (did you mean bind?)"),
            ("tipe=bind", "unexpected key 'tipe' in 'tipe=bind' (did you mean type?)"),
            ("target", "invalid field 'target' must be a key=value pair"),
            ("from=$x", "'from' doesn't support variable expansion, define alias stage instead"),
            ("type=bind,sharing=locked", "invalid cache sharing set for bind mount"),
            ("type=cache,sharing=lock", "unsupported sharing value \"lock\" (did you mean locked?)"),
            ("type=bind,required", "unexpected key 'required' for mount type 'bind'"),
            ("type=bind,size=1m", "unexpected key 'size' for mount type 'bind'"),
            ("type=tmpfs,size=big", "invalid value for size: big"),
            ("type=tmpfs,uid=1", "uid not allowed for \"tmpfs\" type mounts"),
            ("type=cache,mode=9", "invalid value 9 for mode"),
            ("type=cache,ro=maybe", "invalid value for ro: maybe"),
            ("type=secret", "invalid secret mount. one of source, target required"),
            ("type=secret,id=a,source=b", "both source and id can't be set"),
            ("type=secret,id=a,from=b", "secret mount should not have a from"),
            ("", "failed to parse csv mounts: EOF"),
        ] {
            assert_eq!(resolve(text).unwrap_err(), message, "{text}");
        }
    }
}
