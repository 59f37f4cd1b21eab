//! Trees to try things on, and what they look like afterwards.

use std::{
    collections::BTreeMap,
    fs,
    io::Cursor,
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    path::Path,
};

use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps};
use wharf_layer::{
    Applied, ApplyOptions, Entry, Error, Form, Kind, LayerWriter, OpaqueXattr, Ownership, WriteOptions,
};

/// The form of a layer alone, with attributes that any user may set.
pub(crate) const OVERLAY: Form = Form::Overlay(OpaqueXattr::User);

/// Whether the tests may make devices and give files away.
pub(crate) fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        println!("not run: it makes devices or changes owners, which takes root");
    }
    is_root
}

/// Makes files from lines like `usr/bin/ 0755`, `etc/passwd 0644 text`, `lib -> usr/lib`,
/// `two = one` (a hard link). Whatever follows the mode is the content.
pub(crate) fn plant(root: &Path, lines: &str) {
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (name, rest) = line.split_once(' ').unwrap();
        let path = root.join(name.trim_end_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match rest.split_once(' ').unwrap_or((rest, "")) {
            ("->", target) => std::os::unix::fs::symlink(target, &path).unwrap(),
            ("=", target) => fs::hard_link(root.join(target), &path).unwrap(),
            (mode, content) => {
                if name.ends_with('/') {
                    fs::create_dir_all(&path).unwrap();
                } else {
                    fs::write(&path, content).unwrap();
                }
                fs::set_permissions(&path, fs::Permissions::from_mode(u32::from_str_radix(mode, 8).unwrap()))
                    .unwrap();
            }
        }
    }
    settle(root, 1_600_000_000);
}

/// Gives everything below `root` the same time.
pub(crate) fn settle(root: &Path, seconds: i64) {
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.symlink_metadata().unwrap().is_dir() {
            settle(&path, seconds);
        }
        set_time(&path, seconds, 0);
    }
}

pub(crate) fn set_time(path: &Path, seconds: i64, nanoseconds: i64) {
    let time = Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    let times = Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// Makes the character device 0:0 by which overlayfs knows that something is gone. Needs no privilege.
pub(crate) fn white_out(path: &Path) {
    mknod(path, FileType::CharacterDevice, 0, 0);
}

pub(crate) fn mknod(path: &Path, file_type: FileType, major: u32, minor: u32) {
    let device = rustix::fs::makedev(major, minor);
    rustix::fs::mknodat(CWD, path, file_type, Mode::RUSR, device).unwrap();
}

/// Every path below `root` with what it is: type, mode, owner, content or target, time, attributes.
pub(crate) fn describe(root: &Path) -> BTreeMap<String, String> {
    let mut described = BTreeMap::new();
    describe_into(root, root, &mut described);
    described
}

fn describe_into(root: &Path, directory: &Path, described: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let metadata = path.symlink_metadata().unwrap();
        let file_type = metadata.file_type();
        let what = if file_type.is_dir() {
            describe_into(root, &path, described);
            "dir".to_owned()
        } else if file_type.is_symlink() {
            format!("-> {}", path.read_link().unwrap().display())
        } else if file_type.is_file() {
            let content = fs::read(&path).unwrap();
            format!(
                "file {} x{}",
                wharf_oci::digest::short(&wharf_oci::digest::sha256(&content), 12),
                metadata.nlink()
            )
        } else if file_type.is_fifo() {
            "fifo".to_owned()
        } else {
            format!("device {:?} {}", file_type, metadata.rdev())
        };
        let mut xattrs: Vec<_> = xattr::list(&path).unwrap().collect();
        xattrs.sort();
        let name = path.strip_prefix(root).unwrap().as_os_str().as_encoded_bytes().escape_ascii().to_string();
        let (mode, uid, gid) = (metadata.mode() & 0o7777, metadata.uid(), metadata.gid());
        let time = (metadata.mtime(), metadata.mtime_nsec());
        described.insert(name, format!("{what} {mode:o} {uid}:{gid} {time:?} {xattrs:?}"));
    }
}

/// The names below `root`.
pub(crate) fn names(root: &Path) -> Vec<String> {
    describe(root).into_keys().collect()
}

/// A layer of entries; files get their path as content, cut or filled up to their size.
pub(crate) fn layer(entries: &[Entry]) -> Vec<u8> {
    layer_with(entries, &WriteOptions::default())
}

pub(crate) fn layer_with(entries: &[Entry], options: &WriteOptions) -> Vec<u8> {
    let mut writer = LayerWriter::new(Cursor::new(Vec::new()), options);
    for entry in entries {
        let size = match entry.kind {
            Kind::File { size } => size as usize,
            _ => 0,
        };
        let content: Vec<u8> =
            entry.path.as_os_str().as_encoded_bytes().iter().copied().cycle().take(size).collect();
        writer.append(entry, &content[..]).unwrap();
    }
    writer.finish().unwrap().0.into_inner()
}

pub(crate) fn apply_plain(layer: &[u8], dir: &Path) -> Result<Applied, Error> {
    wharf_layer::apply(layer, dir, &options(Form::Plain))
}

/// Real owners where we are root, recorded ones elsewhere.
pub(crate) fn options(form: Form) -> ApplyOptions {
    let is_root = rustix::process::geteuid().is_root();
    ApplyOptions::new(form, if is_root { Ownership::Real } else { Ownership::Recorded })
}
