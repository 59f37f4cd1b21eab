//! Docker's own index of an archive, `manifest.json`, and manifests for images that came without one.

use std::io::{self, Read};

use serde::{Deserialize, Serialize};
use wharf_oci::{Descriptor, Digest, Manifest, MediaType};

use super::read::Section;
use crate::hasher::Hasher;

/// One image in `manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Entry {
    pub(super) config: String,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub(super) repo_tags: Vec<String>,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub(super) layers: Vec<String>,
}

fn null_is_empty<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

pub(super) fn parse(text: &[u8]) -> Result<Vec<Entry>, serde_json::Error> {
    serde_json::from_slice(text)
}

/// A manifest for a config and layers that have none, and where its blobs are.
pub(super) fn manifest(
    config: Section,
    layers: Vec<Section>,
) -> io::Result<(Manifest, Vec<(Digest, Section)>)> {
    let mut blobs = Vec::new();
    let mut describe = |section: Section, media_type: MediaType| {
        let descriptor = Descriptor::new(media_type, hash(section.clone())?, section.size());
        blobs.push((descriptor.digest.clone(), section));
        Ok::<_, io::Error>(descriptor)
    };
    let config = describe(config, MediaType::ImageConfig)?;
    let layers = layers.into_iter().map(|layer| {
        let media_type = layer_type(layer.clone())?;
        describe(layer, media_type)
    });
    let layers = layers.collect::<io::Result<Vec<_>>>()?;
    Ok((Manifest::new(config, layers), blobs))
}

fn hash(mut section: Section) -> io::Result<Digest> {
    let mut hasher = Hasher::Sha256(Default::default());
    let mut buffer = vec![0; 256 << 10];
    loop {
        match section.read(&mut buffer)? {
            0 if section.size() > 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            0 => break,
            count => hasher.update(&buffer[..count]),
        }
    }
    hasher.finish().parse().map_err(io::Error::other)
}

/// What a layer is by its first bytes; docker writes plain tars, and others compress them.
fn layer_type(mut layer: Section) -> io::Result<MediaType> {
    let mut magic = [0; 4];
    let count = layer.read(&mut magic)?;
    Ok(match &magic[..count] {
        [0x1f, 0x8b, ..] => MediaType::ImageLayerGzip,
        [0x28, 0xb5, 0x2f, 0xfd] => MediaType::ImageLayerZstd,
        _ => MediaType::ImageLayer,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_index_of_docker_reads_with_and_without_tags() {
        let entries =
            parse(br#"[{"Config":"a.json","RepoTags":null,"Layers":["b/layer.tar"],"LayerSources":{}}]"#);
        let expected =
            Entry { config: "a.json".into(), repo_tags: vec![], layers: vec!["b/layer.tar".into()] };
        assert_eq!(entries.unwrap(), [expected]);
        assert!(parse(b"{}").is_err());
    }

    proptest! {
        #[test]
        fn no_index_is_too_odd(text in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = parse(&text);
        }
    }
}
