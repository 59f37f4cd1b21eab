//! Layers in another compression, or with other times.

use wharf_layer::{Compression, WriteOptions};
use wharf_oci::Descriptor;

use crate::engine::Engine;
use crate::error::StepError;
use crate::id::Hasher;
use crate::request::ImageOptions;
use crate::state::LayerRecord;

/// Whether the media type says that the blob is compressed this way.
pub(crate) fn is_compressed_as(blob: &Descriptor, compression: Compression) -> bool {
    let name = blob.media_type.as_ref();
    match compression {
        Compression::Gzip { .. } => name.ends_with("gzip"),
        Compression::Zstd { .. } => name.ends_with("zstd"),
        Compression::None => name.ends_with("tar"),
    }
}

/// The layer as `options` want it, its times at most `latest`. What was converted once is remembered, and what a witness knows of it
/// holds for it in this form, too.
pub(crate) fn convert(
    engine: &Engine,
    record: &LayerRecord,
    options: &ImageOptions,
    latest: Option<i64>,
) -> Result<LayerRecord, StepError> {
    let converted = convert_blob(engine, record, options, latest)?;
    if let Some(witness) = &engine.witness {
        witness.recognise(&record.blob.digest, &converted.blob.digest);
    }
    Ok(converted)
}

fn convert_blob(
    engine: &Engine,
    record: &LayerRecord,
    options: &ImageOptions,
    latest: Option<i64>,
) -> Result<LayerRecord, StepError> {
    let mut key = Hasher::new("conversion");
    key.text(record.blob.digest.as_ref()).text(&format!("{:?} {latest:?}", options.compression));
    let key = key.finish();
    if let Some(known) = engine.state.conversion(&key)?
        && engine.store.size(&known.blob.digest) == Some(known.blob.size)
    {
        return Ok(known);
    }
    let source = engine.store.open_blob(&record.blob.digest)?;
    let write =
        WriteOptions { compression: options.compression, latest_mtime: latest, ..WriteOptions::default() };
    let (out, info) = wharf_layer::recompress(source, engine.store.writer()?, &write)?;
    out.commit(Some(&info.digest))?;
    let converted = LayerRecord { blob: info.descriptor(options.family), diff_id: info.diff_id };
    engine.state.keep_conversion(&key, &converted)?;
    Ok(converted)
}
