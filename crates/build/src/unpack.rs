//! The layers of a finished image as directories, for whoever runs it.

use std::path::PathBuf;
use std::sync::Arc;

use wharf_oci::{ImageConfig, Manifest};

use crate::engine::Engine;
use crate::error::{BuildError, Cause, StepError};
use crate::event::Events;
use crate::snapshot::{Layer, Snapshots};
use crate::state::LayerRecord;
use crate::work::WorkDirectory;

impl Engine {
    /// The directories of an image's layers in overlayfs form, the base first. What is not unpacked yet is
    /// unpacked; the blobs must be in the store.
    ///
    /// # Errors
    /// When manifest and config do not belong together, or a layer is missing or damaged.
    pub fn unpack(
        &self,
        manifest: &Manifest,
        config: &ImageConfig,
        events: Events<'_>,
    ) -> Result<Vec<PathBuf>, BuildError> {
        let (blobs, diff_ids) = (&manifest.layers, &config.rootfs.diff_ids);
        if blobs.len() != diff_ids.len() {
            let text =
                format!("the manifest names {} layers, and the config {}", blobs.len(), diff_ids.len());
            return Err(BuildError::Export(StepError::from(Cause::Refused(text))));
        }
        let layer = |(blob, diff_id): (&wharf_oci::Descriptor, &wharf_oci::Digest)| {
            let record = LayerRecord { blob: blob.clone(), diff_id: diff_id.clone() };
            Arc::new(Layer::of_image(record, None))
        };
        let layers: Vec<Arc<Layer>> = blobs.iter().zip(diff_ids).map(layer).collect();
        let work = WorkDirectory::create(&self.data.join("work"))?;
        let looked_at = blobs.iter().map(|blob| blob.digest.clone()).collect();
        let snapshots = Snapshots { engine: self, work: &work, events, looked_at: &looked_at };
        match self.is_flat() {
            true => snapshots.flat(&layers).map(|tree| vec![tree]),
            false => snapshots.directories(&layers),
        }
        .map_err(BuildError::Export)
    }
}
