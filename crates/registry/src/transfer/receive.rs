//! A blob into a layout: one fetcher at a time, resumed after a break, verified on the way.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::mpsc;
use wharf_oci::Descriptor;

use super::Patience;
use crate::layout::{Claim, Layout, LayoutError, Partial};
use crate::store::Source;
use crate::{Cause, Error, Event, Outcome, Progress, Result, Task};

/// How often to look whether another process has finished fetching the blob.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// How often a blob whose content turned out wrong is fetched anew.
const REFETCHES: u32 = 1;

/// Brings the blob from `source` into `layout`, unless it is there or somebody else brings it.
pub(crate) async fn receive(
    layout: &Layout,
    blob: &Descriptor,
    source: &dyn Source,
    patience: &Patience,
    progress: Progress<'_>,
) -> Result<Outcome> {
    let task = Task::blob("storing", blob, format!("in `{}`", layout.root().display()));
    let mut refetches = 0;
    let outcome = loop {
        let partial = match claim(layout, blob).await.map_err(|error| Error::new(task.clone(), error))? {
            Claim::Present => break Outcome::Existing,
            Claim::Busy => {
                tokio::time::sleep(LOOK_AGAIN).await;
                continue;
            }
            Claim::Mine(partial) => partial,
        };
        let partial = fill(partial, blob, source, patience, progress).await?;
        match blocking(move || partial.commit()).await {
            Ok(()) => break Outcome::Transferred,
            Err(LayoutError::Corrupt { .. }) if refetches < REFETCHES => {
                source.distrust();
                refetches += 1;
            }
            Err(error) => return Err(Error::new(task, error)),
        }
    };
    progress(Event::Finished { digest: blob.digest.clone(), total: blob.size, outcome });
    Ok(outcome)
}

async fn claim(layout: &Layout, blob: &Descriptor) -> Result<Claim, LayoutError> {
    let (layout, blob) = (layout.clone(), blob.clone());
    blocking(move || layout.claim(&blob)).await
}

/// Takes bytes until the blob is complete, going on where a broken transfer stopped.
async fn fill(
    mut partial: Partial,
    blob: &Descriptor,
    source: &dyn Source,
    patience: &Patience,
    progress: Progress<'_>,
) -> Result<Partial> {
    let mut tries = patience.start();
    while partial.received() < blob.size {
        let before = partial.received();
        let (returned, result) = stream_into(partial, blob, source, progress).await;
        partial = returned;
        let Err(error) = result else { continue };
        if partial.received() > before {
            tries.progressed();
        }
        let Some(wait) = tries.after(error.cause()) else { return Err(error.at(partial.received())) };
        progress(Event::Retrying { what: error.to_string(), cause: error.cause().to_string(), wait });
        tokio::time::sleep(wait).await;
    }
    Ok(partial)
}

/// One try: the bytes go to a thread that hashes and writes them, a bounded number of pieces behind.
async fn stream_into(
    partial: Partial,
    blob: &Descriptor,
    source: &dyn Source,
    progress: Progress<'_>,
) -> (Partial, Result<()>) {
    let mut done = partial.received();
    let mut stream = match source.open(done).await {
        Ok(stream) => stream,
        Err(error) => return (partial, Err(error)),
    };
    let (sender, receiver) = mpsc::channel(4);
    let writer = tokio::task::spawn_blocking(move || write_all(partial, receiver));
    let mut broken = None;
    while let Some(piece) = stream.next().await {
        match piece {
            Ok(piece) => {
                done += piece.len() as u64;
                // A writer that failed takes no more; its reason is asked for below.
                if sender.send(piece).await.is_err() {
                    break;
                }
                progress(Event::Advanced { digest: blob.digest.clone(), done, total: blob.size });
            }
            Err(error) => {
                broken = Some(error);
                break;
            }
        }
    }
    drop(sender);
    let (partial, written) = joined(writer.await);
    let place = || format!("in `{}`", partial.place().display());
    let result = match (written, broken) {
        (Err(error), _) => Err(Error::new(Task::blob("storing", blob, place()), error)),
        (Ok(()), Some(error)) => Err(error),
        (Ok(()), None) if partial.received() < blob.size => {
            let cause = Cause::Truncated { received: partial.received(), size: blob.size };
            Err(Error::new(Task::blob("receiving", blob, place()), cause))
        }
        (Ok(()), None) => Ok(()),
    };
    (partial, result)
}

fn write_all(mut partial: Partial, mut pieces: mpsc::Receiver<Bytes>) -> (Partial, Result<(), LayoutError>) {
    while let Some(piece) = pieces.blocking_recv() {
        if let Err(error) = partial.append(&piece) {
            return (partial, Err(error));
        }
    }
    (partial, Ok(()))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    joined(tokio::task::spawn_blocking(work).await)
}

/// The result of a thread; its panic is ours.
fn joined<T>(result: Result<T, tokio::task::JoinError>) -> T {
    result.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}
