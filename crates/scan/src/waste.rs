//! Bytes of an image that are for nothing: written again by a later layer, deleted by one, or there already.

use std::collections::{HashMap, HashSet};
use std::io::{self, BufRead, BufReader, Read};

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use wharf_oci::Digest;

use crate::Error;
use crate::archive::{Codec, EntryKind, TarReader};
use crate::image::{Image, OpenBlob};

/// How many paths are named.
const MOST_PATHS: usize = 20;

/// What an image wastes.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Waste {
    /// The bytes of all files of all layers, unpacked.
    pub total: u64,
    /// Those that nobody sees at the top.
    pub hidden: u64,
    /// Those that are there a second time, at whatever path.
    pub duplicate: u64,
    /// The share of the bytes that is neither.
    pub efficiency: f64,
    /// By layer, lowest first.
    pub layers: Vec<LayerWaste>,
    /// The worst paths.
    pub paths: Vec<PathWaste>,
}

/// What one layer wastes.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerWaste {
    /// The layer's blob.
    pub digest: Digest,
    /// What made it.
    pub created_by: String,
    /// The bytes of its files.
    pub size: u64,
    /// Those that a later layer writes again.
    pub overwritten: u64,
    /// Those that a later layer deletes.
    pub deleted: u64,
    /// Those of files whose content this layer or one below has already.
    pub duplicate: u64,
}

/// A path that wastes bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PathWaste {
    /// The path.
    pub path: String,
    /// The bytes in vain.
    pub bytes: u64,
    /// Why: `overwritten`, `deleted`, or the path that has the same content.
    pub why: String,
}

struct File {
    path: String,
    size: u64,
    content: [u8; 32],
}

struct Layer {
    files: Vec<File>,
    whiteouts: Vec<String>,
    opaques: Vec<String>,
}

/// Reads every layer of an image to its end, and works out what is for nothing.
///
/// # Errors
/// If a layer cannot be opened or read.
pub fn waste(image: &Image<'_>, open: OpenBlob<'_>) -> Result<Waste, Error> {
    let mut layers = Vec::new();
    for descriptor in &image.manifest.layers {
        let layer = open(descriptor).and_then(read);
        layers.push(layer.map_err(|source| Error::Layer { digest: descriptor.digest.clone(), source })?);
    }
    let commands = image.config.history.iter().filter(|line| !line.empty_layer);
    let mut commands = commands.map(|line| line.created_by.clone().unwrap_or_default());
    let made: Vec<(Digest, String)> = image
        .manifest
        .layers
        .iter()
        .map(|layer| (layer.digest.clone(), commands.next().unwrap_or_default()))
        .collect();
    Ok(account(&layers, &made))
}

fn read(blob: Box<dyn Read + Send>) -> io::Result<Layer> {
    let mut stream = BufReader::with_capacity(128 << 10, blob);
    match Codec::detect(stream.fill_buf()?).filter(|codec| !matches!(codec, Codec::Zlib | Codec::Lzma)) {
        Some(codec) => read_tar(codec.decode(stream)?),
        None => read_tar(stream),
    }
}

fn read_tar(stream: impl Read) -> io::Result<Layer> {
    let mut reader = TarReader::new(BufReader::with_capacity(128 << 10, stream));
    let mut layer = Layer { files: Vec::new(), whiteouts: Vec::new(), opaques: Vec::new() };
    while let Some(entry) = reader.next_entry()? {
        let (parent, name) = entry.path.rsplit_once('/').unwrap_or(("", &entry.path));
        if name == ".wh..wh..opq" {
            layer.opaques.push(parent.to_owned());
        } else if let Some(removed) = name.strip_prefix(".wh.") {
            layer.whiteouts.push(if parent.is_empty() {
                removed.to_owned()
            } else {
                format!("{parent}/{removed}")
            });
        } else if entry.kind == EntryKind::File {
            let mut hash = Sha256::new();
            let mut buffer = [0; 64 << 10];
            loop {
                let n = reader.read(&mut buffer)?;
                if n == 0 {
                    break;
                }
                hash.update(&buffer[..n]);
            }
            layer.files.push(File { path: entry.path, size: entry.size, content: hash.finalize().into() });
        }
    }
    Ok(layer)
}

