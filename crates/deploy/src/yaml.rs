//! References in YAML and JSON: `image:` anywhere, Kustomize's `images:`, the repository, tag and digest of Helm
//! values. The document is read with a real parser, and only the bytes of a scalar's content are replaced.

mod find;
mod node;

use crate::edit::Edit;
use crate::image::Target;
use crate::rewrite::RewriteError;

/// The references in all documents of `text`. In JSON every string that names the image counts.
pub(crate) fn edits(text: &str, target: &Target, any_string: bool) -> Result<Vec<Edit>, RewriteError> {
    let stream = node::parse(text)?;
    let mut finder = find::Finder { text, target, any_string, anchors: &stream.anchors, edits: Vec::new() };
    for document in &stream.documents {
        finder.walk(document)?;
        for path in &target.paths {
            finder.at_path(document, path)?;
        }
    }
    Ok(finder.edits)
}
