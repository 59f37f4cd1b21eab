//! What layers hold, kept by their digests: a layer that was looked at once is not read again.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use wharf_oci::Digest;

use crate::image::LayerReport;
use crate::scan::Options;

/// A directory of layer reports, or none. What cannot be read or written is made anew: a cache is no place for errors.
#[derive(Debug, Clone, Default)]
pub struct Shelf {
    directory: Option<PathBuf>,
}

impl Shelf {
    /// Reports below `directory`, which several processes may use at once.
    pub fn at(directory: impl Into<PathBuf>) -> Self {
        Self { directory: Some(directory.into()) }
    }

    /// The report of a layer, if one was made with these options by this version.
    pub(crate) fn get(&self, layer: &Digest, options: &Options) -> Option<LayerReport> {
        let packed = fs::read(self.place(layer, options)?).ok()?;
        let json = zstd::stream::decode_all(packed.as_slice()).ok()?;
        let report: LayerReport = serde_json::from_slice(&json).ok()?;
        (report.version == LayerReport::VERSION).then_some(report)
    }

    /// Keeps the report of a layer.
    pub(crate) fn put(&self, layer: &Digest, options: &Options, report: &LayerReport) {
        if let Some(place) = self.place(layer, options) {
            // The next scan makes it again.
            let _ = write(&place, report);
        }
    }

    /// A report depends on the layer, on what was looked for, and on the rules of this version.
    fn place(&self, layer: &Digest, options: &Options) -> Option<PathBuf> {
        let rules =
            serde_json::to_string(&(options.checks, &options.allow, env!("CARGO_PKG_VERSION"))).ok()?;
        let name = Sha256::new().chain_update(layer.to_string()).chain_update(rules).finalize();
        let name = hex::encode(&name[..16]);
        Some(self.directory.as_ref()?.join(format!("v{}", LayerReport::VERSION)).join(&name[..2]).join(name))
    }
}

fn write(place: &Path, report: &LayerReport) -> io::Result<()> {
    let directory = place.parent().ok_or(io::ErrorKind::InvalidInput)?;
    fs::create_dir_all(directory)?;
    let packed = zstd::stream::encode_all(serde_json::to_vec(report)?.as_slice(), 3)?;
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(&packed)?;
    file.persist(place).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::Checks;

    #[test]
    fn a_report_is_for_its_layer_and_its_options() {
        let directory = tempfile::tempdir().unwrap();
        let shelf = Shelf::at(directory.path());
        let (layer, other) = (wharf_oci::digest::sha256(b"a"), wharf_oci::digest::sha256(b"b"));
        let report = LayerReport {
            version: LayerReport::VERSION,
            whiteouts: vec!["x".into()],
            ..LayerReport::default()
        };
        let options = Options::default();
        assert_eq!(shelf.get(&layer, &options), None);
        shelf.put(&layer, &options, &report);
        assert_eq!(shelf.get(&layer, &options), Some(report));
        assert_eq!(shelf.get(&other, &options), None);
        let models = Options { checks: Checks { models: true, ..Checks::NONE }, ..Options::default() };
        assert_eq!(shelf.get(&layer, &models), None);
        assert_eq!(Shelf::default().get(&layer, &options), None);
    }
}
