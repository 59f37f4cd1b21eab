//! The bill of materials that `--sbom` puts beside an image: what `wharf sbom` lists, as SPDX.

use std::sync::Arc;

use wharf_build::{Image, Inventory};
use wharf_registry::Layout;
use wharf_scan::{Options, Shelf, output};

use crate::local;
use crate::scanning::{Judges, Setup, format, scan_image};
use crate::world::World;

/// Makes the documents of images whose layers are in the store.
pub(crate) fn inventory(world: &World) -> Inventory {
    let (store, shelf) = (world.store.clone(), world.data_dir.join("scan"));
    Inventory(Arc::new(move |image| describe(&store, Shelf::at(shelf.clone()), image)))
}

fn describe(store: &Layout, shelf: Shelf, image: &Image) -> Result<serde_json::Value, String> {
    // With all checks, so that a scan of the same image finds the layers on the shelf.
    let setup = Setup::bare(Options::default(), shelf);
    let name = image.descriptor.digest.to_string();
    let image = local::Image {
        descriptor: image.descriptor.clone(),
        manifest: image.manifest.clone(),
        config: image.config.clone(),
    };
    let report = scan_image(Judges::Builtin(store), &name, &image, None, &setup);
    let report = report.map_err(|failure| format!("{:#}", failure.error))?;
    serde_json::from_str(&output::spdx(&report, &format::now())).map_err(|error| error.to_string())
}
