//! Certificates by host, where docker and podman keep them: `certs.d/HOST[:PORT]/` with authorities in `*.crt` and
//! an identity of ours in `NAME.cert` with `NAME.key`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use wharf_registry::HostTls;

use crate::exit::Failure;

/// What the directories hold, by host; of two that name a host, the later one adds to the earlier.
pub(crate) fn read_all(directories: &[PathBuf]) -> Result<BTreeMap<String, HostTls>, Failure> {
    let mut hosts: BTreeMap<String, HostTls> = BTreeMap::new();
    for directory in directories {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                let host = entry.file_name().to_string_lossy().into_owned();
                add(hosts.entry(host).or_default(), &entry.path())?;
            }
        }
    }
    Ok(hosts)
}

fn add(tls: &mut HostTls, directory: &Path) -> Result<(), Failure> {
    let listed = fs::read_dir(directory).with_context(|| format!("listing {}", directory.display()))?;
    let mut files: Vec<PathBuf> = listed.flatten().map(|entry| entry.path()).collect();
    files.sort();
    for file in files {
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("crt") => tls.authorities.push(bytes(&file)?),
            Some("cert") => {
                let key = file.with_extension("key");
                tls.identity = Some((bytes(&file)?, bytes(&key)?.into()));
            }
            _ => {}
        }
    }
    Ok(())
}

fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    Ok(fs::read(path).with_context(|| format!("reading {}", path.display()))?)
}
