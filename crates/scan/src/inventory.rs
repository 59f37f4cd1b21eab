//! What an image consists of: the packages that its own databases and metadata files speak of.
//!
//! One module per system reads one file of it into [`Found`] packages; [`Catalog`] says which files those
//! are. What a layer's files say becomes the image's [`Inventory`] when the layers are put together.

mod apk;
mod binary;
mod catalog;
mod conda;
mod cpython;
mod dotnet;
mod dpkg;
mod embedded;
mod jar;
mod node;
mod os_release;
mod package;
mod python;
mod rpm;

pub(crate) use catalog::Catalog;
pub(crate) use embedded::is_sbom;
pub use os_release::Distribution;
pub(crate) use package::{FOREIGN, Owned, decode};
pub use package::{Found, Package, PackageFile, SourcePackage, System};
pub(crate) use python::normalize as normalize_python_name;

use serde::{Deserialize, Serialize};

/// What an image consists of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inventory {
    /// The distribution that it says it is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub distribution: Option<Distribution>,
    /// The packages, by ecosystem, name and path.
    pub packages: Vec<Package>,
    /// Package databases that could not be read whole: where each is, and what is wrong with it.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub damaged: Vec<(String, String)>,
}
