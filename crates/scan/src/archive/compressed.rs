//! Compressed streams by their first bytes.

use std::io::{self, BufRead, Read};

/// The memory that an xz or lzma stream may ask for.
const LZMA_MEMORY: u64 = 256 << 20;
/// The largest zstd window, as a power of two: the format's recommended limit.
const ZSTD_WINDOW: u32 = 27;

/// How a stream is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    Gzip,
    Zlib,
    Bzip2,
    Xz,
    Lzma,
    Zstd,
    Lz4,
    /// joblib before 0.10: `ZF`, the length in text, and a zlib stream.
    ZFile,
}

/// `ZF` and the length as text, padded to the width of 2^64 in hexadecimal.
const ZFILE_HEADER: usize = 21;

impl Codec {
    /// The codec of a stream that starts like this. zlib and lzma have no magic, only a likely beginning.
    pub(crate) fn detect(head: &[u8]) -> Option<Self> {
        Some(match head {
            [0x1f, 0x8b, 8, ..] => Self::Gzip,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Self::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0x04, 0x22, 0x4d, 0x18, ..] => Self::Lz4,
            [b'Z', b'F', b'0', b'x', ..] => Self::ZFile,
            [0x5d, 0, 0, _, _, ..] if head.len() >= 13 => Self::Lzma,
            // RFC 1950: the method is 8, the window at most 32K, no preset dictionary, a multiple of 31.
            [cmf, flg, ..]
                if cmf & 0x0f == 8
                    && cmf >> 4 <= 7
                    && flg & 0x20 == 0
                    && (u16::from(*cmf) << 8 | u16::from(*flg)).is_multiple_of(31) =>
            {
                Self::Zlib
            }
            _ => return None,
        })
    }

    /// The stream's content.
    ///
    /// # Errors
    /// If a decoder cannot be set up.
    pub(crate) fn decode<'a>(
        self,
        mut stream: impl BufRead + Send + 'a,
    ) -> io::Result<Box<dyn Read + Send + 'a>> {
        Ok(match self {
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(stream)),
            Self::Zlib => Box::new(flate2::bufread::ZlibDecoder::new(stream)),
            Self::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(stream)),
            Self::Xz => {
                let decoder =
                    liblzma::stream::Stream::new_stream_decoder(LZMA_MEMORY, liblzma::stream::CONCATENATED);
                Box::new(liblzma::bufread::XzDecoder::new_stream(stream, decoder.map_err(io::Error::other)?))
            }
            Self::Lzma => {
                let decoder =
                    liblzma::stream::Stream::new_lzma_decoder(LZMA_MEMORY).map_err(io::Error::other)?;
                Box::new(liblzma::bufread::XzDecoder::new_stream(stream, decoder))
            }
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(stream)?;
                decoder.window_log_max(ZSTD_WINDOW)?;
                Box::new(decoder)
            }
            Self::Lz4 => Box::new(lz4_flex::frame::FrameDecoder::new(stream)),
            Self::ZFile => {
                io::copy(&mut stream.by_ref().take(ZFILE_HEADER as u64), &mut io::sink())?;
                Box::new(flate2::bufread::ZlibDecoder::new(stream))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn read(codec: Codec, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        codec.decode(bytes).unwrap().read_to_end(&mut out).unwrap();
        out
    }

    #[test]
    fn what_is_written_is_recognised_and_read() {
        let text = b"the same text over and over, the same text over and over";
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(6));
        let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::new(6));
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 6);
        let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
        for writer in [&mut gzip as &mut dyn Write, &mut zlib, &mut bzip2, &mut xz, &mut lz4] {
            writer.write_all(text).unwrap();
        }
        let zlib = zlib.finish().unwrap();
        let old = [b"ZF0x38               ".as_slice(), &zlib].concat();
        for (codec, bytes) in [
            (Codec::Gzip, gzip.finish().unwrap()),
            (Codec::Zlib, zlib),
            (Codec::Bzip2, bzip2.finish().unwrap()),
            (Codec::Xz, xz.finish().unwrap()),
            (Codec::Lz4, lz4.finish().unwrap()),
            (Codec::Zstd, zstd::stream::encode_all(&text[..], 3).unwrap()),
            (Codec::ZFile, old),
        ] {
            assert_eq!(Codec::detect(&bytes), Some(codec));
            assert_eq!(read(codec, &bytes), text, "{codec:?}");
        }
        assert_eq!(Codec::detect(b"\x80\x04\x95"), None);
        assert_eq!(Codec::detect(b"xy"), None);
    }
}
