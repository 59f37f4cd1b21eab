//! An rpm header: an index of tags, and the data they point into. Big-endian.

use super::super::{Found, SourcePackage, System};
use super::u32_at;

const NAME: u32 = 1000;
const VERSION: u32 = 1001;
const RELEASE: u32 = 1002;
const EPOCH: u32 = 1003;
const VENDOR: u32 = 1011;
const LICENSE: u32 = 1014;
const ARCH: u32 = 1022;
const SOURCE_RPM: u32 = 1044;
const DIR_INDEXES: u32 = 1116;
const BASE_NAMES: u32 = 1117;
const DIR_NAMES: u32 = 1118;
/// Who builds distributions, by what stands in `VENDOR`, in lower case. Whoever is none of them builds for other people's.
const DISTRIBUTORS: &[&str] = &[
    "red hat",
    "redhat",
    "fedora",
    "centos",
    "rocky",
    "almalinux",
    "suse",
    "amazon",
    "oracle",
    "mageia",
    "openeuler",
    "vmware",
    "photon",
    "microsoft",
    "mariner",
    "cloudlinux",
    "eurolinux",
    "virtuozzo",
    "anolis",
    "opencloudos",
    "(none)",
];
/// More tags or files than any package has.
const MAX_COUNT: usize = 2_000_000;

/// A header, its parts still in place.
pub(super) struct Header<'a> {
    index: &'a [u8],
    data: &'a [u8],
}

impl<'a> Header<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let tags = u32_at(bytes, 0, true)? as usize;
        let length = u32_at(bytes, 4, true)? as usize;
        if tags == 0 || tags > 100_000 {
            return None;
        }
        let index = bytes.get(8..8 + tags * 16)?;
        let data = bytes.get(8 + tags * 16..)?;
        Some(Self { index, data: data.get(..length)? })
    }

    /// The data of a tag from its beginning on, and how many values there are.
    fn tag(&self, wanted: u32) -> Option<(&'a [u8], usize)> {
        let entry = self.index.chunks_exact(16).find(|entry| u32_at(entry, 0, true) == Some(wanted))?;
        let (at, count) = (u32_at(entry, 8, true)? as usize, u32_at(entry, 12, true)? as usize);
        Some((self.data.get(at..)?, count.min(MAX_COUNT)))
    }

    fn text(&self, tag: u32) -> Option<String> {
        self.texts(tag)?.next().filter(|text| !text.is_empty())
    }

    fn texts(&self, tag: u32) -> Option<impl Iterator<Item = String> + use<'a>> {
        let (data, count) = self.tag(tag)?;
        Some(data.split(|byte| *byte == 0).take(count).map(|text| String::from_utf8_lossy(text).into_owned()))
    }

    /// The package that it is about.
    pub(super) fn package(&self) -> Option<Found> {
        let (name, version, release) = (self.text(NAME)?, self.text(VERSION)?, self.text(RELEASE)?);
        let epoch = self.tag(EPOCH).and_then(|(data, _)| u32_at(data, 0, true)).filter(|epoch| *epoch > 0);
        let version = match epoch {
            Some(epoch) => format!("{epoch}:{version}-{release}"),
            None => format!("{version}-{release}"),
        };
        // The file name of the source is name-version-release.src.rpm.
        let source = self.text(SOURCE_RPM).and_then(|file| {
            let name = file.rsplitn(3, '-').nth(2)?.to_owned();
            Some(SourcePackage { name, version: version.clone() })
        });
        let mut found = Found::new(System::Rpm, name, version);
        found.source = source;
        found.architecture = self.text(ARCH);
        found.licences = self.text(LICENSE).into_iter().collect();
        found.foreign = self.text(VENDOR).is_some_and(|vendor| {
            let vendor = vendor.to_lowercase();
            !DISTRIBUTORS.iter().any(|name| vendor.contains(name))
        });
        Some(found)
    }

    /// Its files, relative to the root.
    pub(super) fn files(&self) -> Vec<String> {
        let parts = || {
            let directories: Vec<String> = self.texts(DIR_NAMES)?.collect();
            let (indexes, _) = self.tag(DIR_INDEXES)?;
            let files = self.texts(BASE_NAMES)?.enumerate().filter_map(|(number, name)| {
                let directory = directories.get(u32_at(indexes, number * 4, true)? as usize)?;
                Some(format!("{}{name}", directory.trim_start_matches('/')))
            });
            Some(files.collect())
        };
        parts().unwrap_or_default()
    }
}
