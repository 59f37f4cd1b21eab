//! Volumes and other mounts: how they are typed, and the named ones on disk.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use serde::{Deserialize, Serialize};
use wharf_sandbox::Mount;

use super::name;
use super::root::View;
use crate::exit::Failure;

/// Something mounted into a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MountPoint {
    pub(crate) kind: Kind,
    /// The path or the volume's name; nothing for a tmpfs.
    pub(crate) source: String,
    pub(crate) target: String,
    pub(crate) readonly: bool,
    /// The size of a tmpfs in bytes.
    #[serde(default)]
    pub(crate) size: Option<u64>,
    /// Nobody chose the volume's name, so it goes with the container's `--rm`.
    #[serde(default)]
    pub(crate) anonymous: bool,
}

/// What is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Bind,
    Volume,
    Tmpfs,
}

impl Kind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Bind => "bind",
            Self::Volume => "volume",
            Self::Tmpfs => "tmpfs",
        }
    }
}

impl MountPoint {
    /// A volume that nobody has named.
    pub(crate) fn anonymous(target: &str) -> Self {
        Self {
            kind: Kind::Volume,
            source: name::new_id(),
            target: target.to_owned(),
            readonly: false,
            size: None,
            anonymous: true,
        }
    }
}

/// `--volume`: `/host:/inside[:ro]`, `name:/inside`, or `/inside` alone. A directory of the host that is
/// missing is made.
pub(crate) fn parse_volume(text: &str) -> Result<MountPoint, Failure> {
    let wrong = |why: &str| {
        Failure::usage(format!("invalid volume specification: `{text}`: {why}")).hint(
            "write /host/directory:/directory or name:/directory, with :ro at the end to forbid writing",
        )
    };
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, options) = match parts.as_slice() {
        [target] => (None, *target, ""),
        [source, target] => (Some(*source), *target, ""),
        [source, target, options] => (Some(*source), *target, *options),
        _ => return Err(wrong("it has too many colons")),
    };
    if !Path::new(target).is_absolute() {
        return Err(wrong("the place inside must be an absolute path"));
    }
    let mut readonly = false;
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option {
            "ro" | "readonly" => readonly = true,
            // How mounts spread, and what SELinux should think of them: there is nothing to do for it here.
            "rw" | "z" | "Z" | "cached" | "delegated" | "consistent" | "nocopy" | "rprivate" | "private"
            | "rslave" | "slave" | "rshared" | "shared" => {}
            other => return Err(wrong(&format!("`{other}` is no option"))),
        }
    }
    let Some(source) = source else { return Ok(MountPoint { readonly, ..MountPoint::anonymous(target) }) };
    let is_path = source.starts_with(['/', '.', '~']);
    let (kind, source) = match is_path {
        true => {
            fs::create_dir_all(source).or_else(|error| match Path::new(source).exists() {
                true => Ok(()),
                false => Err(error),
            })?;
            (Kind::Bind, absolute(source)?)
        }
        false if name::is_valid(source) => (Kind::Volume, source.to_owned()),
        false => return Err(wrong("the name of a volume has letters, digits, `_`, `.` and `-` only")),
    };
    Ok(MountPoint { kind, source, target: target.to_owned(), readonly, size: None, anonymous: false })
}

