//! HDF5, as Keras writes it: the configuration is text in an attribute, which lies in one piece.

use super::{Issue, keras};
use crate::blob::Blob;

/// What is wrong with a model in HDF5.
pub(super) fn check(blob: &Blob) -> Vec<Issue> {
    keras::check_embedded(blob)
}
