//! From finished layers to what was asked for: the image in the store under its names, the outputs, the caches.

use std::collections::BTreeMap;

use wharf_oci::{Descriptor, Index};
use wharf_registry::Document;

use crate::bases::store_name;
use crate::cache::{self, CachePlace, Made};
use crate::engine::Engine;
use crate::error::{BuildError, StepError};
use crate::event::Events;
use crate::image::{self, Part};
use crate::output::{self, OutputKind};
use crate::plan::Plan;
use crate::request::{BuildRequest, ImageOptions};
use crate::result::{CacheExport, Image};
use crate::snapshot::{Chain, Snapshots};

/// A build whose steps are done.
#[derive(Clone, Copy)]
pub(crate) struct Exporting<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) request: &'a BuildRequest,
    pub(crate) snapshots: &'a Snapshots<'a>,
    /// One per platform.
    pub(crate) plans: &'a [Plan],
    /// The layers of each plan's target.
    pub(crate) chains: &'a [Chain],
    pub(crate) made: &'a [Made],
}

/// What was written.
pub(crate) struct Exported {
    pub(crate) image: Descriptor,
    pub(crate) images: Vec<Image>,
    pub(crate) caches: Vec<CacheExport>,
}

impl Exporting<'_> {
    /// Writes everything.
    pub(crate) fn run(self, events: Events<'_>) -> Result<Exported, BuildError> {
        let (image, images) = self.write(&self.request.image).map_err(BuildError::Export)?;
        self.fetch_layers().map_err(BuildError::Export)?;
        self.name(&image, &images)?;
        for output in &self.request.outputs {
            self.put_out(output, (&image, &images))?;
        }
        let told = cache::Told {
            snapshots: self.snapshots,
            made: self.made,
            chains: self.chains,
            image: &self.request.image,
        };
        let caches = cache::export(&told, &self.request.cache_to, events);
        Ok(Exported { image, images, caches })
    }

    /// Writes the manifests of the image.
    fn write(&self, options: &ImageOptions) -> Result<(Descriptor, Vec<Image>), StepError> {
        let mut images = Vec::new();
        for (plan, chain) in self.plans.iter().zip(self.chains) {
            let parts = self.parts(chain, plan, options)?;
            let more = self.inline_cache(chain)?;
            images.push(image::write(plan.target(), &parts, plan.epoch, options, &more, &self.engine.store)?);
        }
        Ok((self.top(&images)?, images))
    }

    /// What goes into the config of the image so that its steps are found by others.
    fn inline_cache(&self, chain: &Chain) -> Result<BTreeMap<String, serde_json::Value>, StepError> {
        match self.request.cache_to.iter().any(|target| target.place == CachePlace::Inline) {
            true => cache::inline(self.made, chain),
            false => Ok(BTreeMap::new()),
        }
    }

    /// The layers of an image as its options want them.
    fn parts(&self, chain: &Chain, plan: &Plan, options: &ImageOptions) -> Result<Vec<Part>, StepError> {
        let mut parts = Vec::new();
        for layer in &chain.layers {
            let record = layer.record()?.clone();
            let is_new = layer.created.is_some();
            let latest = plan.epoch.filter(|_| options.rewrite_timestamp && is_new);
            let recompress =
                options.force_compression && !output::is_compressed_as(&record.blob, options.compression);
            let record = match latest.is_some() || recompress {
                true => {
                    self.snapshots.fetch(layer, &record.blob)?;
                    output::convert(self.engine, &record, options, latest)?
                }
                false => record,
            };
            parts.push(Part { record, created: layer.created });
        }
        Ok(parts)
    }

    /// The image, or an index of the images.
    fn top(&self, images: &[Image]) -> Result<Descriptor, StepError> {
        if let [only] = images {
            let mut descriptor = only.descriptor.clone();
            descriptor.platform = None;
            return Ok(descriptor);
        }
        let index = Index::new(images.iter().map(|image| image.descriptor.clone()).collect());
        let document = Document::of_index(&index);
        self.engine.store.put(&document.bytes)?;
        Ok(document.descriptor)
    }

    /// Brings the layers into the store that nobody has needed yet, unless they are needed elsewhere only.
    fn fetch_layers(&self) -> Result<(), StepError> {
        let is_kept = self.request.outputs.is_empty() && !self.request.remote;
        if !is_kept && self.request.outputs.iter().all(|output| output.kind == OutputKind::CacheOnly) {
            cache::note_origins(self.engine, self.chains);
            return Ok(());
        }
        for layer in self.chains.iter().flat_map(|chain| &chain.layers) {
            self.snapshots.fetch(layer, &layer.record()?.blob)?;
        }
        Ok(())
    }

    /// Gives the image its names in the store, if all of it is there.
    fn name(&self, top: &Descriptor, images: &[Image]) -> Result<(), BuildError> {
        let store = &self.engine.store;
        let mut layers = images.iter().flat_map(|image| &image.manifest.layers);
        if layers.all(|layer| store.size(&layer.digest) == Some(layer.size)) {
            for tag in &self.request.tags {
                store.tag(&store_name(tag), top)?;
            }
        }
        Ok(())
    }

    fn put_out(
        &self,
        output: &output::Output,
        (top, images): (&Descriptor, &Vec<Image>),
    ) -> Result<(), BuildError> {
        let other;
        let (top, images) = match output.image == self.request.image {
            true => (top, images),
            false => {
                other = self.write(&output.image).map_err(BuildError::Export)?;
                (&other.0, &other.1)
            }
        };
        let job = output::Job {
            engine: self.engine,
            snapshots: self.snapshots,
            tags: &self.request.tags,
            top,
            images,
            chains: self.chains,
        };
        output::write(&output.kind, &job)
            .map_err(|source| BuildError::Output { path: output.kind.path(), source })
    }
}
