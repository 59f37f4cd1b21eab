//! The append protocol as a state machine: what a writer does next, given what it saw. Pure.
//!
//! [`append`](crate::append) carries out the steps against a registry; `tests/model.rs` carries them out in every
//! possible order, with writers that stop anywhere and requests that arrive late. They share this file, so what
//! is checked is what runs.

/// Who decides between two writers of one slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Timing {
    /// The registry: it creates the slot's tag once.
    Atomic,
    /// An arbiter outside of the registry; the slot only publishes its word.
    Arbitrated,
    /// Time: whoever stands in the slot when every claim must have arrived.
    Timed,
}

/// What a writer does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Find the newest slot that is taken, and what is pending after it.
    Look,
    /// Publish the entry that the arbiter has chosen for the slot and that nobody published yet.
    Help(u64),
    /// Wait until no claim on the slot can be under way that was announced before now; then look again.
    Outwait(u64),
    /// Withdraw announcements for the slot whose writers can no longer claim it.
    Dismiss(u64),
    /// Announce the entry for the slot.
    Announce(u64),
    /// Ask the arbiter for the slot.
    Arbitrate(u64),
    /// Write the slot's tag.
    Claim(u64),
    /// Wait until every claim on the slot has arrived.
    Settle(u64),
    /// Read the slot's tag.
    ReadBack(u64),
    /// Withdraw the own announcement.
    Withdraw(u64),
    /// Point the environment's tag and the hint at the entry in the slot.
    Point(u64),
    /// Look whether the slot after this one is taken by now.
    Recheck(u64),
    /// The end.
    Done(Ending),
}

/// How a writer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ending {
    /// Its entry stands in the slot.
    Committed(u64),
    /// Another entry stands there; the decision must be made anew.
    Lost(u64),
}

/// What a step showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Saw {
    /// It was done, and there was nothing to see.
    Done,
    /// The newest slot taken is this one (0 for none), and `pending` says what is after it.
    Head {
        /// Who decides here.
        timing: Timing,
        /// The newest slot that is taken.
        seq: u64,
        /// What is after it.
        pending: Pending,
    },
    /// The arbiter gave the slot to this writer, or the slot holds this writer's entry.
    Mine,
    /// It is another's.
    Other,
    /// The time in which claiming is allowed has passed; nothing was written.
    TooLate,
}

/// What a look finds after the newest slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pending {
    /// Nothing.
    Nothing,
    /// The arbiter has chosen an entry for the next slot, and nobody has published it.
    Unpublished,
    /// Another writer has announced an entry for the next slot.
    Announced,
}

/// A writer between two steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Writer {
    timing: Timing,
    step: Step,
    /// The slot of its own entry, once it stands there.
    own: u64,
    /// The slot whose announcements it has waited out.
    waited: u64,
}

impl Writer {
    /// A writer that has done nothing yet.
    pub fn new() -> Self {
        Self { timing: Timing::Atomic, step: Step::Look, own: 0, waited: 0 }
    }

    /// What to do next.
    pub fn step(&self) -> Step {
        self.step
    }

    /// The writer after it did its step and saw this.
    #[must_use]
    pub fn saw(self, saw: Saw) -> Self {
        match (self.step, saw) {
            (Step::Look, Saw::Head { timing, seq, pending }) => self.looked(timing, seq + 1, pending),
            (Step::Help(_), _) => self.to(Step::Look),
            (Step::Outwait(slot), _) => Self { waited: slot, ..self.to(Step::Look) },
            (Step::Dismiss(slot), _) => self.to(Step::Announce(slot)),
            (Step::Announce(slot), _) => self.to(Step::Claim(slot)),
            (Step::Arbitrate(slot), Saw::Mine) => self.to(Step::Claim(slot)),
            (Step::Arbitrate(slot), _) => self.to(Step::Done(Ending::Lost(slot))),
            (Step::Claim(slot), Saw::TooLate) => self.to(Step::Withdraw(slot)),
            (Step::Claim(slot), _) if self.timing == Timing::Timed => self.to(Step::Settle(slot)),
            (Step::Claim(slot), _) => self.to(Step::ReadBack(slot)),
            (Step::Settle(slot), _) => self.to(Step::ReadBack(slot)),
            (Step::ReadBack(slot), Saw::Mine) => Self { own: slot, ..self.to(Step::Point(slot)) },
            (Step::ReadBack(slot), _) if self.timing == Timing::Timed => self.to(Step::Withdraw(slot)),
            (Step::ReadBack(slot), _) => self.to(Step::Done(Ending::Lost(slot))),
            (Step::Withdraw(slot), _) => self.to(Step::Done(Ending::Lost(slot))),
            (Step::Point(slot), _) => self.to(Step::Recheck(slot)),
            // Without this a slow writer leaves the pointers on its own entry while the log has gone on.
            (Step::Recheck(slot), Saw::Head { seq, .. }) if seq > slot => self.to(Step::Point(seq)),
            (Step::Recheck(_), _) => self.to(Step::Done(Ending::Committed(self.own))),
            (Step::Done(_) | Step::Look, _) => self,
        }
    }

    fn looked(self, timing: Timing, slot: u64, pending: Pending) -> Self {
        let next = match (timing, pending) {
            (Timing::Arbitrated, Pending::Unpublished) => Step::Help(slot),
            (Timing::Arbitrated, _) => Step::Arbitrate(slot),
            (Timing::Timed, Pending::Announced) if self.waited != slot => Step::Outwait(slot),
            (Timing::Timed, Pending::Announced) => Step::Dismiss(slot),
            (Timing::Timed, _) => Step::Announce(slot),
            (Timing::Atomic, _) => Step::Claim(slot),
        };
        Self { timing, ..self.to(next) }
    }

    fn to(self, step: Step) -> Self {
        Self { step, ..self }
    }
}

impl Default for Writer {
    fn default() -> Self {
        Self::new()
    }
}
