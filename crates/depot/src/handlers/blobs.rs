//! Blobs: read (whole or in part), and delete.

use std::io::SeekFrom;

use axum::body::Body;
use axum::response::Response;
use http::request::Parts;
use http::{Method, StatusCode, header};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;
use wharf_oci::Digest;

use super::{CONTENT_DIGEST, blocking, empty};
use crate::answer::Refusal;
use crate::server::Depot;

/// How much of a blob is in memory at once, in bytes.
const BUFFER: usize = 256 << 10;

pub(crate) async fn one(
    depot: &Depot,
    head: &Parts,
    repository: &str,
    digest: &Digest,
) -> Result<Response, Refusal> {
    let layout = depot.shared.repositories.existing(repository).ok_or_else(|| Refusal::name_unknown(repository))?;
    match head.method {
        Method::GET | Method::HEAD => {
            let size = layout.size(digest).ok_or_else(|| Refusal::blob_unknown(digest))?;
            let range = head.headers.get(header::RANGE).and_then(|value| value.to_str().ok());
            let part = match range.map(|text| read_range(text, size)) {
                None | Some(Range::Whole) => None,
                Some(Range::Part(first, last)) => Some((first, last)),
                Some(Range::Unsatisfiable) => {
                    let headers = [(header::CONTENT_RANGE, format!("bytes */{size}"))];
                    return Ok(empty(StatusCode::RANGE_NOT_SATISFIABLE, &headers));
                }
            };
            serve(&layout.path(digest), digest, size, part).await
        }
        Method::DELETE => {
            let unknown = Refusal::blob_unknown(digest);
            let digest = digest.clone();
            let removed = blocking(move || Ok(layout.remove(&digest)?)).await?;
            if removed { Ok(empty(StatusCode::ACCEPTED, &[])) } else { Err(unknown) }
        }
        _ => Err(Refusal::unsupported("a blob can be read and deleted")),
    }
}

async fn serve(
    path: &std::path::Path,
    digest: &Digest,
    size: u64,
    part: Option<(u64, u64)>,
) -> Result<Response, Refusal> {
    let mut file = tokio::fs::File::open(path).await?;
    let (first, last) = part.unwrap_or((0, size.saturating_sub(1)));
    let length = if size == 0 { 0 } else { last - first + 1 };
    file.seek(SeekFrom::Start(first)).await?;
    let status = if part.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let mut headers = vec![
        (header::CONTENT_LENGTH, length.to_string()),
        (header::CONTENT_TYPE, "application/octet-stream".into()),
        (header::ACCEPT_RANGES, "bytes".into()),
        (header::ETAG, format!("\"{digest}\"")),
        (CONTENT_DIGEST, digest.to_string()),
    ];
    if part.is_some() {
        headers.push((header::CONTENT_RANGE, format!("bytes {first}-{last}/{size}")));
    }
    let mut response = empty(status, &headers);
    *response.body_mut() = Body::from_stream(ReaderStream::with_capacity(file.take(length), BUFFER));
    Ok(response)
}

/// What a `Range` header asks for (RFC 9110, 14.2).
#[derive(Debug, PartialEq, Eq)]
enum Range {
    /// Everything: no range, or one that a server may ignore.
    Whole,
    /// First and last byte.
    Part(u64, u64),
    /// Nothing of it is there.
    Unsatisfiable,
}

fn read_range(text: &str, size: u64) -> Range {
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Range::Whole;
    };
    if text.contains(',') {
        return Range::Whole;
    }
    match (first.trim().parse::<u64>(), last.trim()) {
        (Ok(first), "") if first < size => Range::Part(first, size - 1),
        (Ok(first), last) => match last.parse::<u64>() {
            Ok(last) if first < size && first <= last => Range::Part(first, last.min(size - 1)),
            Ok(last) if first <= last => Range::Unsatisfiable,
            Err(_) if last.is_empty() => Range::Unsatisfiable,
            _ => Range::Whole,
        },
        (Err(_), last) if first.trim().is_empty() => match last.parse::<u64>() {
            Ok(0) => Range::Unsatisfiable,
            Ok(count) if size > 0 => Range::Part(size.saturating_sub(count), size - 1),
            Ok(_) => Range::Unsatisfiable,
            Err(_) => Range::Whole,
        },
        _ => Range::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_read_as_rfc_9110_says() {
        for (text, range) in [
            ("bytes=0-4", Range::Part(0, 4)),
            ("bytes=5-", Range::Part(5, 9)),
            ("bytes=-3", Range::Part(7, 9)),
            ("bytes=-30", Range::Part(0, 9)),
            ("bytes=8-30", Range::Part(8, 9)),
            ("bytes=10-", Range::Unsatisfiable),
            ("bytes=10-11", Range::Unsatisfiable),
            ("bytes=-0", Range::Unsatisfiable),
            ("bytes=5-4", Range::Whole),
            ("bytes=0-1,3-4", Range::Whole),
            ("items=0-1", Range::Whole),
            ("bytes=x-1", Range::Whole),
        ] {
            assert_eq!(read_range(text, 10), range, "{text}");
        }
        assert_eq!(read_range("bytes=0-0", 0), Range::Unsatisfiable);
    }
}
