//! Where the bytes of a layer are, when the store does not have them.

use std::sync::Arc;

use wharf_oci::Descriptor;
use wharf_registry::{Source, Store};

use crate::engine::Engine;
use crate::snapshot::{Chain, Layer, Origin};

/// Tells the client where the layers that the store lacks are, so that a push has them mounted there, or
/// takes them from there.
pub(crate) fn note_origins(engine: &Engine, chains: &[Chain]) {
    for layer in chains.iter().flat_map(|chain| &chain.layers) {
        note_origin(engine, layer);
    }
}

fn note_origin(engine: &Engine, layer: &Layer) {
    if let (Some(Origin::Registry(reference)), Ok(record)) = (&layer.origin, layer.record()) {
        engine.client.note_blob(reference, &record.blob.digest);
    }
}

/// The bytes of `blob`: from the store, or from where `layer` came.
pub(super) fn source(
    engine: &Engine,
    layer: &Layer,
    blob: &Descriptor,
) -> wharf_registry::Result<Arc<dyn Source>> {
    if engine.store.size(&blob.digest) == Some(blob.size) {
        return Ok(engine.store.blob(blob));
    }
    match &layer.origin {
        Some(Origin::Registry(reference)) => {
            engine.client.note_blob(reference, &blob.digest);
            Ok(engine.client.mirrored(reference)?.blob(blob))
        }
        Some(Origin::Layout(layout)) => Ok(layout.blob(blob)),
        None => Ok(engine.store.blob(blob)),
    }
}
