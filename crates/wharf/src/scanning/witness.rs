//! Layers looked at while a build writes or unpacks them, so that the scan of the image reads none again.

use std::io::Read;
use std::sync::Arc;

use wharf_build::{Keep, Witness};
use wharf_oci::Digest;
use wharf_scan::{Checks, Shelf};

use crate::world::World;

/// What a scan looks for unless it is told otherwise, put on the shelf where scans look first.
#[derive(Debug)]
struct Shelving(Shelf);

/// Looks at the layers of images that are built on this machine.
pub(crate) fn witness(world: &World) -> Arc<dyn Witness> {
    Arc::new(Shelving(Shelf::at(world.data_dir.join("scan"))))
}

impl Witness for Shelving {
    fn knows(&self, blob: &Digest) -> bool {
        self.0.knows(blob, Checks::default())
    }

    fn look(&self, layer: &mut (dyn Read + Send)) -> Option<Keep> {
        // A layer that cannot be read here fails where it is written or unpacked, or else when it is scanned.
        let report = wharf_scan::read_layer(layer, Checks::default()).ok()?;
        let shelf = self.0.clone();
        Some(Box::new(move |blob: &Digest| shelf.put(blob, &report)))
    }

    fn recognise(&self, blob: &Digest, converted: &Digest) {
        self.0.put_also(blob, converted);
    }
}
