//! How a layer is compressed: what we write, what we recognise, and the media types that say so.

use wharf_oci::{MediaType, media};

/// How a layer's tar stream is compressed when wharf writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// The tar stream as it is.
    None,
    /// gzip (RFC 1952), one member; `level` 0 to 9, higher ones count as 9.
    Gzip {
        /// The effort.
        level: u32,
    },
    /// zstd (RFC 8878), a sequence of frames; `level` 1 to 22, others are brought into that range.
    Zstd {
        /// The effort.
        level: i32,
    },
}

impl Compression {
    /// gzip at the level every tool uses unless told otherwise.
    pub const GZIP: Self = Self::Gzip { level: 6 };
    /// zstd at its own default level.
    pub const ZSTD: Self = Self::Zstd { level: 3 };

    /// The media type of a layer compressed like this.
    pub fn media_type(self, family: Family) -> MediaType {
        match (family, self) {
            (Family::Oci, Self::None) => MediaType::ImageLayer,
            (Family::Oci, Self::Gzip { .. }) => MediaType::ImageLayerGzip,
            (Family::Oci, Self::Zstd { .. }) => MediaType::ImageLayerZstd,
            (Family::Docker, Self::None) => MediaType::from(media::DOCKER_LAYER),
            (Family::Docker, Self::Gzip { .. }) => MediaType::from(media::DOCKER_LAYER_GZIP),
            (Family::Docker, Self::Zstd { .. }) => MediaType::from(media::DOCKER_LAYER_ZSTD),
        }
    }

    /// The format that a reader finds.
    pub fn format(self) -> Format {
        match self {
            Self::None => Format::Plain,
            Self::Gzip { .. } => Format::Gzip,
            Self::Zstd { .. } => Format::Zstd,
        }
    }
}

impl Default for Compression {
    fn default() -> Self {
        Self::GZIP
    }
}

/// Which of the two families of media types an image speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Family {
    /// `application/vnd.oci.image.…`
    #[default]
    Oci,
    /// `application/vnd.docker.…`
    Docker,
}

/// What a stream is compressed with, as its first bytes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Nothing that we know: taken as it is.
    Plain,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
    /// The .xz file format.
    Xz,
    /// bzip2.
    Bzip2,
}

impl Format {
    /// How many bytes [`Format::detect`] looks at.
    pub const MAGIC_LEN: usize = 6;

    /// The format of a stream that starts with `prefix`. Media types are not asked: registries and
    /// old tools mislabel layers, the bytes do not.
    pub fn detect(prefix: &[u8]) -> Self {
        match prefix {
            [0x1f, 0x8b, 0x08, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            // A skippable frame (RFC 8878 section 3.1.2), with which seekable zstd files may start.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [b'B', b'Z', b'h', ..] => Self::Bzip2,
            _ => Self::Plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_name_every_compression() {
        assert_eq!(Compression::GZIP.media_type(Family::Oci), MediaType::ImageLayerGzip);
        assert_eq!(Compression::ZSTD.media_type(Family::Docker).as_ref(), media::DOCKER_LAYER_ZSTD);
        assert_eq!(Compression::None.media_type(Family::Docker).as_ref(), media::DOCKER_LAYER);
    }

    #[test]
    fn the_first_bytes_tell_the_format() {
        assert_eq!(Format::detect(&[0x1f, 0x8b, 8, 0, 0, 0]), Format::Gzip);
        assert_eq!(Format::detect(b"\x28\xb5\x2f\xfd"), Format::Zstd);
        assert_eq!(Format::detect(b"\x5a\x2a\x4d\x18"), Format::Zstd);
        assert_eq!(Format::detect(b"\xfd7zXZ\0"), Format::Xz);
        assert_eq!(Format::detect(b"BZh9"), Format::Bzip2);
        assert_eq!(Format::detect(b"\x1f\x8b"), Format::Plain);
        assert_eq!(Format::detect(b""), Format::Plain);
    }
}
