//! Base images: which one a name stands for, its config, and its layers.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use wharf_oci::{Descriptor, Digest, ImageConfig, Index, Manifest, Platform, Reference, media};
use wharf_registry::Layout;

use crate::engine::Engine;
use crate::error::{Cause, StepError};
use crate::id::Hasher;
use crate::llb::Node;
use crate::plan::{BaseImage, BaseRef, PinnedImage, ResolveError};
use crate::request::{BuildRequest, NamedContext};
use crate::snapshot::{Chain, Layer, Origin, copy_blob};
use crate::state::LayerRecord;

/// The base images of one build.
pub(crate) struct Bases<'a> {
    engine: &'a Engine,
    request: &'a BuildRequest,
    /// The layers of each image that was resolved, by the digest of its manifest.
    chains: Mutex<HashMap<Digest, Chain>>,
}

/// An image whose manifest and config are in the store.
struct Found {
    manifest: Descriptor,
    origin: Option<Origin>,
}

impl<'a> Bases<'a> {
    pub(crate) fn new(engine: &'a Engine, request: &'a BuildRequest) -> Self {
        Self { engine, request, chains: Mutex::default() }
    }

    /// Answers the planner, all questions at once.
    pub(crate) fn resolve(&self, references: &[BaseRef]) -> Vec<Result<BaseImage, ResolveError>> {
        std::thread::scope(|scope| {
            let pending: Vec<_> =
                references.iter().map(|reference| scope.spawn(|| self.resolve_one(reference))).collect();
            let joined = pending.into_iter().map(|thread| thread.join());
            joined.map(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        })
    }

    fn resolve_one(&self, base: &BaseRef) -> Result<BaseImage, ResolveError> {
        let found = match base {
            BaseRef::Image { reference, platform } => self.find(reference, platform)?,
            BaseRef::Context { name, platform } => match self.request.contexts.get(name) {
                Some(NamedContext::Image(reference)) => self.find(reference, platform)?,
                Some(NamedContext::Layout { path, name }) => {
                    let layout = Layout::existing(path)?;
                    let manifest = choose(&layout, name.as_deref(), platform)?;
                    self.import(&layout, &manifest)?;
                    Found { manifest, origin: Some(Origin::Layout(layout)) }
                }
                _ => return Err(format!("the build context {name} is no image").into()),
            },
        };
        let (mut chain, config) = self.read(&found)?;
        let digest = found.manifest.digest;
        let (BaseRef::Image { platform, .. } | BaseRef::Context { platform, .. }) = base;
        chain.node = Node::of_image(&config.rootfs.diff_ids, &digest, platform);
        self.chains.lock().unwrap_or_else(PoisonError::into_inner).insert(digest.clone(), chain);
        Ok(BaseImage { digest, config })
    }

    /// The layers of an image that was resolved.
    pub(crate) fn chain(&self, image: &PinnedImage) -> Result<Chain, StepError> {
        let chains = self.chains.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = || Cause::Refused(format!("the image {} was not resolved", image.reference)).into();
        chains.get(&image.digest).cloned().ok_or_else(missing)
    }

    /// Whether the disk can take the layers that have to be fetched.
    pub(crate) fn preflight(&self) -> Result<(), StepError> {
        let store = &self.engine.store;
        let chains = self.chains.lock().unwrap_or_else(PoisonError::into_inner);
        let mut missing = HashMap::new();
        for layer in chains.values().flat_map(|chain| &chain.layers) {
            let blob = &layer.record()?.blob;
            if store.size(&blob.digest) != Some(blob.size) {
                missing.insert(blob.digest.clone(), blob.size);
            }
        }
        crate::space::require(store.root(), missing.values().sum(), "fetching the base images")
    }

    /// Finds an image in the store, or else at its registry.
    fn find(&self, reference: &Reference, platform: &Platform) -> Result<Found, StepError> {
        let origin = Some(Origin::Registry(reference.clone()));
        if !self.request.pull
            && let Some(manifest) = self.known(reference, platform)?
        {
            return Ok(Found { manifest, origin });
        }
        let engine = self.engine;
        let pulled = wharf_registry::resolve(&engine.client, reference, platform, &engine.store);
        let manifest = engine.runtime.block_on(pulled)?.descriptor;
        engine.state.keep_base(&reference.canonical(), platform, &manifest)?;
        Ok(Found { manifest, origin })
    }

    /// What the store has under a name: an image that was built or pulled, or the base of an earlier build.
    fn known(&self, reference: &Reference, platform: &Platform) -> Result<Option<Descriptor>, StepError> {
        let store = &self.engine.store;
        let tagged = match reference.digest() {
            None => store.resolve(&store_name(reference))?,
            Some(_) => None,
        };
        let candidates = [tagged, self.engine.state.base(&reference.canonical(), platform)?];
        for candidate in candidates.into_iter().flatten() {
            // Something may have been pruned, and an image for another platform is none.
            if let Ok(manifest) = self.for_platform(store, candidate, platform)
                && self.read(&Found { manifest: manifest.clone(), origin: None }).is_ok()
            {
                return Ok(Some(manifest));
            }
        }
        Ok(None)
    }

    fn for_platform(
        &self,
        store: &Layout,
        found: Descriptor,
        platform: &Platform,
    ) -> Result<Descriptor, StepError> {
        let manifest = descend(store, found, platform)?;
        let config = self.read(&Found { manifest: manifest.clone(), origin: None })?.1;
        match platform.affinity(&config.platform()) {
            Some(_) => Ok(manifest),
            None => Err(Cause::Refused(format!("the image in the store is not for {platform}")).into()),
        }
    }

    /// Brings manifest and config from another layout into the store.
    fn import(&self, layout: &Layout, manifest: &Descriptor) -> Result<(), StepError> {
        let bytes = layout.read(&manifest.digest)?;
        let parsed: Manifest = parse(&bytes, &manifest.digest)?;
        copy_blob(layout, &self.engine.store, &parsed.config)?;
        Ok(self.engine.store.put_as(&manifest.digest, &bytes)?)
    }

    fn read(&self, found: &Found) -> Result<(Chain, ImageConfig), StepError> {
        let store = &self.engine.store;
        let manifest: Manifest = parse(&store.read(&found.manifest.digest)?, &found.manifest.digest)?;
        let config: ImageConfig = parse(&store.read(&manifest.config.digest)?, &manifest.config.digest)?;
        let diff_ids = &config.rootfs.diff_ids;
        if diff_ids.len() != manifest.layers.len() {
            let text = "the manifest of the base image and its config name different numbers of layers";
            return Err(Cause::Refused(text.into()).into());
        }
        let mut id = Hasher::new("image");
        let mut layers = Vec::new();
        for (blob, diff_id) in manifest.layers.iter().zip(diff_ids) {
            id.text(diff_id.as_ref());
            let record = LayerRecord { blob: blob.clone(), diff_id: diff_id.clone() };
            layers.push(Layer::of_image(record, found.origin.clone()).into());
        }
        Ok((Chain { id: id.finish(), layers, node: None }, config))
    }
}

/// The name under which the store keeps an image.
pub(crate) fn store_name(reference: &Reference) -> String {
    format!("{}:{}", reference.name(), reference.tag_or_latest().unwrap_or("latest"))
}

/// The image in a layout that a name (tag or digest), or no name, stands for.
fn choose(layout: &Layout, name: Option<&str>, platform: &Platform) -> Result<Descriptor, StepError> {
    let refs = layout.refs()?;
    let index = layout.index()?;
    let by_name = |name: &str| {
        let tagged = refs.iter().find(|(known, _)| known == name || known.ends_with(&format!(":{name}")));
        tagged.map(|(_, descriptor)| descriptor.clone())
    };
    let by_digest = |name: &str| index.manifests.iter().find(|entry| entry.digest.as_ref() == name).cloned();
    let found = match name {
        Some(name) => by_name(name).or_else(|| by_digest(name)),
        None => by_name("latest").or_else(|| index.manifests.first().cloned()),
    };
    let missing = || {
        let name = name.unwrap_or("latest");
        Cause::Refused(format!("the layout `{}` has no image {name:?}", layout.root().display()))
    };
    descend(layout, found.ok_or_else(missing)?, platform)
}

/// From an index to the manifest for `platform`.
fn descend(layout: &Layout, mut found: Descriptor, platform: &Platform) -> Result<Descriptor, StepError> {
    // An index of indexes is allowed; a chain of them without end cannot be made of digests.
    while media::is_index(&found.media_type) {
        let index: Index = parse(&layout.read(&found.digest)?, &found.digest)?;
        let chosen = index.for_platform(platform).or(match index.manifests.as_slice() {
            [only] => Some(only),
            _ => None,
        });
        let missing = || Cause::Refused(format!("{} has no image for {platform}", found.digest));
        found = chosen.cloned().ok_or_else(missing)?;
    }
    Ok(found)
}

fn parse<T: serde::de::DeserializeOwned>(bytes: &[u8], digest: &Digest) -> Result<T, StepError> {
    serde_json::from_slice(bytes)
        .map_err(|error| Cause::Refused(format!("{digest} is no image document: {error}")).into())
}
