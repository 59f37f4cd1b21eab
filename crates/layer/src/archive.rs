//! Archives that `ADD` unpacks.

use std::{
    fs::File,
    io::{BufReader, Seek},
    path::Path,
};

use rustix::io::Errno;

use crate::{
    Decoder, Error, Form, Limits, Ownership,
    member::Whiteouts,
    stream::decompress,
    tar::TarReader,
    tree::{Arrival, Tree},
    unpack::{Policy, Unpacker},
};

/// How an archive is extracted.
#[derive(Debug, Clone, Copy, Default)]
pub struct ExtractOptions {
    /// Owner and group of everything extracted, instead of the ones in the archive.
    pub owner: Option<(u32, u32)>,
    /// Where owners are kept.
    pub ownership: Ownership,
    /// How much is too much.
    pub limits: Limits,
}

/// Whether `file` is a tar archive, compressed with gzip, bzip2, xz or zstd or not at all: whether, once
/// decompressed, it starts with a valid entry. An empty archive is none. `file` is rewound.
pub fn is_archive(file: &File) -> Result<bool, Error> {
    rewind(file)?;
    // Whatever goes wrong on the way to the first entry only means that this is something else.
    let first = Decoder::new(file)
        .map_err(Error::stream("reading the archive"))
        .and_then(|decoder| TarReader::new(BufReader::new(decoder)).next_entry());
    rewind(file)?;
    Ok(matches!(first, Ok(Some(_))))
}

/// Extracts the archive in `file`, from its start, below the directory `dest` of the tree `root`. `dest`
/// must exist and may pass symbolic links, which are followed inside `root`. Paths and links in the
/// archive are taken as if `dest` were the root directory; names that start with `.wh.` are ordinary.
/// Gives the number of entries.
pub fn extract(file: &File, root: &Path, dest: &Path, options: &ExtractOptions) -> Result<u64, Error> {
    rewind(file)?;
    let policy = Policy {
        form: Form::Plain,
        ownership: options.ownership,
        whiteouts: Whiteouts::Literal,
        owner: options.owner,
        limits: options.limits,
    };
    let dest = match Tree::open(root)?.enter(dest)? {
        Arrival::At(place) => place.reopen()?,
        Arrival::Stuck(place, name) => {
            return Err(Error::file("entering", place.path.join(name))(Errno::NOENT));
        }
    };
    let mut unpacker = Unpacker::new(Tree::at(dest.into()), policy, &[]);
    decompress(file, None, |stream| unpacker.unpack(stream)).map(|(entries, ..)| entries)
}

fn rewind(mut file: &File) -> Result<(), Error> {
    file.rewind().map_err(Error::stream("rewinding the archive"))
}