/// `--mount`: `type=bind,source=/host,target=/inside[,readonly]`.
pub(crate) fn parse_mount(text: &str) -> Result<MountPoint, Failure> {
    let wrong = |why: String| Failure::usage(format!("invalid argument `{text}` for --mount: {why}"));
    let mut mount = MountPoint { source: String::new(), anonymous: false, ..MountPoint::anonymous("") };
    for field in text.split(',') {
        let (key, value) = field.split_once('=').unwrap_or((field, "true"));
        match key.to_ascii_lowercase().as_str() {
            "type" => {
                mount.kind = match value {
                    "bind" => Kind::Bind,
                    "volume" => Kind::Volume,
                    "tmpfs" => Kind::Tmpfs,
                    other => return Err(wrong(format!("`{other}` is none of bind, volume and tmpfs"))),
                }
            }
            "source" | "src" => mount.source = value.to_owned(),
            "target" | "dst" | "destination" => mount.target = value.to_owned(),
            "readonly" | "ro" => mount.readonly = matches!(value, "true" | "1"),
            "tmpfs-size" => mount.size = Some(crate::building::bytes(value, "tmpfs-size")?),
            "tmpfs-mode" | "consistency" | "bind-propagation" | "volume-nocopy" | "bind-recursive" => {}
            other => return Err(wrong(format!("unexpected key `{other}`"))),
        }
    }
    if !Path::new(&mount.target).is_absolute() {
        return Err(wrong("it needs a target that is an absolute path".into()));
    }
    match mount.kind {
        Kind::Bind if !Path::new(&mount.source).exists() => {
            Err(wrong(format!("bind source path does not exist: {}", mount.source)))
        }
        Kind::Bind => Ok(MountPoint { source: absolute(&mount.source)?, ..mount }),
        Kind::Volume if mount.source.is_empty() => {
            Ok(MountPoint { readonly: mount.readonly, ..MountPoint::anonymous(&mount.target) })
        }
        Kind::Volume if !name::is_valid(&mount.source) => {
            Err(wrong(format!("`{}` cannot be the name of a volume", mount.source)))
        }
        Kind::Volume | Kind::Tmpfs => Ok(mount),
    }
}

/// `--tmpfs`: `/inside[:size=64m,mode=1777,…]`.
pub(crate) fn parse_tmpfs(text: &str) -> Result<MountPoint, Failure> {
    let (target, options) = text.split_once(':').unwrap_or((text, ""));
    let mut mount = MountPoint {
        kind: Kind::Tmpfs,
        source: String::new(),
        anonymous: false,
        ..MountPoint::anonymous(target)
    };
    for option in options.split(',') {
        match option.split_once('=') {
            Some(("size", size)) => mount.size = Some(crate::building::bytes(size, "--tmpfs size")?),
            None if option == "ro" => mount.readonly = true,
            _ => {}
        }
    }
    match Path::new(target).is_absolute() {
        true => Ok(mount),
        false => Err(Failure::usage(format!("--tmpfs is `{text}`: the place must be an absolute path"))),
    }
}

fn absolute(path: &str) -> Result<String, Failure> {
    let absolute = fs::canonicalize(path).with_context(|| format!("looking for the volume {path}"))?;
    Ok(absolute.display().to_string())
}

/// The named volumes under a data directory.
#[derive(Debug, Clone)]
pub(crate) struct Volumes {
    root: PathBuf,
}

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Volume {
    pub(crate) name: String,
    /// RFC 3339.
    pub(crate) created: String,
    #[serde(default)]
    pub(crate) labels: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) anonymous: bool,
}

impl Volumes {
    pub(crate) fn new(data_dir: &Path) -> Self {
        Self { root: data_dir.join("volumes") }
    }

    /// All of them, by name.
    pub(crate) fn list(&self) -> Vec<Volume> {
        let entries = fs::read_dir(&self.root).into_iter().flatten().flatten();
        let mut volumes: Vec<Volume> = entries
            .filter_map(|entry| {
                serde_json::from_slice(&fs::read(entry.path().join("volume.json")).ok()?).ok()
            })
            .collect();
        volumes.sort_by(|a, b| a.name.cmp(&b.name));
        volumes
    }

    /// The one called `name`.
    pub(crate) fn find(&self, name: &str) -> Result<Volume, Failure> {
        let found = self.list().into_iter().find(|volume| volume.name == name);
        found.ok_or_else(|| anyhow!("No such volume: {name}").into())
    }

