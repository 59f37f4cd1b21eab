//! Where in a document an image is named, in each of the forms in use.

use std::collections::BTreeMap;

use super::node::{Node, Scalar};
use crate::edit::Edit;
use crate::image::Target;
use crate::rewrite::RewriteError;

/// Collects the references of a document.
pub(super) struct Finder<'a> {
    pub(super) text: &'a str,
    pub(super) target: &'a Target,
    pub(super) any_string: bool,
    pub(super) anchors: &'a BTreeMap<usize, Scalar>,
    pub(super) edits: Vec<Edit>,
}

impl Finder<'_> {
    /// Looks at a node and at all below it.
    pub(super) fn walk(&mut self, node: &Node) -> Result<(), RewriteError> {
        match node {
            Node::Map(members) => {
                self.kustomize(node)?;
                self.split_image(node)?;
                for (key, value) in members {
                    match key.text() {
                        Some("image") => self.reference(value)?,
                        _ => self.any(value)?,
                    }
                    self.walk(value)?;
                }
            }
            Node::Seq(items) => {
                for item in items {
                    self.any(item)?;
                    self.walk(item)?;
                }
            }
            Node::Scalar(_) | Node::Alias(_) => {}
        }
        Ok(())
    }

    /// The scalar itself, or the one that an alias stands for.
    fn scalar<'n>(&'n self, node: &'n Node) -> Option<&'n Scalar> {
        match node {
            Node::Scalar(scalar) => Some(scalar),
            Node::Alias(anchor) => self.anchors.get(anchor),
            _ => None,
        }
    }

    /// A whole reference.
    fn reference(&mut self, node: &Node) -> Result<(), RewriteError> {
        let Some(scalar) = self.scalar(node).cloned() else { return Ok(()) };
        match self.target.renew(&scalar.value) {
            Some(new) => self.replace(&scalar, new),
            None => Ok(()),
        }
    }

    /// Any string of JSON that names the image with a tag or a digest.
    fn any(&mut self, node: &Node) -> Result<(), RewriteError> {
        match self.scalar(node) {
            Some(scalar) if self.any_string && scalar.value.contains([':', '@']) => self.reference(node),
            _ => Ok(()),
        }
    }

    /// Kustomize: `images: [{name, newName, newTag, digest}]`.
    fn kustomize(&mut self, node: &Node) -> Result<(), RewriteError> {
        let Some(Node::Seq(images)) = node.get("images") else { return Ok(()) };
        for image in images {
            let named =
                |key| image.get(key).and_then(Node::text).is_some_and(|name| self.target.is_name(name));
            let renamed = image.get("newName").is_some();
            if named("newName") || (named("name") && !renamed) {
                self.tag_and_digest(image, "newTag", "digest")?;
            }
        }
        Ok(())
    }

    /// Helm values: `{registry, repository, tag, digest}`.
    fn split_image(&mut self, node: &Node) -> Result<(), RewriteError> {
        let Some(repository) = node.get("repository").and_then(Node::text) else { return Ok(()) };
        let registry = node.get("registry").and_then(Node::text).filter(|registry| !registry.is_empty());
        let full =
            registry.map_or_else(|| repository.to_owned(), |registry| format!("{registry}/{repository}"));
        if self.target.is_name(&full) {
            self.tag_and_digest(node, "tag", "digest")?;
        }
        Ok(())
    }

    /// Both where both have a place. Where the digest has none, the tag carries it: every renderer writes
    /// `name:tag`, and a reference may have both.
    fn tag_and_digest(&mut self, node: &Node, tag: &str, digest: &str) -> Result<(), RewriteError> {
        let tag = node.get(tag).and_then(|node| self.scalar(node)).cloned();
        let digest = node.get(digest).and_then(|node| self.scalar(node)).cloned();
        match (tag, digest) {
            (Some(tag), Some(digest)) => {
                let name =
                    if tag.plain { quoted_if_needed(&self.target.tag) } else { self.target.tag.clone() };
                self.replace(&tag, name)?;
                self.replace(&digest, self.target.digest.to_string())
            }
            (Some(tag), None) => self.replace(&tag, self.target.tag_and_digest()),
            (None, Some(digest)) => self.replace(&digest, self.target.digest.to_string()),
            (None, None) => Ok(()),
        }
    }

    /// A path that the project names: a mapping of its parts, a whole reference, or a tag.
    pub(super) fn at_path(&mut self, document: &Node, path: &str) -> Result<(), RewriteError> {
        let found = path.split('.').try_fold(document, |node, key| match node {
            Node::Seq(items) => items.get(key.parse::<usize>().ok()?),
            node => node.get(key),
        });
        match found {
            Some(node @ Node::Map(_)) => self.tag_and_digest(node, "tag", "digest"),
            Some(node) => match self.scalar(node).cloned() {
                Some(scalar) => {
                    let new =
                        self.target.renew(&scalar.value).unwrap_or_else(|| self.target.tag_and_digest());
                    self.replace(&scalar, new)
                }
                None => Ok(()),
            },
            None => Ok(()),
        }
    }

    fn replace(&mut self, scalar: &Scalar, new: String) -> Result<(), RewriteError> {
        let edit = if scalar.range.is_empty() && scalar.value.is_empty() && !scalar.plain {
            // Empty quotes: the content goes between them.
            Edit::new(self.text, scalar.range.start + 1..scalar.range.start + 1, new)
        } else if scalar.range.is_empty() {
            let line = self.text[..scalar.range.start].matches('\n').count() + 1;
            return Err(RewriteError::Unwritable { line, text: scalar.value.clone() });
        } else {
            Edit::new(self.text, scalar.range.clone(), new)
        };
        if !self.edits.iter().any(|known| known.range == edit.range) {
            self.edits.push(edit);
        }
        Ok(())
    }
}

/// A tag without quotes must not be read as a number, a date or a truth value.
fn quoted_if_needed(tag: &str) -> String {
    let words = ["true", "false", "yes", "no", "on", "off", "null", "~", "y", "n"];
    let number =
        tag.parse::<f64>().is_ok() || tag.bytes().all(|b| b.is_ascii_digit() || b"-_:.".contains(&b));
    // Two dots make no number in any YAML, and three parts are the usual case.
    let version = tag.matches('.').count() >= 2 && !tag.contains([':', '_']);
    if words.contains(&tag.to_lowercase().as_str()) || (number && !version) {
        format!("\"{tag}\"")
    } else {
        tag.to_owned()
    }
}
