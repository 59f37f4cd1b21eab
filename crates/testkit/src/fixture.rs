//! Small images, made in memory and the same on every run.

use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use wharf_oci::{ContainerConfig, Descriptor, ImageConfig, Index, Manifest, MediaType, Platform, digest};
use wharf_registry::{Condition, Document, Layout, Name};

/// A file of an image: its path and its content.
pub type File<'a> = (&'a str, &'a [u8]);

/// An image for linux/amd64 with one layer for each list of files.
pub fn image(layout: &Layout, layers: &[&[File<'_>]]) -> Descriptor {
    image_for(layout, &Platform::new("linux", "amd64", None), layers)
}

/// An image for `platform` with one layer for each list of files.
pub fn image_for(layout: &Layout, platform: &Platform, layers: &[&[File<'_>]]) -> Descriptor {
    let tars: Vec<Vec<u8>> = layers.iter().map(|files| tar(files)).collect();
    let mut config = ImageConfig::empty(platform);
    config.config = ContainerConfig { cmd: Some(vec!["/bin/sh".into()]), ..ContainerConfig::default() };
    config.rootfs.diff_ids = tars.iter().map(|tar| digest::sha256(tar)).collect();
    let layers = tars
        .iter()
        .map(|tar| {
            layout.put(&gzip(tar)).expect("a layer in the layout").descriptor(MediaType::ImageLayerGzip)
        })
        .collect();
    of_parts(layout, &config, layers)
}

/// An image of linux/amd64 whose one layer is `size` bytes that no compression shrinks. The layer is no tar, so
/// the image can be moved, but not unpacked.
pub fn bulky_image(layout: &Layout, size: u64) -> Descriptor {
    let layer = bulk(layout, size).descriptor_of_layer();
    let config = ImageConfig::empty(&Platform::new("linux", "amd64", None));
    of_parts(layout, &config, vec![layer])
}

/// A blob of `size` bytes that no compression shrinks.
pub fn bulk(layout: &Layout, size: u64) -> Bulk {
    let mut writer = layout.writer().expect("a blob's writer");
    let mut state = size | 1;
    let mut left = size;
    let mut block = vec![0u8; 64 << 10];
    while left > 0 {
        for word in block.chunks_exact_mut(8) {
            // Xorshift: quick, and the same everywhere.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            word.copy_from_slice(&state.to_le_bytes());
        }
        let length = left.min(block.len() as u64);
        writer.write_all(&block[..length as usize]).expect("room for a blob");
        left -= length;
    }
    Bulk(writer.commit(None).expect("a blob in the layout"))
}

/// A blob made by [`bulk`].
#[derive(Debug, Clone)]
pub struct Bulk(wharf_registry::Content);

impl Bulk {
    /// It as a layer.
    pub fn descriptor_of_layer(&self) -> Descriptor {
        self.0.descriptor(MediaType::ImageLayer)
    }
}

fn of_parts(layout: &Layout, config: &ImageConfig, layers: Vec<Descriptor>) -> Descriptor {
    let config = serde_json::to_vec(config).expect("a config is JSON");
    let config = layout.put(&config).expect("a config in the layout").descriptor(MediaType::ImageConfig);
    store(layout, &Document::of_manifest(&Manifest::new(config, layers)))
}

/// An index of images, each for its platform.
pub fn index(layout: &Layout, images: &[(Platform, Descriptor)]) -> Descriptor {
    let entry = |(platform, image): &(Platform, Descriptor)| Descriptor {
        platform: Some(platform.clone()),
        ..image.clone()
    };
    store(layout, &Document::of_index(&Index::new(images.iter().map(entry).collect())))
}

fn store(layout: &Layout, document: &Document) -> Descriptor {
    let name = Name::Digest(&document.descriptor.digest);
    layout.put_manifest(name, document, Condition::Always).expect("a manifest in the layout");
    document.descriptor.clone()
}

/// A root file system of Debian's static busybox with links for the usual commands; `None`, with the reason on
/// stderr, where it is not installed.
pub fn busybox(layout: &Layout) -> Option<Descriptor> {
    const PROGRAMS: [&str; 2] = ["/bin/busybox", "/usr/bin/busybox"];
    const COMMANDS: [&str; 24] = [
        "sh", "cat", "chmod", "chown", "cp", "echo", "env", "false", "grep", "head", "id", "ln", "ls",
        "mkdir", "mv", "printf", "pwd", "rm", "sleep", "stat", "test", "touch", "true", "wc",
    ];
    let Some(program) =
        PROGRAMS.iter().find_map(|path| std::fs::read(path).ok()).filter(|bytes| is_static(bytes))
    else {
        explain_absence();
        return None;
    };
    let mut builder = tar::Builder::new(Vec::new());
    builder.sparse(false);
    for directory in ["bin", "etc", "home", "root", "tmp", "usr", "var"] {
        let mode = if directory == "tmp" { 0o1777 } else { 0o755 };
        append(&mut builder, directory, tar::EntryType::Directory, mode, b"");
    }
    append(&mut builder, "bin/busybox", tar::EntryType::Regular, 0o755, &program);
    for command in COMMANDS {
        let mut header = header(tar::EntryType::Symlink, 0o777, 0);
        builder.append_link(&mut header, format!("bin/{command}"), "busybox").expect("a link in a tar");
    }
    append(&mut builder, "etc/passwd", tar::EntryType::Regular, 0o644, b"root:x:0:0:root:/root:/bin/sh\n");
    append(&mut builder, "etc/group", tar::EntryType::Regular, 0o644, b"root:x:0:\n");
    let tar = builder.into_inner().expect("a tar in memory");
    let mut config = ImageConfig::empty(&Platform::host());
    config.config.env =
        Some(vec!["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into()]);
    config.config.cmd = Some(vec!["sh".into()]);
    config.rootfs.diff_ids = vec![digest::sha256(&tar)];
    let layer = layout.put(&gzip(&tar)).expect("a layer in the layout").descriptor(MediaType::ImageLayerGzip);
    Some(of_parts(layout, &config, vec![layer]))
}

/// Whether a program needs no interpreter: there is no path of one in its head.
fn is_static(program: &[u8]) -> bool {
    let head = &program[..program.len().min(4096)];
    !head.windows(7).any(|window| window == b"ld-linu")
}

#[expect(clippy::print_stderr, reason = "a skipped test says so where people look for it")]
fn explain_absence() {
    eprintln!("skipped: there is no static busybox (apt-get install busybox-static)");
}

/// The files as a layer's tar, sorted, owned by root, without times.
pub fn tar(files: &[File<'_>]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    builder.sparse(false);
    let mut files = files.to_vec();
    files.sort_unstable();
    for (path, content) in files {
        append(&mut builder, path, tar::EntryType::Regular, 0o644, content);
    }
    builder.into_inner().expect("a tar in memory")
}

fn append(
    builder: &mut tar::Builder<Vec<u8>>,
    path: impl AsRef<Path>,
    kind: tar::EntryType,
    mode: u32,
    content: &[u8],
) {
    let mut header = header(kind, mode, content.len() as u64);
    builder.append_data(&mut header, path, content).expect("an entry of a tar");
}

fn header(kind: tar::EntryType, mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(2));
    encoder.write_all(bytes).expect("gzip in memory");
    encoder.finish().expect("gzip in memory")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_image_every_time() {
        let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [a, b] = directories.each_ref().map(|directory| {
            let layout = Layout::open(directory.path()).unwrap();
            image(&layout, &[&[("b", b"2"), ("a", b"1")], &[("c", b"3")]])
        });
        assert_eq!(a, b);
    }

    #[test]
    fn bulk_has_the_size_asked_for() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::open(directory.path()).unwrap();
        for size in [0, 1, 100_000] {
            let layer = bulk(&layout, size).descriptor_of_layer();
            assert_eq!(layer.size, size);
            layout.verify(&layer).unwrap();
        }
    }
}
