//! From finished layers to what was asked for: the image in the store under its names, the outputs, the caches.

use std::collections::BTreeMap;

use jiff::Timestamp;
use wharf_layer::Family;
use wharf_oci::{Descriptor, Index, MediaType, media};
use wharf_registry::Document;

use crate::annotation::{Annotation, AnnotationLevel};
use crate::attest::{self, ProvenanceOptions, Statement};
use crate::bases::store_name;
use crate::cache::{self, CachePlace, Made};
use crate::engine::Engine;
use crate::error::{BuildError, Cause, StepError};
use crate::event::Events;
use crate::image::{self, Part};
use crate::output::{self, Output, OutputKind};
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
    /// The Dockerfile: its name and its text.
    pub(crate) dockerfile: (&'a str, &'a [u8]),
    /// When the build began.
    pub(crate) started: Timestamp,
    /// What this build is called in its provenance.
    pub(crate) invocation: &'a str,
}

/// What was written.
pub(crate) struct Exported {
    pub(crate) image: Descriptor,
    pub(crate) images: Vec<Image>,
    pub(crate) outputs: Vec<Descriptor>,
    pub(crate) provenance: Option<serde_json::Value>,
    pub(crate) caches: Vec<CacheExport>,
}

/// An image with everything that belongs to it, in the store.
struct Written {
    /// The manifest, or the index of several.
    top: Descriptor,
    images: Vec<Image>,
    /// What is said of each image, and the manifests that say it.
    statements: Vec<Vec<Statement>>,
    attestations: Vec<Descriptor>,
}

