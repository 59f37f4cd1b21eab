//! Archives and compressed streams, read as their loosest reader would: what a checksum, a flag or a directory
//! says against it does not hide a member.

mod compressed;
mod tar;
mod weights;
mod zip;

pub(crate) use compressed::Codec;
pub(crate) use tar::{EntryKind, Reader as TarReader};
pub(crate) use weights::spool_without_weights;
pub(crate) use zip::{Archive as ZipArchive, Member as ZipMember};

#[cfg(test)]
pub(crate) use tar::tests::archive as test_tar;
#[cfg(test)]
pub(crate) use zip::tests::archive as test_zip;
