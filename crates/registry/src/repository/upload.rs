//! Sending a blob (distribution-spec 1.1, "Pushing Blobs"): mounted if possible, else in one streamed `PUT`;
//! after a break the registry is asked how much it has, and gets the rest, be it by the next process.

use std::path::Path;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use reqwest::{Body, Response};
use tokio::sync::mpsc;
use url::Url;
use wharf_oci::Descriptor;

use super::unfinished::{Note, Session};
use super::{Place, Repository};
use crate::auth::Access;
use crate::dialect::Patch;
use crate::endpoint::{Ask, Streamed};
use crate::hasher::Hasher;
use crate::store::Source;
use crate::{Cause, Error, Event, Outcome, Progress, Result, Task, answer};

/// The size of the first pieces when a registry, or a proxy before it, turned out to refuse a blob whole.
const PIECE: u64 = 32 << 20;
/// Smaller pieces than this are not worth trying, and smaller blobs not worth remembering.
const PIECE_MIN: u64 = 1 << 20;
const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");
const CHUNK_MIN: HeaderName = HeaderName::from_static("oci-chunk-min-length");

/// Sends the blob to the repository, which does not have it.
pub(super) async fn upload(
    repository: &Repository,
    blob: &Descriptor,
    source: &dyn Source,
    progress: Progress<'_>,
) -> Result<Outcome> {
    let task = || Task::blob("pushing", blob, format!("to {}", repository.reference.name()));
    let place = repository.at(repository.origin(), &["pull", "push"]);
    if let Some(limit) = place.endpoint.dialect.largest_layer.filter(|limit| blob.size > *limit) {
        let message = format!("this registry takes layers of at most {limit} bytes");
        return Err(Error::new(task(), Cause::Refused { status: 413, code: None, message }));
    }
    let _permit = place.endpoint.gate.acquire().await;
    let mut upload = Upload {
        mount: repository.client.elsewhere(&repository.reference, &blob.digest),
        place,
        blob,
        source,
        progress,
        session: None,
        note: None,
        arrived: 0,
        doubtful: false,
        cut_off: false,
        piece: None,
        digest_refused: false,
    };
    if let Some(notes) = &repository.client.settings().uploads {
        upload.remember(notes).await;
    }
    let mut tries = repository.client.patience().start();
    let mut furthest = 0;
    loop {
        let setback = match upload.advance().await {
            Ok(outcome) => return Ok(outcome),
            Err(setback) => setback,
        };
        // To come as far again, after all was lost, is no progress.
        if upload.arrived > furthest {
            furthest = upload.arrived;
            tries.progressed();
        }
        let wait = match &setback {
            Setback::Passing(cause) => tries.wait(cause),
            Setback::Final(cause) => tries.after(cause),
        };
        let cause = setback.into_cause();
        upload.cut_off = upload.doubtful && cause.is_transient();
        // Whoever runs the command again goes on, unless there is no point in it.
        let for_good = upload.note.is_none() || !cause.is_transient();
        let error = Error::new(task(), cause).at(upload.arrived);
        let Some(wait) = wait else {
            if for_good {
                upload.abandon().await;
            }
            return Err(error);
        };
        progress(Event::Retrying { what: error.to_string(), cause: error.cause().to_string(), wait });
        tokio::time::sleep(wait).await;
    }
}

/// What keeps an upload from being complete.
enum Setback {
    /// Final, unless the cause itself is of the passing kind.
    Final(Cause),
    /// Worth another try, whatever the cause looks like elsewhere.
    Passing(Cause),
}

impl Setback {
    fn into_cause(self) -> Cause {
        match self {
            Self::Final(cause) | Self::Passing(cause) => cause,
        }
    }
}

impl From<Cause> for Setback {
    fn from(cause: Cause) -> Self {
        Self::Final(cause)
    }
}

struct Upload<'a> {
    place: Place<'a>,
    blob: &'a Descriptor,
    source: &'a dyn Source,
    progress: Progress<'a>,
    /// A repository to mount from, until that has been tried.
    mount: Option<String>,
    session: Option<Session>,
    /// Where the session is written down for the next process.
    note: Option<Note>,
    /// How many bytes the registry is known to have.
    arrived: u64,
    /// Something broke, so that what is known has to be asked again.
    doubtful: bool,
    /// The last request ended in the middle.
    cut_off: bool,
    /// Once the whole blob at once was refused, or lost on the way: how large a piece may be.
    piece: Option<u64>,
    /// The registry has said before that the digest is wrong.
    digest_refused: bool,
}

