//! Writing the next entry of a log: the steps of [`Writer`] carried out against a store.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use wharf_oci::{Descriptor, Digest, digest};
use wharf_registry::{Cause, Condition, Document, Name, Store};

use crate::entry::{Entry, EntryError};
use crate::fork::{Announced, Fork, announced, forks};
use crate::name::LogName;
use crate::pointers::point_with;
use crate::record::{FORMAT, Kind, Record};
use crate::state::State;
use crate::tier::Tier;
use crate::view::{Head, Latest, ViewError, at, head, taken};
use crate::writer::{Ending, Pending, Saw, Step, Timing, Writer};

/// How often a writer that lost a slot starts over before it gives up.
const ATTEMPTS: u32 = 8;

/// Decides between writers from outside of the registry: the commit point of tier T2.
pub trait Arbiter: Send + Sync {
    /// The newest slot that was given away, and the entry that has it.
    fn head(&self) -> BoxFuture<'_, Result<Option<(u64, Digest)>, ArbiterError>>;

    /// Asks for `seq` for `entry`, after `parent`; `false` when another writer has it.
    fn claim<'a>(&'a self, seq: u64, entry: &'a Digest) -> BoxFuture<'a, Result<bool, ArbiterError>>;
}

/// An arbiter that cannot be asked.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ArbiterError(pub String);

/// What is known when a decision is made.
#[derive(Debug)]
pub struct Situation<'a> {
    /// The newest entry; none where the log has not begun.
    pub newest: Option<&'a Latest>,
    /// What freezes promotions.
    pub forks: &'a [Fork],
}

impl Situation<'_> {
    /// The environment as the newest entry says.
    pub fn state(&self) -> Option<&State> {
        self.newest.and_then(|newest| newest.record.state.as_deref())
    }
}

/// What a decision wants written.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The record; its version, place, parent and state are filled in.
    pub record: Record,
    /// The descriptor of the record's release.
    pub release: Option<Descriptor>,
    /// The state that the log begins with; only for its first entry.
    pub begins: Option<Tier>,
}

/// What a decision comes to: an entry to write, or a reason why there is none.
pub type Decision<R> = Result<Draft, R>;

/// Makes an arbiter for a repository.
pub type ArbiterMaker<'a> = dyn Fn(&str) -> Result<Arc<dyn Arbiter>, ArbiterError> + Send + Sync + 'a;

/// The deadline of a claim that is committed by time because it must be.
const EMERGENCY: Tier = Tier::Timed { deadline_ms: 2000 };

/// How to append.
#[derive(Default)]
pub struct Options<'a> {
    /// Makes the commit point of a log on tier T2, given the repository that the log names.
    pub arbiters: Option<&'a ArbiterMaker<'a>>,
    /// Commit by time where the log's commit point cannot be asked: a rollback must not wait for a git host.
    pub emergency: bool,
    /// Where the log ends, and when that was looked up, where the caller has just done so.
    pub looked: Option<(Instant, &'a Head)>,
    /// The release's document, where it is at hand.
    pub document: Option<&'a Document>,
    /// Look for forks everywhere, at the price of a few more requests.
    pub look_for_forks: bool,
}

impl std::fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("look_for_forks", &self.look_for_forks).finish_non_exhaustive()
    }
}

/// An entry that stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The entry's digest.
    pub digest: Digest,
    /// What it says, with its place in the log.
    pub record: Record,
    /// The operation was in the log already, and nothing was written.
    pub already: bool,
    /// Tags that the registry refuses to move; readers find the way without them.
    pub stuck: Vec<String>,
}

/// Why an entry was not written. Nothing names what was uploaded for it, so nothing is half-done.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The log cannot be read.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The registry refused a part of the entry.
    #[error("the ledger entry `{tag}` cannot be written to {place}")]
    Store {
        /// The registry and repository.
        place: String,
        /// The entry's tag.
        tag: String,
        /// Why.
        #[source]
        source: Box<wharf_registry::Error>,
    },
    /// The record does not make an entry.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// Other writers were faster every time.
    #[error("other writers took the next place in the ledger in {place} {ATTEMPTS} times in a row")]
    Lost {
        /// The registry and repository.
        place: String,
    },
    /// The log's commit point cannot be asked.
    #[error("the ledger in {place} is committed by a git ref, which cannot be asked")]
    Arbiter {
        /// The registry and repository.
        place: String,
        /// Why.
        #[source]
        source: ArbiterError,
    },
}

