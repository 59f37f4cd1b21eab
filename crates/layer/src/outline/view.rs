//! What a stack of layers shows where of some only the outline is there.
//!
//! The rules are those of [`crate::stack`]: only directories merge, and removals hide what is below them.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::{Item, Outline};
use crate::{
    Entry, Error, Kind, Metadata, Ownership, inode,
    stack::{is_opaque, is_whiteout, lstat},
};

/// One layer of a view.
#[derive(Debug, Clone)]
pub enum Part {
    /// Unpacked, in overlayfs's form.
    Directory(PathBuf),
    /// Its names.
    Outline(Arc<Outline>),
}

/// Layers on one another.
#[derive(Debug, Clone)]
pub struct View {
    /// Topmost first.
    parts: Vec<Part>,
    ownership: Ownership,
}

/// What is at a path of a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// It. Of a hard link, the file that it is another name of.
    pub entry: Entry,
    /// Its content, where the outline has it.
    pub content: Option<Vec<u8>>,
    /// The layer that it is in, counted from the topmost.
    pub layer: usize,
    /// Its first name there.
    pub source: PathBuf,
}

/// What a part has at a path.
enum Here {
    Nothing,
    Removal,
    /// A directory that is only on the way to something.
    Way,
    Thing(Named, IsLast),
}

/// Whether a thing hides what lower layers have at its path.
type IsLast = bool;

impl View {
    /// Of `parts`, topmost first; `ownership` is where owners are kept in those that are directories.
    pub fn new(parts: Vec<Part>, ownership: Ownership) -> Self {
        Self { parts, ownership }
    }

    /// What is at `path`, which is relative to the root and not looked for behind symbolic links.
    ///
    /// # Errors
    /// When a directory cannot be read.
    pub fn find(&self, path: &Path) -> Result<Option<Named>, Error> {
        let mut layers: Vec<usize> = (0..self.parts.len()).collect();
        let (mut sofar, mut found) = (PathBuf::new(), None);
        for component in path.components() {
            let Component::Normal(name) = component else { return Ok(None) };
            sofar.push(name);
            (found, layers) = self.find_in(&layers, &sofar)?;
            if found.is_none() {
                return Ok(None);
            }
        }
        Ok(found)
    }

    /// What is at `path`, whose parent is made of `layers`; and the layers that it is made of in turn.
    fn find_in(&self, layers: &[usize], path: &Path) -> Result<(Option<Named>, Vec<usize>), Error> {
        let mut found: Option<Named> = None;
        let mut is_way = false;
        let mut merged = Vec::new();
        for &layer in layers {
            let (named, is_last) = match self.look(layer, path)? {
                Here::Nothing => continue,
                Here::Removal => break,
                Here::Way => {
                    is_way |= found.is_none();
                    found.get_or_insert_with(|| way(path, layer));
                    merged.push(layer);
                    continue;
                }
                Here::Thing(named, is_last) => (named, is_last),
            };
            let is_directory = named.entry.kind == Kind::Directory;
            if found.is_some() && !is_directory {
                break;
            }
            if is_directory {
                merged.push(layer);
            }
            match &mut found {
                // A directory that its own layer does not name looks as the next lower one does.
                Some(found) if is_way => found.entry.metadata = named.entry.metadata,
                Some(_) => {}
                None => found = Some(named),
            }
            is_way = false;
            if is_last {
                break;
            }
        }
        Ok((found, merged))
    }

    fn look(&self, layer: usize, path: &Path) -> Result<Here, Error> {
        match &self.parts[layer] {
            Part::Outline(outline) => Ok(outline.look(layer, path)),
            Part::Directory(directory) => {
                let file = directory.join(path);
                let Some(metadata) = lstat(&file)? else { return Ok(Here::Nothing) };
                if is_whiteout(&metadata) {
                    return Ok(Here::Removal);
                }
                let Some(kind) = inode::kind(&file, &metadata)? else { return Ok(Here::Nothing) };
                let is_last = kind != Kind::Directory || is_opaque(&file)?;
                let metadata = inode::metadata(&file, &metadata, self.ownership)?;
                let entry = Entry { path: path.to_owned(), kind, metadata };
                Ok(Here::Thing(Named { entry, content: None, layer, source: path.to_owned() }, is_last))
            }
        }
    }
}

/// A directory that no layer names.
fn way(path: &Path, layer: usize) -> Named {
    let metadata = Metadata { mode: 0o755, ..Metadata::default() };
    let entry = Entry { path: path.to_owned(), kind: Kind::Directory, metadata };
    Named { entry, content: None, layer, source: path.to_owned() }
}

impl Outline {
    fn look(&self, layer: usize, path: &Path) -> Here {
        let Some(item) = self.items.get(path) else {
            return if self.has_below(path) { Here::Way } else { Here::Nothing };
        };
        if item.entry.kind == Kind::Whiteout {
            return Here::Removal;
        }
        let Item { entry, hides_lower, content } = match &item.entry.kind {
            // It is there: so it was recorded.
            Kind::HardLink { target } => self.items.get(target).unwrap_or(item),
            _ => item,
        };
        let is_last = entry.kind != Kind::Directory || *hides_lower;
        let source = entry.path.clone();
        let entry = Entry { path: path.to_owned(), ..entry.clone() };
        Here::Thing(Named { entry, content: content.clone(), layer, source }, is_last)
    }
}
