//! Archives that nobody wrote with good intent.

#![expect(clippy::unwrap_used, reason = "a test whose stage cannot be set has failed")]

use proptest::prelude::*;
use wharf_registry::{Archive, ArchiveWriter, Layout, Origin};
use wharf_testkit::fixture;

/// Opens the bytes as an archive and reads the documents in it; what is wrong is an error.
fn open(bytes: &[u8]) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let Ok(archive) = Archive::open(file.path()) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for image in archive.images() {
        let _ = runtime.block_on(archive.document(&image.descriptor));
    }
}

/// An archive as wharf writes it.
fn archive() -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let layout = Layout::open(directory.path()).unwrap();
    let image = fixture::image(&layout, &[&[("etc/a", b"1")]]);
    let path = directory.path().join("out.tar");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut writer = ArchiveWriter::new(std::fs::File::create(&path).unwrap(), &path);
        let document = layout.document(&image).await.unwrap();
        writer.add(&layout, document, &["app:v1".into()], &|_| {}).await.unwrap();
        writer.finish().await.unwrap();
    });
    std::fs::read(path).unwrap()
}

#[test]
fn what_was_written_reads_and_links_in_a_circle_lead_nowhere() {
    open(&archive());
    let mut tar = tar::Builder::new(Vec::new());
    for (name, target) in [("manifest.json", "index.json"), ("index.json", "manifest.json")] {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        tar.append_link(&mut header, name, target).unwrap();
    }
    open(&tar.into_inner().unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_are_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        open(&bytes);
    }

    #[test]
    fn no_damage_is_too_odd(place in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let mut bytes = archive();
        let length = bytes.len();
        bytes[place.index(length)] = byte;
        bytes.truncate(cut.index(length));
        open(&bytes);
    }
}
