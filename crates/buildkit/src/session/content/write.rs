//! One blob on its way in: the builder says which, writes it piece by piece, and commits.

use std::time::SystemTime;

use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use super::super::failed_here;
use super::super::stream::Sender;
use super::proto::{WriteAction, WriteContentRequest, WriteContentResponse};
use super::{BlobSink, Store};

/// How many messages may wait to be written.
const WAITING: usize = 16;

/// Takes a blob into `store`; what does not come to its commit leaves nothing.
pub(super) async fn write(
    store: Store,
    mut incoming: Streaming<WriteContentRequest>,
    out: Sender<WriteContentResponse>,
) {
    let (queue, waiting) = mpsc::channel(WAITING);
    tokio::task::spawn_blocking(move || work(&store, waiting, &out));
    while let Ok(Some(request)) = incoming.message().await {
        if queue.send(request).await.is_err() {
            return;
        }
    }
}

fn work(store: &Store, mut waiting: mpsc::Receiver<WriteContentRequest>, out: &Sender<WriteContentResponse>) {
    let mut writing =
        Writing { store: store.clone(), sink: None, offset: 0, total: 0, expected: String::new() };
    while let Some(request) = waiting.blocking_recv() {
        let answer = writing.take(request);
        let failed = answer.is_err();
        if out.blocking_send(answer).is_err() || failed {
            return;
        }
    }
}

struct Writing {
    store: Store,
    sink: Option<Box<dyn BlobSink>>,
    offset: i64,
    total: i64,
    expected: String,
}

impl Writing {
    fn take(&mut self, request: WriteContentRequest) -> Result<WriteContentResponse, Status> {
        let action = request.action();
        if !request.expected.is_empty() {
            self.expected.clone_from(&request.expected);
        }
        if request.total > 0 {
            self.total = request.total;
        }
        match action {
            WriteAction::Stat => self.refuse_known()?,
            WriteAction::Write | WriteAction::Commit => self.append(&request)?,
        }
        if action == WriteAction::Commit {
            self.commit()?;
        }
        let now = Some(prost_types::Timestamp::from(SystemTime::now()));
        Ok(WriteContentResponse {
            action: action.into(),
            started_at: now,
            updated_at: now,
            offset: self.offset,
            total: self.total,
            digest: if action == WriteAction::Commit { self.expected.clone() } else { String::new() },
        })
    }

    /// What is here already need not be sent.
    fn refuse_known(&self) -> Result<(), Status> {
        if self.expected.is_empty() || self.store.find(&self.expected).map_err(failed_here)?.is_none() {
            return Ok(());
        }
        Err(Status::already_exists(format!("content {}: already exists", self.expected)))
    }

    fn append(&mut self, request: &WriteContentRequest) -> Result<(), Status> {
        if request.offset > 0 && request.offset != self.offset {
            return Err(Status::out_of_range(format!(
                "the next byte is {}, and not {}",
                self.offset, request.offset
            )));
        }
        if request.data.is_empty() && self.sink.is_some() {
            return Ok(());
        }
        let sink = match &mut self.sink {
            Some(sink) => sink,
            none => none.insert(self.store.begin().map_err(failed_here)?),
        };
        sink.write_all(&request.data).map_err(failed_here)?;
        self.offset += i64::try_from(request.data.len()).unwrap_or_default();
        Ok(())
    }

    fn commit(&mut self) -> Result<(), Status> {
        if self.total > 0 && self.total != self.offset {
            return Err(Status::failed_precondition(format!(
                "the blob has {} bytes, and {} were said",
                self.offset, self.total
            )));
        }
        if self.expected.is_empty() {
            return Err(Status::invalid_argument("a blob without a digest is not taken"));
        }
        let sink = self.sink.take().ok_or_else(|| Status::failed_precondition("nothing was written"))?;
        sink.commit(&self.expected).map_err(failed_here)
    }
}