/// Appends `record` to `log`, whatever is in it; its version, place and parent are filled in here. `release` is
/// the descriptor of the record's release, which must be in the store.
///
/// Idempotent by `op_id`: a record whose operation is already the newest entry is not written again.
///
/// # Errors
///
/// When the registry fails, or the slot was lost too often (a race: trying again is right).
pub async fn append(
    store: &dyn Store,
    log: &LogName,
    record: Record,
    release: &Descriptor,
) -> Result<Appended, AppendError> {
    let decide = |_: &Situation<'_>| -> Decision<std::convert::Infallible> {
        Ok(Draft { record: record.clone(), release: Some(release.clone()), begins: None })
    };
    match append_decided(store, log, &record.op_id, &Options::default(), decide).await? {
        Ok(appended) => Ok(appended),
        Err(never) => match never {},
    }
}

/// Appends what `decide` wants, which is asked again whenever another writer was faster.
///
/// Idempotent by `op_id`: where the log has that operation, its entry is the answer.
///
/// # Errors
///
/// When the registry fails, or the slot was lost too often (a race: trying again is right). A refusal of `decide`
/// is the inner error.
pub async fn append_decided<R>(
    store: &dyn Store,
    log: &LogName,
    op_id: &str,
    options: &Options<'_>,
    mut decide: impl FnMut(&Situation<'_>) -> Decision<R>,
) -> Result<Result<Appended, R>, AppendError> {
    for n in 0..ATTEMPTS {
        let mut attempt = Attempt::new(store, log, op_id, options);
        attempt.given = options.looked.filter(|_| n == 0);
        match attempt.run(&mut decide).await? {
            Ended::Committed(appended) => return Ok(Ok(*appended)),
            Ended::Refused(reason) => return Ok(Err(reason)),
            Ended::Lost => {}
        }
    }
    Err(AppendError::Lost { place: store.place() })
}

enum Ended<R> {
    Committed(Box<Appended>),
    Refused(R),
    Lost,
}

/// One run of the protocol, from a look to an ending.
struct Attempt<'a> {
    store: &'a dyn Store,
    log: &'a LogName,
    op_id: &'a str,
    options: &'a Options<'a>,
    /// When the writer looked; deadlines count from here.
    looked: Instant,
    /// What the caller has looked up; good for one look.
    given: Option<(Instant, &'a Head)>,
    head: Option<Head>,
    announced: Announced,
    entry: Option<Entry>,
    tier: Option<Tier>,
    arbiter: Option<Arc<dyn Arbiter>>,
    stuck: Vec<String>,
}

impl<'a> Attempt<'a> {
    fn new(store: &'a dyn Store, log: &'a LogName, op_id: &'a str, options: &'a Options<'a>) -> Self {
        Self {
            store,
            log,
            op_id,
            options,
            looked: Instant::now(),
            given: None,
            head: None,
            announced: Announced::default(),
            entry: None,
            tier: None,
            arbiter: None,
            stuck: Vec::new(),
        }
    }

    async fn run<R>(
        &mut self,
        decide: &mut impl FnMut(&Situation<'_>) -> Decision<R>,
    ) -> Result<Ended<R>, AppendError> {
        let mut writer = Writer::new();
        loop {
            let saw = match writer.step() {
                Step::Look => {
                    let looked = self.look().await?;
                    if let Some(done) = self.done_before().await? {
                        return Ok(Ended::Committed(Box::new(done)));
                    }
                    if let Err(reason) = self.decide(decide).await? {
                        return Ok(Ended::Refused(reason));
                    }
                    // The first entry's tier is what the decision says.
                    match looked {
                        Saw::Head { seq, pending, .. } => Saw::Head { timing: self.timing(), seq, pending },
                        other => other,
                    }
                }
                Step::Done(Ending::Lost(_)) => return Ok(Ended::Lost),
                Step::Done(Ending::Committed(_)) => return Ok(Ended::Committed(Box::new(self.appended()))),
                step => self.carry_out(step).await?,
            };
            writer = writer.saw(saw);
        }
    }

    fn timing(&self) -> Timing {
        match self.tier {
            Some(Tier::Git { .. }) => Timing::Arbitrated,
            Some(Tier::Timed { .. }) => Timing::Timed,
            _ => Timing::Atomic,
        }
    }

    async fn look(&mut self) -> Result<Saw, AppendError> {
        (self.looked, self.head) = match self.given.take() {
            Some((looked, head)) => (looked, Some(head.clone())),
            None => (Instant::now(), head(self.store, self.log).await?),
        };
        let state = self.head.as_ref().and_then(|head| head.entry.record.state.as_deref());
        self.tier = state.map(|state| state.tier.clone());
        if self.options.emergency && matches!(self.tier, Some(Tier::Git { .. })) {
            self.tier = Some(EMERGENCY);
        }
        let seq = self.head.as_ref().map_or(0, |head| head.entry.record.seq);
        let pending = match self.timing() {
            Timing::Atomic => Pending::Nothing,
            Timing::Arbitrated => match self.chosen().await? {
                Some((chosen, _)) if chosen > seq => Pending::Unpublished,
                _ => Pending::Nothing,
            },
            Timing::Timed => {
                self.announced = announced(self.store, self.log).await?;
                let any = self.announced.for_slot(seq + 1).next().is_some();
                if any { Pending::Announced } else { Pending::Nothing }
            }
        };
        Ok(Saw::Head { timing: self.timing(), seq, pending })
    }

    /// The entry of this operation, if the log has it: an acknowledgement was lost, or a job ran again. Pointers
    /// that the first run left behind are moved.
    async fn done_before(&self) -> Result<Option<Appended>, AppendError> {
        let Some(head) = &self.head else { return Ok(None) };
        let newest = &head.entry;
        let state = newest.record.state.as_deref();
        let seq = if newest.record.op_id == self.op_id {
            newest.record.seq
        } else {
            match state.and_then(|state| state.operation(self.op_id)) {
                Some(seq) => seq,
                None => return Ok(None),
            }
        };
        let entry =
            if seq == newest.record.seq { newest.clone() } else { at(self.store, self.log, seq).await? };
        if state.is_some() {
            crate::pointers::repair(self.store, self.log, head).await?;
        }
        Ok(Some(Appended { digest: entry.digest, record: entry.record, already: true, stuck: Vec::new() }))
    }

    async fn decide<R>(
        &mut self,
        decide: &mut impl FnMut(&Situation<'_>) -> Decision<R>,
    ) -> Result<Result<(), R>, AppendError> {
        let found = match &self.head {
            Some(head) if self.options.look_for_forks => {
                forks(self.store, self.log, head, &self.announced).await?
            }
            // Without looking around, what the look itself showed.
            Some(Head { stray: Some(entry), .. }) => vec![Fork::Stray { entry: entry.clone() }],
            _ => Vec::new(),
        };
        let newest = self.head.as_ref().map(|head| &head.entry);
        let draft = match decide(&Situation { newest, forks: &found }) {
            Ok(draft) => draft,
            Err(reason) => return Ok(Err(reason)),
        };
        if let (None, Some(tier)) = (newest, &draft.begins) {
            self.tier = Some(tier.clone());
        }
        self.entry = Some(complete(self.log, newest, draft)?);
        Ok(Ok(()))
    }

    async fn carry_out(&mut self, step: Step) -> Result<Saw, AppendError> {
        match step {
            Step::Help(slot) => self.help(slot).await,
            Step::Outwait(_) | Step::Settle(_) => {
                tokio::time::sleep(self.wait()).await;
                Ok(Saw::Done)
            }
            Step::Dismiss(slot) => {
                let mine = self.digits();
                let others: Vec<String> = self.announced.for_slot(slot).map(str::to_owned).collect();
                for digits in others.iter().filter(|digits| **digits != mine) {
                    self.withdraw(slot, digits).await?;
                }
                Ok(Saw::Done)
            }
            Step::Announce(slot) => {
                self.upload(slot).await?;
                let tag = |own: &Self| own.log.announcement(slot, &own.entry().index.0.digest);
                self.put_first(tag, Condition::Always).await?;
                Ok(Saw::Done)
            }
            Step::Arbitrate(slot) => self.arbitrate(slot).await,
            Step::Claim(slot) => self.claim(slot).await,
            Step::ReadBack(slot) => {
                let there = taken(self.store, self.log, slot).await?;
                Ok(if there.as_ref() == Some(&self.index().descriptor.digest) {
                    Saw::Mine
                } else {
                    Saw::Other
                })
            }
            Step::Withdraw(slot) => {
                let digits = self.digits();
                self.withdraw(slot, &digits).await?;
                Ok(Saw::Done)
            }
            Step::Point(slot) => self.point(slot).await,
            Step::Recheck(slot) => {
                let after = taken(self.store, self.log, slot + 1).await?;
                let seq = if after.is_some() { slot + 1 } else { slot };
                Ok(Saw::Head { timing: self.timing(), seq, pending: Pending::Nothing })
            }
            Step::Look | Step::Done(_) => Ok(Saw::Done),
        }
    }

    /// Twice the deadline: claims and their answers have time to arrive, and clocks to disagree a little.
    fn wait(&self) -> Duration {
        self.tier.as_ref().and_then(Tier::deadline).unwrap_or_default() * 2
    }

    fn entry(&self) -> &Entry {
        match &self.entry {
            Some(entry) => entry,
            None => unreachable!("every step after a look has the entry that the look decided on"),
        }
    }

    fn index(&self) -> Document {
        let (descriptor, bytes) = self.entry().index.clone();
        Document { descriptor, bytes: Bytes::from(bytes) }
    }

    fn digits(&self) -> String {
        digest::short(&self.entry().index.0.digest, 12).to_owned()
    }

    fn failed(&self, tag: &str, source: wharf_registry::Error) -> AppendError {
        AppendError::Store { place: self.store.place(), tag: tag.into(), source: Box::new(source) }
    }

    async fn put(&self, tag: &str, condition: Condition) -> Result<(), AppendError> {
        match self.store.put_manifest(Name::Tag(tag), &self.index(), condition).await {
            // Who was first is read back, never concluded from an answer that may be to a repeated request.
            Err(error) if matches!(error.cause(), Cause::Immutable { .. }) => Ok(()),
            result => result.map_err(|source| self.failed(tag, source)),
        }
    }

    /// Puts the index by digest, under no tag.
    async fn store_index(&self, slot: u64) -> Result<(), AppendError> {
        let index = self.index();
        let name = Name::Digest(&index.descriptor.digest);
        let result = self.store.put_manifest(name, &index, Condition::Always).await;
        result.map_err(|source| self.failed(&self.log.slot(slot), source))
    }

    /// Puts the index for the first time. A registry refuses it where an image that it would pin is gone, such as
    /// a deleted rollback target: then it pins what is left.
    async fn put_first(
        &mut self,
        tag: impl Fn(&Self) -> String,
        condition: Condition,
    ) -> Result<(), AppendError> {
        match self.put(&tag(self), condition).await {
            Err(error) if self.drop_missing().await => {
                let _ = error; // The second try says what is still wrong.
                self.put(&tag(self), condition).await
            }
            result => result,
        }
    }

    /// Makes the entry anew without the images that are gone; whether there were any. A release that is gone
    /// stays in it, so that its entry is refused.
    async fn drop_missing(&mut self) -> bool {
        let entry = self.entry();
        let Ok((_, images)) = Entry::parts(&entry.index.0.digest, &entry.index.1) else { return false };
        let release = entry.record.release.as_ref().map(|release| release.digest.clone());
        let moves = matches!(entry.record.kind, Kind::Promote | Kind::Rollback | Kind::Ship);
        let mut left = Vec::new();
        for image in &images {
            let needed = moves && release.as_ref() == Some(&image.digest);
            if needed || matches!(self.store.head(Name::Digest(&image.digest)).await, Ok(Some(_))) {
                left.push(image.clone());
            }
        }
        if left.len() == images.len() {
            return false;
        }
        match Entry::new(entry.record.clone(), &left) {
            Ok(entry) => self.entry = Some(entry),
            Err(_) => return false,
        }
        true
    }

    /// Pushes what the index names: the record's blobs, then its manifest.
    async fn upload(&self, slot: u64) -> Result<(), AppendError> {
        let tag = self.log.slot(slot);
        let entry = self.entry();
        // The empty config came with the first entry of the repository's log.
        let blobs = entry.blobs.iter().skip(usize::from(slot > 1));
        for (descriptor, bytes) in blobs {
            let result = self.store.put_blob(descriptor, &Bytes::from(bytes.clone())).await;
            result.map_err(|source| self.failed(&tag, source))?;
        }
        let (descriptor, bytes) = entry.manifest.clone();
        let manifest = Document { descriptor, bytes: Bytes::from(bytes) };
        let name = Name::Digest(&manifest.descriptor.digest);
        if self.store.put_manifest(name, &manifest, Condition::Always).await.is_ok() {
            return Ok(());
        }
        // Somebody removed the empty config; it is put back, and what fails now is the failure.
        for (descriptor, bytes) in &entry.blobs {
            let result = self.store.put_blob(descriptor, &Bytes::from(bytes.clone())).await;
            result.map_err(|source| self.failed(&tag, source))?;
        }
        let result = self.store.put_manifest(name, &manifest, Condition::Always).await;
        result.map_err(|source| self.failed(&tag, source))
    }

    async fn claim(&mut self, slot: u64) -> Result<Saw, AppendError> {
        let tag = self.log.slot(slot);
        match self.timing() {
            Timing::Atomic => {
                self.upload(slot).await?;
                self.put_first(|_| tag.clone(), Condition::Claim).await?;
            }
            Timing::Arbitrated => self.put(&tag, Condition::Always).await?,
            Timing::Timed => {
                let deadline = self.tier.as_ref().and_then(Tier::deadline).unwrap_or_default();
                let Some(left) = deadline.checked_sub(self.looked.elapsed()) else { return Ok(Saw::TooLate) };
                // Look again just before the write: most losers are seen here, without overwriting anybody.
                let put = async {
                    match taken(self.store, self.log, slot).await? {
                        Some(_) => Ok(()),
                        None => self.put(&tag, Condition::Claim).await,
                    }
                };
                match tokio::time::timeout(left, put).await {
                    Ok(result) => result?,
                    // It may still arrive; that it does so before the others have waited is the tier's assumption.
                    Err(_) => return Ok(Saw::Done),
                }
            }
        }
        Ok(Saw::Done)
    }

    async fn chosen(&mut self) -> Result<Option<(u64, Digest)>, AppendError> {
        let arbiter = self.arbiter()?;
        arbiter.head().await.map_err(|source| self.no_arbiter(source))
    }

    fn arbiter(&mut self) -> Result<Arc<dyn Arbiter>, AppendError> {
        if let Some(arbiter) = &self.arbiter {
            return Ok(arbiter.clone());
        }
        let made = match (&self.tier, self.options.arbiters) {
            (Some(Tier::Git { remote }), Some(make)) => make(remote),
            _ => Err(ArbiterError("this program asks no git repository".into())),
        };
        let arbiter = made.map_err(|source| self.no_arbiter(source))?;
        self.arbiter = Some(arbiter.clone());
        Ok(arbiter)
    }

    fn no_arbiter(&self, source: ArbiterError) -> AppendError {
        AppendError::Arbiter { place: self.store.place(), source }
    }

    async fn arbitrate(&mut self, slot: u64) -> Result<Saw, AppendError> {
        // The entry must be there before anybody can be told that it has won.
        self.upload(slot).await?;
        if let Err(error) = self.store_index(slot).await {
            if !self.drop_missing().await {
                return Err(error);
            }
            self.store_index(slot).await?;
        }
        let index = self.index();
        let arbiter = self.arbiter()?;
        let won = arbiter.claim(slot, &index.descriptor.digest).await;
        Ok(if won.map_err(|source| self.no_arbiter(source))? { Saw::Mine } else { Saw::Other })
    }

    /// Publishes the arbiter's word where its winner stopped before it could.
    async fn help(&mut self, slot: u64) -> Result<Saw, AppendError> {
        let Some((chosen, entry)) = self.chosen().await? else { return Ok(Saw::Done) };
        let tag = self.log.slot(slot);
        if chosen == slot {
            let found = self.store.manifest(Name::Digest(&entry)).await;
            let found = found.map_err(|source| self.failed(&tag, source))?;
            let Some(document) = found else {
                let place = self.store.place();
                return Err(ViewError::Missing { place, tag, missing: entry }.into());
            };
            let result = self.store.put_manifest(Name::Tag(&tag), &document, Condition::Always).await;
            result.map_err(|source| self.failed(&tag, source))?;
            return Ok(Saw::Done);
        }
        let (place, log) = (self.store.place(), self.log.clone());
        Err(ViewError::Gap { place, log, seq: slot }.into())
    }

    async fn withdraw(&self, slot: u64, digits: &str) -> Result<(), AppendError> {
        let announcement = format!("{}.{digits}", self.log.slot(slot));
        let tag = self.log.withdrawn(slot, digits);
        let found = self.store.manifest(Name::Tag(&announcement)).await;
        let Some(document) = found.map_err(|source| self.failed(&tag, source))? else { return Ok(()) };
        let result = self.store.put_manifest(Name::Tag(&tag), &document, Condition::Always).await;
        result.map_err(|source| self.failed(&tag, source))
    }

    async fn point(&mut self, slot: u64) -> Result<Saw, AppendError> {
        let entry = self.entry();
        let (newest, human) = if slot == entry.record.seq {
            let human = matches!(entry.record.kind, Kind::Promote | Kind::Rollback | Kind::Checkpoint);
            (self.own(), human)
        } else {
            (at(self.store, self.log, slot).await?, true)
        };
        let refused = point_with(self.store, self.log, &newest, self.options.document, human).await?;
        self.stuck.extend(refused);
        Ok(Saw::Done)
    }

    /// The own entry, as a reader would have it.
    fn own(&self) -> Latest {
        let (record, document) = (self.entry().record.clone(), self.index());
        Latest { digest: document.descriptor.digest.clone(), record, document, images: Vec::new() }
    }

    fn appended(&self) -> Appended {
        let mut stuck = self.stuck.clone();
        stuck.sort();
        stuck.dedup();
        let entry = self.entry();
        Appended { digest: entry.index.0.digest.clone(), record: entry.record.clone(), already: false, stuck }
    }
}

/// The draft in its place after `newest`, as an entry with the images that it pins. Pure.
fn complete(log: &LogName, newest: Option<&Latest>, draft: Draft) -> Result<Entry, EntryError> {
    let Draft { record, release, begins } = draft;
    let mut record = Record {
        v: FORMAT,
        log: log.clone(),
        seq: newest.map_or(1, |newest| newest.record.seq + 1),
        parent: newest.map(|newest| newest.digest.clone()),
        ..record
    };
    let before = match newest {
        Some(newest) => newest.record.state.clone(),
        None => begins.map(|tier| Box::new(State::new(tier))),
    };
    let mut images: Vec<Descriptor> = release.iter().cloned().collect();
    if let Some(before) = before {
        let after = before.after(&record, release.as_ref());
        images.extend(after.current.iter().map(crate::state::Placed::descriptor));
        images.extend(after.rollback_target().map(crate::state::Placed::descriptor));
        record.state = Some(Box::new(after));
    }
    Entry::new(record, &images)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::tests::record;

    #[test]
    fn the_first_entry_has_no_parent_and_every_other_names_the_one_before() {
        let log = LogName::ship();
        let draft = |op: &str| Draft { record: record(9, None, op), release: None, begins: None };
        let first = complete(&log, None, draft("a")).unwrap();
        assert_eq!((first.record.seq, first.record.parent.clone()), (1, None));
        let (descriptor, bytes) = first.index.clone();
        let newest = Latest {
            digest: descriptor.digest.clone(),
            record: first.record,
            document: Document { descriptor: descriptor.clone(), bytes: Bytes::from(bytes) },
            images: Vec::new(),
        };
        let second = complete(&log, Some(&newest), draft("b")).unwrap();
        assert_eq!((second.record.seq, second.record.parent), (2, Some(descriptor.digest)));
    }
}
