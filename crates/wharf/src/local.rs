//! The images on this machine: names in the store, and what they name.

use anyhow::{Context, anyhow};
use wharf_oci::{Descriptor, ImageConfig, Index, Manifest, Platform, Reference, digest, media};
use wharf_registry::Layout;

use crate::exit::{Failure, OrFail};

/// An image under one of its names.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    /// The name, with a tag.
    pub(crate) reference: Reference,
    /// What it names: an image or an index.
    pub(crate) descriptor: Descriptor,
}

/// An image for one platform, opened.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    /// The manifest's descriptor.
    pub(crate) descriptor: Descriptor,
    /// The manifest.
    pub(crate) manifest: Manifest,
    /// The config.
    pub(crate) config: ImageConfig,
}

impl Image {
    /// What travels when the image is moved: the manifest, the config and the layers, in bytes.
    pub(crate) fn size(&self) -> u64 {
        let layers: u64 = self.manifest.layers.iter().map(|layer| layer.size).sum();
        layers + self.manifest.config.size + self.descriptor.size
    }

    /// Each history line that made a layer, with its layer; the rest with none. Oldest first.
    pub(crate) fn history(&self) -> Vec<(&wharf_oci::History, Option<&Descriptor>)> {
        let mut layers = self.manifest.layers.iter();
        self.config
            .history
            .iter()
            .map(|line| (line, if line.empty_layer { None } else { layers.next() }))
            .collect()
    }
}

/// The name under which the store keeps `reference`.
pub(crate) fn key(reference: &Reference) -> String {
    let tag = reference.tag_or_latest().unwrap_or("latest");
    format!("{}:{tag}", reference.name())
}

/// The name under which the store keeps an image that nobody has named, so that its ID still finds it.
pub(crate) fn nameless_key(digest: &wharf_oci::Digest) -> String {
    format!("{NAMELESS}{digest}")
}

const NAMELESS: &str = "<none>@";

/// Keeps an image that nobody has named.
pub(crate) fn keep_nameless(store: &Layout, descriptor: &Descriptor) -> Result<(), Failure> {
    Ok(store.tag(&nameless_key(&descriptor.digest), descriptor)?)
}

/// The images that were built without a name.
pub(crate) fn nameless(store: &Layout) -> Result<Vec<Descriptor>, Failure> {
    let refs = store.refs()?.into_iter();
    Ok(refs.filter(|(name, _)| name.starts_with(NAMELESS)).map(|(_, descriptor)| descriptor).collect())
}

/// All names, sorted.
pub(crate) fn list(store: &Layout) -> Result<Vec<Named>, Failure> {
    let mut names: Vec<Named> = store
        .refs()?
        .into_iter()
        .filter_map(|(name, descriptor)| Some(Named { reference: name.parse().ok()?, descriptor }))
        .collect();
    names.sort_by_key(|named| named.reference.canonical());
    Ok(names)
}

/// What `name` stands for: a reference, a digest, or the first digits of an image's ID.
pub(crate) fn find(store: &Layout, name: &str) -> Result<Named, Failure> {
    let names = list(store)?;
    let mut known = names.clone();
    for descriptor in nameless(store)? {
        // What has no name still needs a reference, which is never shown.
        let reference = format!("none@{}", descriptor.digest).parse().or_usage()?;
        known.push(Named { reference, descriptor });
    }
    if let Some(named) = by_id(store, &known, name)? {
        return Ok(named);
    }
    let reference: Reference = name.parse().or_usage()?;
    let found = match reference.digest() {
        Some(digest) => names
            .into_iter()
            .find(|named| named.descriptor.digest == *digest && named.reference.name() == reference.name()),
        None => store
            .resolve(&key(&reference))?
            .map(|descriptor| Named { reference: reference.clone(), descriptor }),
    };
    found.ok_or_else(|| {
        Failure::from(anyhow!("there is no image `{reference}` on this machine"))
            .hint(format!("bring it here: wharf pull {reference}"))
    })
}

/// Digits of a manifest's or a config's digest, with or without `sha256:`, at least four.
fn by_id(store: &Layout, names: &[Named], text: &str) -> Result<Option<Named>, Failure> {
    let digits = text.strip_prefix("sha256:").unwrap_or(text);
    if !(4..=64).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(None);
    }
    let mut found: Vec<&Named> = Vec::new();
    for named in names {
        let matches = named.descriptor.digest.digest().starts_with(digits)
            || open(store, &named.descriptor, &Platform::host())
                .is_ok_and(|image| image.manifest.config.digest.digest().starts_with(digits));
        if matches && found.iter().all(|other| other.descriptor.digest != named.descriptor.digest) {
            found.push(named);
        }
    }
    match found.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some((*one).clone())),
        several => {
            let names: Vec<String> = several.iter().map(|named| named.reference.to_string()).collect();
            Err(Failure::usage(format!("`{text}` is the start of several images: {}", names.join(", "))))
        }
    }
}

/// Opens the image of `descriptor`; of an index, the one for `platform`.
pub(crate) fn open(store: &Layout, descriptor: &Descriptor, platform: &Platform) -> Result<Image, Failure> {
    let bytes = store.read(&descriptor.digest)?;
    if media::is_index(&descriptor.media_type) {
        let index: Index = serde_json::from_slice(&bytes).context("reading an index")?;
        let chosen = index.for_platform(platform).ok_or_else(|| {
            anyhow!("{} holds no image for {platform}", digest::short(&descriptor.digest, 12))
        })?;
        return open(store, chosen, platform);
    }
    let manifest: Manifest = serde_json::from_slice(&bytes).context("reading a manifest")?;
    let config = store.read(&manifest.config.digest)?;
    let config = serde_json::from_slice(&config).context("reading an image config")?;
    Ok(Image { descriptor: descriptor.clone(), manifest, config })
}