    /// Where its files are.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name).join("_data")
    }

    /// Makes it where it is not there yet.
    pub(crate) fn create(&self, volume: &Volume) -> Result<(), Failure> {
        let data = self.path(&volume.name);
        let document = self.root.join(&volume.name).join("volume.json");
        if document.exists() {
            return Ok(());
        }
        fs::create_dir_all(&data).with_context(|| format!("creating {}", data.display()))?;
        fs::write(&document, serde_json::to_vec(volume)?)
            .with_context(|| format!("writing {}", document.display()))?;
        Ok(())
    }

    /// Forgets it with its files. In a user namespace those belong to other users, so this needs the
    /// sandbox there.
    pub(crate) fn remove(&self, name: &str) -> Result<(), Failure> {
        let directory = self.root.join(name);
        fs::remove_dir_all(&directory).with_context(|| format!("removing {}", directory.display()))?;
        Ok(())
    }
}

/// What the sandbox mounts for `mounts`, the outer before the inner. A new volume begins with what the
/// image has in its place.
pub(crate) fn prepare(mounts: &[MountPoint], volumes: &Volumes, view: &View) -> Result<Vec<Mount>, Failure> {
    let mut sorted: Vec<&MountPoint> = mounts.iter().collect();
    sorted.sort_by_key(|mount| Path::new(&mount.target).components().count());
    let mut prepared = Vec::new();
    for mount in sorted {
        let target = PathBuf::from(&mount.target);
        prepared.push(match mount.kind {
            Kind::Tmpfs => Mount::Tmpfs { target, size: mount.size, mode: 0o1777 },
            Kind::Bind => bind(PathBuf::from(&mount.source), target, mount.readonly),
            Kind::Volume => {
                let volume = Volume {
                    name: mount.source.clone(),
                    created: crate::world::now().to_string(),
                    labels: Default::default(),
                    anonymous: mount.anonymous,
                };
                volumes.create(&volume)?;
                let data = volumes.path(&mount.source);
                let is_empty = fs::read_dir(&data).is_ok_and(|mut entries| entries.next().is_none());
                if is_empty {
                    view.copy_directory(&target, &data)
                        .with_context(|| format!("filling the volume {}", mount.source))?;
                }
                bind(data, target, mount.readonly)
            }
        });
    }
    Ok(prepared)
}

fn bind(source: PathBuf, target: PathBuf, readonly: bool) -> Mount {
    Mount::Bind { source, target, readonly, recursive: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_read_as_docker_reads_them() {
        let bind = parse_volume("/tmp:/x:ro,z").unwrap();
        assert_eq!((bind.kind, bind.source.as_str(), bind.readonly), (Kind::Bind, "/tmp", true));
        let named = parse_volume("cache:/x").unwrap();
        assert_eq!((named.kind, named.source.as_str(), named.anonymous), (Kind::Volume, "cache", false));
        let anonymous = parse_volume("/x").unwrap();
        assert!(anonymous.anonymous && anonymous.source.len() == 64);
        for bad in ["", "a", "a:b", "a b:/x", "/tmp:/x:nope", "/tmp:x", "a:/b:ro:c"] {
            assert!(parse_volume(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn mounts_and_tmpfs_too() {
        let mount = parse_mount("type=bind,src=/tmp,dst=/x,readonly").unwrap();
        assert_eq!((mount.kind, mount.target.as_str(), mount.readonly), (Kind::Bind, "/x", true));
        assert_eq!(parse_mount("type=tmpfs,target=/x,tmpfs-size=1m").unwrap().size, Some(1 << 20));
        assert!(parse_mount("target=/x").unwrap().anonymous);
        for bad in ["type=bind,target=/x", "type=npipe,target=/x", "source=a", "type=volume,target=/x,nope=1"]
        {
            assert!(parse_mount(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_tmpfs("/run:size=64m,noexec").unwrap().size, Some(64 << 20));
        assert!(parse_tmpfs("run").is_err());
    }
}