fn account(layers: &[Layer], made: &[(Digest, String)]) -> Waste {
    let paths_of: Vec<Paths<'_>> = layers.iter().map(Paths::of).collect();
    let mut waste = Waste::default();
    let mut paths: HashMap<(&str, String), u64> = HashMap::new();
    let mut known: HashMap<[u8; 32], &str> = HashMap::new();
    for ((index, layer), (digest, created_by)) in layers.iter().enumerate().zip(made) {
        let mut of_layer = LayerWaste {
            digest: digest.clone(),
            created_by: created_by.clone(),
            size: 0,
            overwritten: 0,
            deleted: 0,
            duplicate: 0,
        };
        for file in layer.files.iter().filter(|file| file.size > 0) {
            of_layer.size += file.size;
            let why = match fate(&paths_of[index + 1..], &file.path) {
                Fate::Overwritten => {
                    of_layer.overwritten += file.size;
                    Some("overwritten".to_owned())
                }
                Fate::Deleted => {
                    of_layer.deleted += file.size;
                    Some("deleted".to_owned())
                }
                Fate::Visible => None,
            };
            let twin = known.get(&file.content).copied();
            known.entry(file.content).or_insert(&file.path);
            if twin.is_some() {
                of_layer.duplicate += file.size;
            }
            waste.hidden += if why.is_some() { file.size } else { 0 };
            // A copy of what a later layer hides is the one that counts.
            let twin = twin.filter(|twin| *twin != file.path).map(|twin| format!("the same as {twin}"));
            if let Some(why) = why.or(twin) {
                *paths.entry((&file.path, why)).or_default() += file.size;
            }
        }
        waste.total += of_layer.size;
        waste.duplicate += of_layer.duplicate;
        waste.layers.push(of_layer);
    }
    waste.efficiency = match waste.total {
        0 => 1.0,
        total => 1.0 - waste.hidden.max(waste.duplicate) as f64 / total as f64,
    };
    waste.paths = paths
        .into_iter()
        .map(|((path, why), bytes)| PathWaste { path: path.to_owned(), bytes, why })
        .collect();
    waste.paths.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.path.cmp(&b.path)));
    waste.paths.truncate(MOST_PATHS);
    waste
}

enum Fate {
    Visible,
    Overwritten,
    Deleted,
}

/// The paths of a layer, to be asked for.
struct Paths<'a> {
    files: HashSet<&'a str>,
    whiteouts: HashSet<&'a str>,
    opaques: HashSet<&'a str>,
}

impl<'a> Paths<'a> {
    fn of(layer: &'a Layer) -> Self {
        Self {
            files: layer.files.iter().map(|file| file.path.as_str()).collect(),
            whiteouts: layer.whiteouts.iter().map(String::as_str).collect(),
            opaques: layer.opaques.iter().map(String::as_str).collect(),
        }
    }
}

/// What the layers above do to a path.
fn fate(above: &[Paths<'_>], path: &str) -> Fate {
    let parent = |path: &str| path.rfind('/');
    for layer in above {
        if layer.files.contains(path) {
            return Fate::Overwritten;
        }
        if layer.whiteouts.contains(path) || layer.opaques.contains("") {
            return Fate::Deleted;
        }
        let mut at = path;
        while let Some(end) = parent(at) {
            at = &at[..end];
            if layer.whiteouts.contains(at) || layer.opaques.contains(at) {
                return Fate::Deleted;
            }
        }
    }
    Fate::Visible
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(files: &[(&str, u64, u8)], whiteouts: &[&str]) -> Layer {
        Layer {
            files: files
                .iter()
                .map(|(path, size, content)| File {
                    path: (*path).into(),
                    size: *size,
                    content: [*content; 32],
                })
                .collect(),
            whiteouts: whiteouts.iter().map(|path| (*path).to_owned()).collect(),
            opaques: Vec::new(),
        }
    }

    #[test]
    fn bytes_in_vain_are_told_apart() {
        let layers = [
            layer(&[("app/model", 100, 1), ("app/a", 10, 2), ("tmp/x", 5, 3)], &[]),
            layer(&[("app/model", 100, 1), ("copy", 10, 2)], &["tmp"]),
        ];
        let made = [
            (wharf_oci::digest::sha256(b"a"), "COPY".to_owned()),
            (wharf_oci::digest::sha256(b"b"), "RUN chown".to_owned()),
        ];
        let waste = account(&layers, &made);
        assert_eq!((waste.total, waste.hidden, waste.duplicate), (225, 105, 110));
        assert_eq!(
            (waste.layers[0].overwritten, waste.layers[0].deleted, waste.layers[1].duplicate),
            (100, 5, 110)
        );
        assert_eq!((waste.paths[0].path.as_str(), waste.paths[0].why.as_str()), ("app/model", "overwritten"));
        assert_eq!(waste.paths[1].why, "the same as app/a");
        assert!((waste.efficiency - (1.0 - 110.0 / 225.0)).abs() < 1e-9);
    }
}
