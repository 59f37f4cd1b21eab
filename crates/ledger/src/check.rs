//! Whether a log is what its entries say: the chain, the numbers, the folded states. Pure over entries that were
//! read.

use crate::record::Kind;
use crate::state::State;
use crate::view::Latest;

/// Something in a log that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// The entry.
    pub seq: u64,
    /// What is wrong.
    pub what: String,
    /// It is only strange; nothing depends on it.
    pub harmless: bool,
}

/// Checks `entries`, newest first, as [`history`](crate::history) gives them.
pub fn check_chain(entries: &[Latest]) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    let mut flaw = |seq: u64, what: String| flaws.push(Flaw { seq, what, harmless: false });
    for pair in entries.windows(2) {
        let [newer, older] = pair else { continue };
        let (record, before) = (&newer.record, &older.record);
        let seq = record.seq;
        if before.seq + 1 != seq {
            flaw(seq, format!("it follows an entry that calls itself {}", before.seq));
        }
        if record.parent.as_ref() != Some(&older.digest) {
            let parent = record.parent.as_ref().map_or("nothing".to_owned(), ToString::to_string);
            flaw(
                seq,
                format!("it names {parent} as its parent, and place {} holds {}", before.seq, older.digest),
            );
        }
        if record.log != before.log {
            flaw(seq, format!("it says that it is of `{}`", record.log));
        }
        if let Some(state) = before.state.as_deref() {
            let expected = refold(newer, state.clone());
            if record.state.as_deref() != Some(&expected) {
                flaw(seq, "its state is not what its entries add up to: it was edited".into());
            }
        }
    }
    if let Some(first) = entries.last().filter(|first| first.record.seq == 1) {
        if first.record.parent.is_some() {
            flaw(1, "the first entry names a parent".into());
        }
        if !first.record.log.is_ship() && first.record.kind != Kind::Genesis {
            flaw(1, "the first entry is no genesis".into());
        }
    }
    flaws.extend(entries.windows(2).filter_map(clock));
    flaws
}

fn refold(entry: &Latest, before: State) -> State {
    let record = &entry.record;
    let release = record.release.as_ref().map(|release| &release.digest);
    let descriptor = entry.images.iter().find(|image| Some(&image.digest) == release);
    before.after(record, descriptor)
}

/// A writer's clock that ran backwards: order is the number, so nothing but the shown time is wrong.
fn clock(pair: &[Latest]) -> Option<Flaw> {
    let [newer, older] = pair else { return None };
    let (time, before) = (&newer.record.time, &older.record.time);
    // RFC 3339 in UTC with the same precision sorts as text; only a gross difference counts.
    (time.get(..19)? < before.get(..19)?).then(|| Flaw {
        seq: newer.record.seq,
        what: format!("it says {time}, and the entry before it {before}: a writer's clock is wrong"),
        harmless: true,
    })
}