impl Exporting<'_> {
    /// Writes everything.
    pub(crate) fn run(self, events: Events<'_>) -> Result<Exported, BuildError> {
        self.fetch_layers().map_err(BuildError::Export)?;
        let written = self.write(&self.request.image).map_err(BuildError::Export)?;
        self.name(&written)?;
        let outputs = self.request.outputs.iter().map(|output| self.put_out(output, &written));
        let outputs = outputs.collect::<Result<Vec<_>, _>>()?;
        let told = cache::Told {
            snapshots: self.snapshots,
            made: self.made,
            chains: self.chains,
            image: &self.request.image,
        };
        let caches = cache::export(&told, &self.request.cache_to, events);
        let provenance = self.provenance(&written);
        Ok(Exported { image: written.top, images: written.images, outputs, provenance, caches })
    }

    /// Writes the manifests of the image.
    fn write(&self, options: &ImageOptions) -> Result<Written, StepError> {
        let mut images = Vec::new();
        for (plan, chain) in self.plans.iter().zip(self.chains) {
            let parts = self.parts(chain, plan, options)?;
            let more = self.inline_cache(chain)?;
            images.push(image::write(plan.target(), &parts, plan.epoch, options, &more, &self.engine.store)?);
        }
        let statements = self.statements(&images)?;
        let attestations = self.attest(&images, &statements)?;
        let top = self.top(&images, &attestations, options)?;
        Ok(Written { top, images, statements, attestations })
    }

    /// What is to be said of each image; nothing unless it was asked for.
    fn statements(&self, images: &[Image]) -> Result<Vec<Vec<Statement>>, StepError> {
        let asked = &self.request.attestations;
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let of_image = |(plan, image): (&Plan, &Image)| {
            let mut statements = Vec::new();
            if let Some(inventory) = &asked.inventory {
                let document = (inventory.0)(image).map_err(|error| {
                    Cause::Refused(format!("the inventory of the image cannot be made: {error}"))
                })?;
                statements.push(Statement::inventory(document));
            }
            if let Some(options) = &asked.provenance {
                statements.push(Statement::provenance(self.predicate(plan, image, options), options));
            }
            Ok::<_, StepError>(statements)
        };
        self.plans.iter().zip(images).map(of_image).collect()
    }

    /// Writes what is said of the images into the store.
    fn attest(&self, images: &[Image], statements: &[Vec<Statement>]) -> Result<Vec<Descriptor>, StepError> {
        let names = &self.request.tags;
        let write = |(image, said): (&Image, &Vec<Statement>)| {
            attest::write(said, &image.descriptor, &image.platform, names, &self.engine.store)
        };
        images.iter().zip(statements).map(write).collect()
    }

    fn predicate(&self, plan: &Plan, image: &Image, options: &ProvenanceOptions) -> serde_json::Value {
        let downloads = |url: &str| self.engine.state.download(url).ok().flatten().map(|found| found.digest);
        let facts = attest::Facts {
            request: self.request,
            plan,
            image,
            dockerfile: self.dockerfile,
            invocation: self.invocation,
            started: &self.started.to_string(),
            finished: &Timestamp::now().to_string(),
            downloads: &downloads,
        };
        attest::predicate(&facts, options)
    }

    /// How the first image was built, for whoever wants to know at once.
    fn provenance(&self, written: &Written) -> Option<serde_json::Value> {
        let options = self.request.attestations.provenance.as_ref()?;
        let least = ProvenanceOptions { max: false, ..options.clone() };
        Some(self.predicate(self.plans.first()?, written.images.first()?, &least))
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
            // What lies elsewhere is left as it is, as a layer of a base image is, unless that is forced.
            let is_ours = is_new && self.engine.store.has(&record.blob.digest);
            let recompress = (is_ours || options.force_compression)
                && !output::is_compressed_as(&record.blob, options.compression);
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

    /// The image, or an index of the images and of what is said of them.
    fn top(
        &self,
        images: &[Image],
        attestations: &[Descriptor],
        options: &ImageOptions,
    ) -> Result<Descriptor, StepError> {
        let annotations = Annotation::at(&options.annotations, AnnotationLevel::Index, None);
        if let ([only], []) = (images, attestations) {
            if !annotations.is_empty() {
                let text = "the image has no index that an annotation could be written on: it is for one \
                            platform and has no attestations";
                return Err(Cause::Refused(text.into()).into());
            }
            return Ok(Descriptor { platform: None, annotations, ..only.descriptor.clone() });
        }
        let entries = images.iter().map(|image| &image.descriptor).chain(attestations);
        let mut index = Index::new(entries.cloned().collect());
        index.annotations = annotations;
        if options.family == Family::Docker && attestations.is_empty() {
            index.media_type = Some(MediaType::from(media::DOCKER_MANIFEST_LIST));
        }
        let document = Document::of_index(&index);
        self.engine.store.put(&document.bytes)?;
        Ok(document.descriptor)
    }

    /// Brings the layers into the store that nobody has needed yet, unless they are needed elsewhere only.
    fn fetch_layers(&self) -> Result<(), StepError> {
        let goes_nowhere = |output: &Output| matches!(output.kind, OutputKind::Image | OutputKind::CacheOnly);
        let is_kept = !self.request.remote
            && self.request.outputs.iter().all(|output| output.kind != OutputKind::CacheOnly);
        let is_looked_at = self.request.attestations.inventory.is_some();
        if !is_kept && !is_looked_at && self.request.outputs.iter().all(goes_nowhere) {
            cache::note_origins(self.engine, self.chains);
            return Ok(());
        }
        for layer in self.chains.iter().flat_map(|chain| &chain.layers) {
            self.snapshots.fetch(layer, &layer.record()?.blob)?;
        }
        Ok(())
    }

    /// Gives the image its names in the store, if all of it is there.
    fn name(&self, written: &Written) -> Result<(), BuildError> {
        let store = &self.engine.store;
        let mut layers = written.images.iter().flat_map(|image| &image.manifest.layers);
        if layers.all(|layer| store.size(&layer.digest) == Some(layer.size)) {
            for tag in &self.request.tags {
                store.tag(&store_name(tag), &written.top)?;
            }
        }
        Ok(())
    }

    /// Writes one output and says what it is.
    fn put_out(&self, output: &Output, known: &Written) -> Result<Descriptor, BuildError> {
        let other;
        let written = match output.image == self.request.image {
            true => known,
            false => {
                other = self.write(&output.image).map_err(BuildError::Export)?;
                &other
            }
        };
        let platform = match written.images.as_slice() {
            [only] if written.attestations.is_empty() => Some(&only.platform),
            _ => None,
        };
        let level = match platform {
            Some(_) => AnnotationLevel::ManifestDescriptor,
            None => AnnotationLevel::IndexDescriptor,
        };
        let job = output::Job {
            engine: self.engine,
            snapshots: self.snapshots,
            tags: if self.request.tags.is_empty() { &output.names } else { &self.request.tags },
            top: &written.top,
            images: &written.images,
            attestations: &written.attestations,
            statements: &written.statements,
            files: &output.files,
            epoch: self.plans.first().and_then(|plan| plan.epoch),
            annotations: Annotation::at(&output.image.annotations, level, platform),
            chains: self.chains,
        };
        output::write(&output.kind, &job)
            .map_err(|source| BuildError::Output { path: output.kind.path(), source })?;
        let mut top = written.top.clone();
        top.annotations.extend(job.annotations);
        Ok(top)
    }
}
