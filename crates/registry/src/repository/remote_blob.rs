//! A blob of a registry as a source of bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream};
use http::header::{CONTENT_RANGE, RANGE};
use http::{HeaderValue, Method, StatusCode};
use reqwest::Response;
use tokio::sync::OwnedSemaphorePermit;
use wharf_oci::Descriptor;

use super::{PULL, Place, Repository};
use crate::store::{BlobStream, Pending, Source};
use crate::{Cause, Error, Task, answer};

/// One blob, read from the first place that has it.
pub(super) struct RemoteBlob {
    repository: Repository,
    blob: Descriptor,
    /// The first of the repository's places that is still trusted with this blob.
    first: AtomicUsize,
}

impl RemoteBlob {
    pub(super) fn new(repository: Repository, blob: Descriptor) -> Self {
        Self { repository, blob, first: AtomicUsize::new(0) }
    }

    fn task(&self) -> Task {
        Task::blob("pulling", &self.blob, format!("from {}", self.repository.reference.name()))
    }
}

impl Source for RemoteBlob {
    fn open(&self, offset: u64) -> Pending<'_, BlobStream> {
        async move {
            let endpoints = &self.repository.endpoints;
            let mut failure = Cause::NotFound { message: String::new() };
            for endpoint in &endpoints[self.first.load(Ordering::Relaxed).min(endpoints.len() - 1)..] {
                // Nobody closes the gate, so there is always a turn.
                let turn = Arc::clone(&endpoint.downloads).acquire_owned().await.ok();
                let place = self.repository.at(endpoint, PULL);
                match get(&place, &self.blob, offset).await {
                    Ok((response, skip)) => {
                        let (task, host, stall) = (self.task(), endpoint.host.clone(), endpoint.stall());
                        let travel =
                            Travel { response, skip, received: offset, task, host, stall, _turn: turn };
                        return Ok(travel.pieces(self.blob.size));
                    }
                    Err(cause) => failure = cause,
                }
            }
            Err(Error::new(self.task(), failure))
        }
        .boxed()
    }

    fn distrust(&self) {
        let last = self.repository.endpoints.len() - 1;
        let next = |first: usize| Some((first + 1).min(last));
        let _ = self.first.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
    }
}

/// The answer with the blob from `offset` on, and how many bytes to skip where the registry gives all of it.
async fn get(place: &Place<'_>, blob: &Descriptor, offset: u64) -> Result<(Response, u64), Cause> {
    let mut ask = place.ask(Method::GET, &format!("blobs/{}", blob.digest)).await?;
    if offset > 0 {
        let range = HeaderValue::try_from(format!("bytes={offset}-"));
        ask.headers.insert(RANGE, range.map_err(|_| Cause::Protocol("no range".into()))?);
    }
    let response = place.endpoint.send_ok(ask, place.access()).await?;
    match response.status() {
        StatusCode::PARTIAL_CONTENT => {
            let start =
                response.headers().get(CONTENT_RANGE).and_then(|value| range_start(value.to_str().ok()?));
            if start == Some(offset) {
                Ok((response, 0))
            } else {
                Err(Cause::Protocol(format!("asked for the bytes from {offset} on, it gives others")))
            }
        }
        _ => Ok((response, offset)),
    }
}

/// The first byte of `bytes first-last/size`.
fn range_start(text: &str) -> Option<u64> {
    text.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}

/// A blob under way.
struct Travel {
    response: Response,
    /// How many bytes come before those that are wanted.
    skip: u64,
    /// How many bytes of the blob there are already.
    received: u64,
    task: Task,
    host: String,
    stall: Duration,
    /// One of the registry's, for as long as this lasts.
    _turn: Option<OwnedSemaphorePermit>,
}

impl Travel {
    /// The rest of the blob, which has `size` bytes in all. An answer that ends before it is a broken one.
    fn pieces(self, size: u64) -> BlobStream {
        let next = move |mut travel: Self| async move {
            let piece = travel.next(size).await.map_err(|cause| Error::new(travel.task.clone(), cause))?;
            Ok(piece.map(|piece| (piece, travel)))
        };
        stream::try_unfold(self, next).boxed()
    }

    async fn next(&mut self, size: u64) -> Result<Option<Bytes>, Cause> {
        loop {
            let piece = match tokio::time::timeout(self.stall, self.response.chunk()).await {
                Ok(Ok(Some(piece))) => piece,
                Ok(Ok(None)) if self.received < size => {
                    return Err(Cause::Truncated { received: self.received, size });
                }
                Ok(Ok(None)) => return Ok(None),
                Ok(Err(error)) => return Err(answer::broken(&self.host, error)),
                Err(_) => return Err(Cause::Stalled { registry: self.host.clone(), waited: self.stall }),
            };
            let rest = after(piece, &mut self.skip);
            if !rest.is_empty() {
                self.received += rest.len() as u64;
                return Ok(Some(rest));
            }
        }
    }
}

/// What is left of `piece` once the bytes still to be skipped are.
fn after(mut piece: Bytes, skip: &mut u64) -> Bytes {
    let skipped = piece.len().min(usize::try_from(*skip).unwrap_or(usize::MAX));
    *skip -= skipped as u64;
    piece.split_off(skipped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skipping_goes_across_pieces() {
        let mut skip = 5;
        assert_eq!(after(Bytes::from_static(b"abc"), &mut skip), "");
        assert_eq!(after(Bytes::from_static(b"defg"), &mut skip), "fg");
        assert_eq!(after(Bytes::from_static(b"h"), &mut skip), "h");
    }

    #[test]
    fn a_range_starts_where_it_says() {
        assert_eq!(range_start("bytes 7-9/10"), Some(7));
        assert_eq!(range_start("bytes */10"), None);
        assert_eq!(range_start("items 7-9/10"), None);
    }
}
