//! An image that came into the store, described as a build on this machine would describe it.

use std::time::Duration;

use anyhow::Context;
use wharf_build::{BuildResult, Image, ImageLayer};
use wharf_oci::{Descriptor, Index, Platform, media};
use wharf_registry::Layout;

use super::news::{Counts, timings};
use crate::exit::Failure;
use crate::local;
use crate::world::World;

/// What is known beside the image.
pub(super) struct Told {
    pub(super) counts: Counts,
    pub(super) took: Duration,
    pub(super) outputs: Vec<Descriptor>,
}

/// Describes it.
pub(super) fn describe(world: &World, image: Descriptor, told: Told) -> Result<BuildResult, Failure> {
    let store = &world.store;
    let images = match media::is_index(&image.media_type) {
        false => vec![one(store, &image)?],
        true => {
            let index: Index =
                serde_json::from_slice(&store.read(&image.digest)?).context("reading an index")?;
            // Attestations are for no platform.
            let real = index.manifests.iter().filter(|entry| {
                entry.platform.as_ref().is_none_or(|platform| platform.to_string() != "unknown/unknown")
            });
            real.map(|entry| one(store, entry)).collect::<Result<_, _>>()?
        }
    };
    Ok(BuildResult {
        image,
        images,
        outputs: told.outputs,
        provenance: None,
        caches: Vec::new(),
        warnings: told.counts.warnings,
        cached: told.counts.cached,
        executed: told.counts.executed,
        timings: timings(told.took),
    })
}

fn one(store: &Layout, descriptor: &Descriptor) -> Result<Image, Failure> {
    let opened = local::open(store, descriptor, &Platform::host())?;
    let platform = match &descriptor.platform {
        Some(platform) => platform.clone(),
        None => {
            Platform::new(&opened.config.os, &opened.config.architecture, opened.config.variant.as_deref())
        }
    };
    let history = opened.history().into_iter();
    let made_by = history.filter_map(|(line, layer)| Some((line.created_by.clone(), layer?)));
    let layers =
        made_by.zip(&opened.config.rootfs.diff_ids).map(|((created_by, blob), diff_id)| ImageLayer {
            blob: blob.clone(),
            diff_id: diff_id.clone(),
            created_by: created_by.unwrap_or_default(),
            base: false,
        });
    Ok(Image {
        platform,
        layers: layers.collect(),
        config_digest: opened.manifest.config.digest.clone(),
        descriptor: opened.descriptor,
        manifest: opened.manifest,
        config: opened.config,
    })
}