impl Upload<'_> {
    /// Takes up what a process before this one left unfinished, and leaves its own work to the next.
    async fn remember(&mut self, notes: &Path) {
        if self.blob.size < PIECE_MIN
            || self.mount.is_some()
            || self.place.endpoint.dialect.patch == Patch::Never
        {
            return;
        }
        let name = format!("{}/{}@{}", self.place.endpoint.host, self.place.path, self.blob.digest);
        let Some((note, session)) = Note::take(notes, &name) else { return };
        if let Some(session) = session
            && self.place.endpoint.is_own(&session.location).await
        {
            self.session = Some(session);
            self.doubtful = true;
        }
        self.note = Some(note);
    }

    /// Goes on from what the registry has.
    async fn advance(&mut self) -> Result<Outcome, Setback> {
        let before = self.arrived;
        if self.doubtful && self.take_stock().await? {
            self.session_is(None);
            return Ok(Outcome::Transferred);
        }
        if std::mem::take(&mut self.cut_off) && self.arrived <= before {
            self.shrink();
        }
        self.doubtful = false;
        if self.session.is_none() && self.open().await? {
            return Ok(Outcome::Mounted);
        }
        // Whatever fails from here on leaves open how much has arrived.
        self.doubtful = true;
        if self.arrived == 0 && self.piece.is_none() {
            self.send_whole().await?;
        } else {
            while self.arrived < self.blob.size {
                self.send_piece().await?;
            }
            self.close().await?;
        }
        self.session_is(None);
        Ok(Outcome::Transferred)
    }

    /// Sets where the upload stands, here and in the note.
    fn session_is(&mut self, session: Option<Session>) {
        match (&self.note, &session) {
            (None, _) => {}
            (Some(note), Some(session)) => note.keep(session),
            (Some(note), None) => note.clear(),
        }
        self.session = session;
    }

    /// After a break that left nothing behind, so that the next one costs less.
    fn shrink(&mut self) {
        if self.place.endpoint.dialect.patch != Patch::Never {
            self.piece = Some(self.piece.map_or(PIECE, |piece| (piece / 2).max(PIECE_MIN)));
        }
    }

    /// Asks how far the broken upload came. Returns whether the blob is complete: the answer to the last
    /// request may have been lost, not the request.
    async fn take_stock(&mut self) -> Result<bool, Cause> {
        let ask = self.place.ask(Method::HEAD, &format!("blobs/{}", self.blob.digest)).await?;
        if self.place.endpoint.send_if_found(ask, self.place.access()).await?.is_some() {
            return Ok(true);
        }
        let Some(session) = &self.session else { return Ok(false) };
        let (from, smallest) = (session.location.clone(), session.smallest);
        if self.place.endpoint.dialect.patch == Patch::Never {
            self.forget();
            return Ok(false);
        }
        let ask = Ask::new(Method::GET, from.clone());
        match self.place.endpoint.send_ok(ask, self.place.access()).await {
            Ok(response) => {
                if let Ok(location) = self.place.endpoint.location(&from, response.headers()).await {
                    self.session_is(Some(Session { location, smallest }));
                }
                self.arrived = arrived(response.headers()).unwrap_or(0).min(self.blob.size);
            }
            // Distribution keeps the offset in the location, and so knows an upload no more once part of a
            // request has arrived; others have other words for having lost it.
            Err(Cause::NotFound { .. } | Cause::Refused { status: 400..=499, .. }) => self.forget(),
            Err(cause) => return Err(cause),
        }
        Ok(false)
    }

    fn forget(&mut self) {
        self.session_is(None);
        self.arrived = 0;
    }

    /// Opens an upload, or has the blob mounted; returns whether it was mounted.
    async fn open(&mut self) -> Result<bool, Cause> {
        self.arrived = 0;
        let mut ask = self.place.ask(Method::POST, "blobs/uploads/").await?.header(CONTENT_LENGTH, 0.into());
        let plain = ask.clone();
        let mounted_from = self.mount.take();
        let response = match &mounted_from {
            None => self.place.endpoint.send_ok(plain, self.place.access()).await?,
            Some(other) => {
                ask.url
                    .query_pairs_mut()
                    .append_pair("mount", self.blob.digest.as_ref())
                    .append_pair("from", other);
                let scopes = self.place.scopes.clone().and_pull(other);
                let access = Access { repository: &self.place.path, scopes: &scopes };
                match self.place.endpoint.send_ok(ask, access).await {
                    // Not being allowed to read there is no reason not to send it here.
                    Err(cause) if !cause.is_transient() => {
                        self.place.endpoint.send_ok(plain, self.place.access()).await?
                    }
                    response => response?,
                }
            }
        };
        if mounted_from.is_some() && response.status() == StatusCode::CREATED {
            return Ok(true);
        }
        let location = self.place.endpoint.location(response.url(), response.headers()).await?;
        let smallest = response.headers().get(CHUNK_MIN).and_then(|value| value.to_str().ok()?.parse().ok());
        self.session_is(Some(Session { location, smallest: smallest.unwrap_or(0) }));
        Ok(false)
    }

    fn session(&self) -> Result<&Session, Cause> {
        self.session.as_ref().ok_or_else(|| Cause::Protocol("no upload is open".into()))
    }

    /// The location that completes the upload, with the digest in its query.
    fn closing_url(&self) -> Result<Url, Cause> {
        let mut url = self.session()?.location.clone();
        url.query_pairs_mut().append_pair("digest", self.blob.digest.as_ref());
        Ok(url)
    }

    async fn send_whole(&mut self) -> Result<(), Setback> {
        let ask = Ask::new(Method::PUT, self.closing_url()?);
        let response = self.send_range(ask, 0, self.blob.size).await?;
        match response.status().as_u16() {
            200..=299 => Ok(()),
            // It, or something on the way, does not take as much at once, or no body in a PUT.
            405 | 411 | 413 | 415 | 501 if self.place.endpoint.dialect.patch != Patch::Never => {
                self.piece = Some(PIECE);
                Err(self.passing(response).await)
            }
            404 | 416 => Err(self.passing(response).await),
            _ => Err(self.refused(response).await),
        }
    }

    async fn send_piece(&mut self) -> Result<(), Setback> {
        let (start, session) = (self.arrived, self.session()?);
        let smallest = session.smallest;
        let largest = match self.place.endpoint.dialect.patch {
            Patch::AtMost(largest) => largest.min(self.piece.unwrap_or(u64::MAX)),
            Patch::Any | Patch::Never => self.piece.unwrap_or(u64::MAX),
        };
        let length = (self.blob.size - start).min(largest.max(smallest));
        let range = HeaderValue::try_from(format!("{start}-{}", start + length - 1));
        let range = range.map_err(|_| Cause::Protocol("no range".into()))?;
        let ask = Ask::new(Method::PATCH, session.location.clone()).header(CONTENT_RANGE, range);
        let response = self.send_range(ask, start, length).await?;
        match response.status().as_u16() {
            200..=299 => {
                let location = self.place.endpoint.location(response.url(), response.headers()).await?;
                let arrived =
                    arrived(response.headers()).filter(|arrived| *arrived > 0).unwrap_or(start + length);
                self.session_is(Some(Session { location, smallest }));
                if arrived <= start || arrived > self.blob.size {
                    let message =
                        format!("after a piece from {start} to {} it has {arrived} bytes", start + length);
                    return Err(Setback::Passing(Cause::Protocol(message)));
                }
                self.arrived = arrived;
                Ok(())
            }
            413 if length / 2 >= PIECE_MIN => {
                self.piece = Some(length / 2);
                Err(self.passing(response).await)
            }
            // 409: the request that broke off is still being wound up.
            404 | 409 | 416 => Err(self.passing(response).await),
            _ => Err(self.refused(response).await),
        }
    }

    async fn close(&mut self) -> Result<(), Setback> {
        let ask = Ask::new(Method::PUT, self.closing_url()?).header(CONTENT_LENGTH, 0.into());
        let response = self.place.endpoint.send(ask, self.place.access()).await?;
        match response.status().as_u16() {
            200..=299 => Ok(()),
            404 | 416 => Err(self.passing(response).await),
            _ => Err(self.refused(response).await),
        }
    }

    /// A refusal that says the upload is not where we think it is.
    async fn passing(&self, response: Response) -> Setback {
        Setback::Passing(answer::refusal(&self.place.endpoint.host, response).await)
    }

    /// The cause of a refusal. A wrong digest may be this side's fault, or that of a resumption gone wrong.
    async fn refused(&mut self, response: Response) -> Setback {
        let cause = answer::refusal(&self.place.endpoint.host, response).await;
        match &cause {
            Cause::Refused { code: Some(code), .. } if code == "DIGEST_INVALID" && !self.digest_refused => {}
            _ => return Setback::Final(cause),
        }
        self.digest_refused = true;
        if let Err(own_fault) = self.check_source().await {
            return Setback::Final(own_fault);
        }
        self.forget();
        if self.place.endpoint.dialect.patch != Patch::Never {
            self.piece = Some(PIECE);
        }
        Setback::Passing(cause)
    }

    /// Reads the source once more and compares it with the digest.
    async fn check_source(&self) -> Result<(), Cause> {
        let Some(mut hasher) = Hasher::like(&self.blob.digest) else { return Ok(()) };
        let mut stream = self.source.open(0).await.map_err(Error::into_cause)?;
        while let Some(piece) = stream.next().await {
            hasher.update(&piece.map_err(Error::into_cause)?);
        }
        let found = hasher.finish();
        if found == self.blob.digest.as_ref() {
            return Ok(());
        }
        Err(Cause::Corrupt { expected: self.blob.digest.clone(), found })
    }

    /// Streams `length` bytes from `start` on as the body of `ask`.
    async fn send_range(&self, mut ask: Ask, start: u64, length: u64) -> Result<Response, Setback> {
        ask.headers.insert(CONTENT_LENGTH, length.into());
        ask.headers.insert(CONTENT_TYPE, OCTETS);
        let (sender, receiver) = mpsc::channel::<Bytes>(1);
        let body =
            stream::unfold(receiver, |mut receiver| async { Some((receiver.recv().await?, receiver)) });
        let body = Body::wrap_stream(body.map(Ok::<_, std::io::Error>));
        let endpoint = self.place.endpoint;
        let answer = endpoint.send_stream(ask, body, self.place.access());
        tokio::pin!(answer);
        let streamed = tokio::select! {
            biased;
            streamed = &mut answer => streamed?,
            fed = self.feed(sender, start, length) => {
                fed?;
                let waited = endpoint.answer_time();
                let stalled = || Cause::Stalled { registry: endpoint.host.clone(), waited };
                tokio::time::timeout(waited, answer).await.map_err(|_| stalled())??
            }
        };
        match streamed {
            Streamed::Answered(response) => Ok(response),
            Streamed::Renewed => Err(Setback::Passing(Cause::Unauthorized {
                registry: endpoint.host.clone(),
                account: None,
                message: "the token ran out".into(),
            })),
            Streamed::Moved => Err(Cause::Protocol("it redirects an upload".into()).into()),
        }
    }

    /// Hands the bytes to the connection as fast as it takes them.
    async fn feed(&self, sender: mpsc::Sender<Bytes>, start: u64, length: u64) -> Result<(), Cause> {
        let stall = self.place.endpoint.stall();
        let mut stream = self.source.open(start).await.map_err(Error::into_cause)?;
        let mut left = length;
        while left > 0 {
            let Some(piece) = stream.next().await else {
                let found = format!("{} bytes instead of {}", start + length - left, self.blob.size);
                return Err(Cause::Corrupt { expected: self.blob.digest.clone(), found });
            };
            let mut piece = piece.map_err(Error::into_cause)?;
            piece.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            left -= piece.len() as u64;
            match tokio::time::timeout(stall, sender.send(piece)).await {
                Ok(Ok(())) => {}
                // The connection is done with the body: the answer, or the failure, is on its way.
                Ok(Err(_)) => return Ok(()),
                Err(_) => {
                    return Err(Cause::Stalled { registry: self.place.endpoint.host.clone(), waited: stall });
                }
            }
            let (digest, total) = (self.blob.digest.clone(), self.blob.size);
            (self.progress)(Event::Advanced { digest, done: start + length - left, total });
        }
        Ok(())
    }

    /// Tells the registry that nothing more will come. It is a courtesy, so its failure is of no interest.
    async fn abandon(&mut self) {
        if let Some(session) = self.session.take() {
            self.session_is(None);
            let ask = Ask::new(Method::DELETE, session.location).header(CONTENT_LENGTH, 0.into());
            let _ = self.place.endpoint.send(ask, self.place.access()).await;
        }
    }
}

/// How many bytes have arrived, from `Range: 0-last`. Distribution says `0-0` for none and for one alike; one
/// too few is sent again, and a registry that appends is told by `Content-Range` where it belongs.
fn arrived(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(RANGE)?.to_str().ok()?;
    let last: u64 = text.trim_start_matches("bytes=").strip_prefix("0-")?.parse().ok()?;
    Some(if last == 0 { 0 } else { last + 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_arrived_is_read_in_both_spellings() {
        let headers = |range: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RANGE, HeaderValue::from_str(range).unwrap());
            headers
        };
        for (range, expected) in [
            ("0-1023", Some(1024)),
            ("bytes=0-1023", Some(1024)),
            ("0-0", Some(0)),
            ("5-9", None),
            ("0--1", None),
            ("", None),
        ] {
            assert_eq!(arrived(&headers(range)), expected, "{range}");
        }
        assert_eq!(arrived(&HeaderMap::new()), None);
    }
}
