//! The outlines of layers: known here, told by a cache, or read from the layer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::TryStreamExt;
use wharf_layer::Outline;
use wharf_oci::{Descriptor, Digest, digest};
use wharf_registry::Store;

use super::{Layer, Origin, Snapshots};
use crate::engine::Engine;
use crate::error::{Cause, StepError};
use crate::state::{LayerRecord, Outlined};

/// The media type of an outline that travels.
pub(crate) const MEDIA_TYPE: &str = "application/vnd.wharf.layer.outline.v1.tar+zstd";
/// The most that is fetched of one.
const SIZE_MAX: u64 = 64 << 20;
/// So many outlines are brought here at once.
const THREADS: usize = 8;

impl Snapshots<'_> {
    /// The outlines of `layers`, in the same order; `None` if one of them has none.
    pub(super) fn outlines(&self, layers: &[Arc<Layer>]) -> Result<Option<Vec<Arc<Outline>>>, StepError> {
        let next = AtomicUsize::new(0);
        let work = || {
            while let Some(layer) = layers.get(next.fetch_add(1, Ordering::Relaxed)) {
                self.outline(layer)?;
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..THREADS.min(layers.len())).map(|_| scope.spawn(work)).collect();
            let joined = workers.into_iter().map(|worker| worker.join());
            joined
                .map(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect::<Vec<_>>()
        })
        .into_iter()
        .collect::<Result<(), StepError>>()?;
        layers.iter().map(|layer| self.outline(layer)).collect()
    }

    /// The outline of a layer, if it has one.
    fn outline(&self, layer: &Layer) -> Result<Option<Arc<Outline>>, StepError> {
        let mut known = layer.outline();
        if let Some(outline) = &*known {
            return Ok(outline.clone());
        }
        let record = layer.record()?;
        let outline = match self.engine.outline_bytes(&record.diff_id)? {
            Some(bytes) if bytes.is_empty() => None,
            Some(bytes) => match Outline::decode(&bytes) {
                Ok(outline) => Some(outline),
                // What is kept, or what a cache told, is no outline: the layer itself is.
                Err(_) => self.read_outline(layer, record)?,
            },
            None => self.read_outline(layer, record)?,
        };
        let outline = outline.map(Arc::new);
        *known = Some(outline.clone());
        Ok(outline)
    }

    /// Reads the names of a layer, which is fetched for it and not unpacked.
    fn read_outline(&self, layer: &Layer, record: &LayerRecord) -> Result<Option<Outline>, StepError> {
        self.fetch(layer, &record.blob)?;
        let blob = self.engine.store.open_blob(&record.blob.digest)?;
        let outline = self.reading(record, |shown| {
            let (outline, diff_id) = Outline::of_layer(blob, shown)?;
            Ok((diff_id, outline))
        })?;
        self.engine.keep_outline(&record.diff_id, outline.as_ref())?;
        Ok(outline)
    }
}

impl Engine {
    /// Remembers the outline of a layer, or that it has none.
    pub(crate) fn keep_outline(&self, diff_id: &Digest, outline: Option<&Outline>) -> Result<(), StepError> {
        let bytes = outline.map(Outline::encode).transpose()?.unwrap_or_default();
        Ok(self.state.keep_outline(diff_id, &bytes)?)
    }

    /// The outline of the layer `diff_id` as bytes, where it is known or can be had without the layer; no bytes
    /// where the layer has none.
    pub(crate) fn outline_bytes(&self, diff_id: &Digest) -> Result<Option<Vec<u8>>, StepError> {
        match self.state.outline(diff_id)? {
            None => Ok(None),
            Some(Outlined::Known(bytes)) => {
                self.state.touch_outline(diff_id)?;
                Ok(Some(bytes))
            }
            // A cache that cannot be read is a cache that does not know.
            Some(Outlined::At(blob, origin)) => match self.fetch_outline(&blob, &origin) {
                Ok(bytes) => {
                    self.state.keep_outline(diff_id, &bytes)?;
                    Ok(Some(bytes))
                }
                Err(_) => Ok(None),
            },
        }
    }

    fn fetch_outline(&self, blob: &Descriptor, origin: &Origin) -> Result<Vec<u8>, StepError> {
        let refused =
            |what: &str| StepError::from(Cause::Refused(format!("the outline {} {what}", blob.digest)));
        if blob.size > SIZE_MAX {
            return Err(refused("is too large"));
        }
        let bytes = match origin {
            Origin::Registry(reference) => {
                let repository = self.client.mirrored(reference)?;
                self.runtime.block_on(read(&repository, blob))?
            }
            Origin::Layout(layout) => layout.read(&blob.digest)?,
        };
        match bytes.len() as u64 == blob.size && digest::matches(&blob.digest, &bytes) {
            true => Ok(bytes),
            false => Err(refused("is damaged")),
        }
    }
}

async fn read(store: &dyn Store, blob: &Descriptor) -> wharf_registry::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut pieces = store.blob(blob).open(0).await?;
    while let Some(piece) = pieces.try_next().await? {
        bytes.extend_from_slice(&piece);
        if bytes.len() as u64 > blob.size {
            break;
        }
    }
    Ok(bytes)
}
