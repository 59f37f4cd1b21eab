//! What layers hold, kept by their digests: a layer that was looked at once is not read again.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use wharf_oci::Digest;

use crate::image::LayerReport;
use crate::scan::Checks;
use crate::secrets::SecretRules;

/// A directory of layer reports, or none. What cannot be read or written is made anew: a cache is no place for errors.
#[derive(Debug, Clone, Default)]
pub struct Shelf {
    directory: Option<PathBuf>,
    /// Under which rules its reports were made, where they are not the built-in ones.
    rules: String,
}

impl Shelf {
    /// Reports below `directory`, which several processes may use at once.
    pub fn at(directory: impl Into<PathBuf>) -> Self {
        Self { directory: Some(directory.into()), rules: String::new() }
    }

    /// The same, with reports under these rules.
    pub(crate) fn under(&self, rules: &SecretRules) -> Self {
        Self { rules: rules.key().to_owned(), ..self.clone() }
    }

    /// Whether a layer was looked at, for all that is asked.
    pub fn knows(&self, layer: &Digest, checks: Checks) -> bool {
        self.get(layer, checks).is_some()
    }

    /// The report of a layer, if one was made by this version that answers all that is asked.
    pub(crate) fn get(&self, layer: &Digest, checks: Checks) -> Option<LayerReport> {
        let report = self.kept(layer)?;
        report.looked_for.covers(checks).then(|| report.only(checks))
    }

    /// These checks, and all that the layer was looked at for before: so that what is kept of it only grows.
    pub(crate) fn widened(&self, layer: &Digest, checks: Checks) -> Checks {
        checks.and(self.kept(layer).map_or(Checks::NONE, |report| report.looked_for))
    }

    fn kept(&self, layer: &Digest) -> Option<LayerReport> {
        let packed = fs::read(self.place(layer)?).ok()?;
        let json = zstd::stream::decode_all(packed.as_slice()).ok()?;
        let report: LayerReport = serde_json::from_slice(&json).ok()?;
        (report.version == LayerReport::VERSION).then_some(report)
    }

    /// Keeps the report of a layer.
    pub fn put(&self, layer: &Digest, report: &LayerReport) {
        if let Some(place) = self.place(layer) {
            // The next scan makes it again.
            let _ = write(&place, report);
        }
    }

    /// Keeps the report of a layer for another blob of the same files, of which nothing is known yet.
    pub fn put_also(&self, layer: &Digest, other: &Digest) {
        if let (Some(report), None) = (self.kept(layer), self.kept(other)) {
            self.put(other, &report);
        }
    }

    /// A report depends on the layer and on the rules of this version; and on what was looked for, which it says itself.
    fn place(&self, layer: &Digest) -> Option<PathBuf> {
        let version = env!("CARGO_PKG_VERSION");
        let name = Sha256::new()
            .chain_update(layer.to_string())
            .chain_update(version)
            .chain_update(&self.rules)
            .finalize();
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
    use crate::findings::{Finding, Kind, Severity};

    #[test]
    fn a_report_is_for_its_layer_and_for_all_that_was_looked_for() {
        let directory = tempfile::tempdir().unwrap();
        let shelf = Shelf::at(directory.path());
        let (layer, other) = (wharf_oci::digest::sha256(b"a"), wharf_oci::digest::sha256(b"b"));
        let report = LayerReport {
            version: LayerReport::VERSION,
            whiteouts: vec!["x".into()],
            looked_for: Checks { secrets: false, ..Checks::default() },
            findings: vec![Finding::new(Kind::Model, "pickle-import", Severity::High, "m.pkl", "x")],
            ..LayerReport::default()
        };
        let models = Checks { models: true, ..Checks::NONE };
        assert_eq!(shelf.get(&layer, models), None);
        shelf.put(&layer, &report);
        assert_eq!(shelf.get(&layer, models), Some(report.clone()));
        assert_eq!(shelf.get(&other, models), None);
        assert_eq!(Shelf::default().get(&layer, models), None);
        let packages = Checks { packages: true, ..Checks::NONE };
        assert_eq!(shelf.get(&layer, packages), Some(LayerReport { findings: Vec::new(), ..report }));
        shelf.put_also(&layer, &other);
        assert_eq!(shelf.get(&other, models), shelf.get(&layer, models));
        let secrets = Checks { secrets: true, ..Checks::NONE };
        assert_eq!(shelf.get(&layer, secrets), None);
        assert!(shelf.widened(&layer, secrets).models);
    }
}
