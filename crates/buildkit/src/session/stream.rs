//! The outgoing half of a streaming call: a bounded channel, so that whoever reads files is no faster than the line.

use std::pin::Pin;

use futures_util::Stream;
use tokio::sync::mpsc;
use tonic::Status;

/// How many messages may wait.
const WAITING: usize = 64;

/// What a call hands to tonic.
pub(super) type Outgoing<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// What fills it.
pub(super) type Sender<T> = mpsc::Sender<Result<T, Status>>;

/// Both ends of one call's answers.
pub(super) fn channel<T: Send + 'static>() -> (Sender<T>, Outgoing<T>) {
    let (sender, mut receiver) = mpsc::channel(WAITING);
    let stream = futures_util::stream::poll_fn(move |context| receiver.poll_recv(context));
    (sender, Box::pin(stream))
}
