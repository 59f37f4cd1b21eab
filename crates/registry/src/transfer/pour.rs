//! A blob into a pipe: in order, verified, and a break of its source is gone over.

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::mpsc;
use wharf_oci::Descriptor;

use super::Patience;
use crate::hasher::Hasher;
use crate::store::Source;
use crate::{Cause, Error, Event, LayoutError, Progress, Result, Task};

/// Sends the whole blob. What has been sent cannot be taken back, so a blob that turns out wrong is an error
/// even where another source may have the right one. A receiver that goes away ends it without an error.
pub(crate) async fn pour(
    source: &dyn Source,
    blob: &Descriptor,
    patience: &Patience,
    sender: mpsc::Sender<Bytes>,
    progress: Progress<'_>,
) -> Result<()> {
    let task = || Task::blob("reading", blob, "to copy it");
    let algorithm = || LayoutError::Algorithm { digest: blob.digest.clone() };
    let mut hasher = Hasher::like(&blob.digest).ok_or_else(|| Error::new(task(), algorithm()))?;
    let mut tries = patience.start();
    let mut done = 0;
    while done < blob.size {
        let error = match source.open(done).await {
            Err(error) => error,
            Ok(mut stream) => loop {
                match stream.next().await {
                    Some(Ok(piece)) => {
                        done += piece.len() as u64;
                        if done > blob.size {
                            break corrupt(task(), blob, format!("more than {} bytes", blob.size));
                        }
                        tries.progressed();
                        hasher.update(&piece);
                        if sender.send(piece).await.is_err() {
                            return Ok(());
                        }
                        let (digest, total) = (blob.digest.clone(), blob.size);
                        progress(Event::Advanced { digest, done, total });
                    }
                    Some(Err(error)) => break error,
                    None => break Error::new(task(), Cause::Truncated { received: done, size: blob.size }),
                }
            },
        };
        if done == blob.size && matches!(error.cause(), Cause::Truncated { .. }) {
            break;
        }
        let Some(wait) = tries.after(error.cause()) else { return Err(error.at(done)) };
        progress(Event::Retrying { what: error.to_string(), cause: error.cause().to_string(), wait });
        tokio::time::sleep(wait).await;
    }
    let found = hasher.finish();
    if found == blob.digest.as_ref() { Ok(()) } else { Err(corrupt(task(), blob, found)) }
}

fn corrupt(task: Task, blob: &Descriptor, found: String) -> Error {
    Error::new(task, Cause::Corrupt { expected: blob.digest.clone(), found })
}
