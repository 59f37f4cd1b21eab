//! Everything that is no directory: files and their content, links, devices, pipes.

use std::{
    fs::File,
    io::{Seek, SeekFrom, Write},
    path::Path,
};

use rustix::{
    fs::{
        AtFlags, FileType, Mode, OFlags, XattrFlags, fsetxattr, linkat, makedev, mknodat, openat, symlinkat,
    },
    io::Errno,
};

use super::{Spot, Unpacker, Whiteouts, check_ratio, file_type};
use crate::{
    Device, Error, Form, Kind, Metadata, attributes,
    inode::failed,
    outline::keeps_content,
    overlay::{DEVICE_XATTR, format_device},
    stream::Decompressed,
    tar::{Chunk, TarReader},
};

impl Unpacker<'_> {
    pub(super) fn make_file(
        &mut self,
        spot: Spot<'_>,
        metadata: &Metadata,
        archive: &mut TarReader<&mut Decompressed>,
    ) -> Result<(), Error> {
        let path = spot.path();
        let mut file = self.create(spot)?;
        self.write_content(&mut file, &path, archive)?;
        attributes::set_owner(&file, metadata, self.policy.ownership, &path)?;
        attributes::set_mode_and_time(&file, metadata, &path)
    }

    pub(super) fn create(&mut self, spot: Spot<'_>) -> Result<File, Error> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = || openat(&spot.parent.directory, spot.name, flags, Mode::RUSR | Mode::WUSR);
        self.replace(spot, open).map(File::from).map_err(Error::file("creating", spot.path()))
    }

    fn write_content(
        &mut self,
        file: &mut File,
        path: &Path,
        archive: &mut TarReader<&mut Decompressed>,
    ) -> Result<(), Error> {
        let is_kept = self.kept.is_none_or(|kept| kept.iter().any(|wanted| wanted == path));
        let mut end = 0;
        let mut ends_in_hole = false;
        let is_traced = self.tracing.is_some();
        let mut trace = |data: &[u8]| {
            if is_traced && keeps_content(path, (self.traced.len() + data.len()) as u64) {
                self.traced.extend_from_slice(data);
            }
        };
        loop {
            check_ratio(self.policy.limits, path, archive.get_mut())?;
            match archive.next_chunk(usize::MAX)? {
                None => break,
                Some(Chunk::Data(data)) if !is_kept => {
                    end += data.len() as u64;
                    ends_in_hole = true;
                }
                Some(Chunk::Data(data)) => {
                    trace(data);
                    file.write_all(data).map_err(failed("writing", path))?;
                    end += data.len() as u64;
                    ends_in_hole = false;
                }
                Some(Chunk::Hole(length)) => {
                    end += length;
                    file.seek(SeekFrom::Start(end)).map_err(failed("writing", path))?;
                    ends_in_hole = true;
                }
            }
        }
        if ends_in_hole { file.set_len(end).map_err(failed("writing", path)) } else { Ok(()) }
    }

    /// Gives a file another name. In an archive that `ADD` unpacks, as in docker's, owner, mode and time of
    /// the last name are those of the file; a layer says the same for each.
    pub(super) fn make_hard_link(
        &mut self,
        spot: Spot<'_>,
        target: &Path,
        metadata: &Metadata,
    ) -> Result<(), Error> {
        let absent = || Error::AbsentLinkTarget { entry: spot.path(), target: target.to_owned() };
        let fail = |errno| match errno {
            Errno::NOENT => absent(),
            errno => Error::file("linking", spot.path())(errno),
        };
        let parent = self.find(target.parent().unwrap_or(Path::new("")))?.ok_or_else(absent)?;
        let old = Spot { parent: &parent, name: target.file_name().ok_or_else(absent)? };
        let found = old.stat()?.as_ref().map(|stat| (file_type(stat), stat.st_rdev));
        match found {
            None => return Err(absent()),
            Some((FileType::CharacterDevice, 0)) => return Err(absent()),
            Some((FileType::Directory, _)) => return Err(fail(Errno::ISDIR)),
            Some(_) => {}
        }
        let link = || {
            let (from, to) = (&old.parent.directory, &spot.parent.directory);
            linkat(from, old.name, to, spot.name, AtFlags::empty())
        };
        self.replace(spot, link).map_err(fail)?;
        match found {
            Some((FileType::RegularFile, _)) if self.policy.whiteouts == Whiteouts::Literal => {
                self.set_attributes(spot, metadata)
            }
            _ => Ok(()),
        }
    }

    fn set_attributes(&self, spot: Spot<'_>, metadata: &Metadata) -> Result<(), Error> {
        let path = spot.path();
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(&spot.parent.directory, spot.name, flags, Mode::empty())
            .map_err(Error::file("opening", &path))?;
        attributes::set_owner(&file, metadata, self.policy.ownership, &path)?;
        attributes::set_mode_and_time(&file, metadata, &path)
    }

    pub(super) fn make_node(
        &mut self,
        spot: Spot<'_>,
        kind: &Kind,
        metadata: &Metadata,
    ) -> Result<(), Error> {
        let path = spot.path();
        let directory = &spot.parent.directory;
        let mknod = |file_type, Device { major, minor }: Device| {
            mknodat(directory, spot.name, file_type, Mode::RUSR | Mode::WUSR, makedev(major, minor))
        };
        let is_whiteout = *kind == Kind::CharDevice(Device { major: 0, minor: 0 });
        if is_whiteout && self.policy.form != Form::Plain {
            return Err(Error::Malformed {
                entry: Some(path),
                reason: "overlayfs would take this device for a removal",
            });
        }
        let made = self.replace(spot, || match kind {
            Kind::Symlink { target } => symlinkat(target, directory, spot.name),
            Kind::CharDevice(device) => mknod(FileType::CharacterDevice, *device),
            Kind::BlockDevice(device) => mknod(FileType::BlockDevice, *device),
            _ => mknod(FileType::Fifo, Device { major: 0, minor: 0 }),
        });
        match (made, format_device(kind)) {
            (Err(Errno::PERM), Some(device)) => self.make_placeholder(spot, &device, metadata),
            (made, _) => {
                made.map_err(Error::file("creating", &path))?;
                attributes::set_on_node(directory, spot.name, kind, metadata, self.policy.ownership, &path)
            }
        }
    }

    /// Makes an empty file that stands for a device.
    fn make_placeholder(&mut self, spot: Spot<'_>, device: &str, metadata: &Metadata) -> Result<(), Error> {
        let path = spot.path();
        let file = self.create(spot)?;
        attributes::set_owner(&file, metadata, self.policy.ownership, &path)?;
        fsetxattr(&file, DEVICE_XATTR, device.as_bytes(), XattrFlags::empty())
            .map_err(Error::file("setting an attribute of", &path))?;
        attributes::set_mode_and_time(&file, metadata, &path)?;
        self.placeholders.push(path);
        Ok(())
    }
}
