//! Divergence: entries beside the log that may have been committed. It is shown, it freezes promotions, and it is
//! never resolved silently.

use std::collections::{BTreeMap, BTreeSet};

use wharf_oci::{Digest, digest};
use wharf_registry::Store;

use crate::name::{LogName, TagRole};
use crate::view::{Head, Latest, ViewError, entry, tags, taken};

/// Something beside the log that should not be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fork {
    /// An entry was announced for a slot that holds another one, and nobody withdrew it.
    Contested {
        /// The slot.
        seq: u64,
        /// The first digits of the entry.
        digits: String,
        /// The entry, if it can be read.
        entry: Option<Box<Latest>>,
    },
    /// The newest entry's parent is not the entry in the slot before.
    Chain {
        /// The newest entry's slot.
        seq: u64,
        /// What the entry names as its parent.
        parent: Option<Digest>,
        /// What is in the slot before.
        found: Option<Digest>,
    },
    /// The hint names an entry that stands in no slot.
    Stray {
        /// The entry.
        entry: Box<Latest>,
    },
}

impl Fork {
    /// The entry on the other side, where it can be read.
    pub fn other_side(&self) -> Option<&Latest> {
        match self {
            Self::Contested { entry, .. } => entry.as_deref(),
            Self::Stray { entry } => Some(entry),
            Self::Chain { .. } => None,
        }
    }
}

impl std::fmt::Display for Fork {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Contested { seq, digits, entry } => {
                write!(f, "entry {digits} was announced for place {seq}, which holds another one")?;
                match entry.as_deref() {
                    Some(entry) => write!(f, "; it says: {}", summary(entry)),
                    None => write!(f, "; it cannot be read any more"),
                }
            }
            Self::Chain { seq, parent, found } => write!(
                f,
                "entry {seq} follows {}, and place {} holds {}",
                shown(parent.as_ref()),
                seq - 1,
                shown(found.as_ref())
            ),
            Self::Stray { entry } => write!(
                f,
                "the hint names entry {} for place {}, which does not stand there; it says: {}",
                digest::short(&entry.digest, 12),
                entry.record.seq,
                summary(entry)
            ),
        }
    }
}

fn summary(entry: &Latest) -> String {
    let record = &entry.record;
    let what = record.release.as_ref().map_or_else(String::new, |release| format!(" {}", release.version));
    format!("{}{what} by {}", record.kind, record.actor.name)
}

fn shown(digest: Option<&Digest>) -> &str {
    digest.map_or("nothing", |digest| digest::short(digest, 12))
}

/// The announcements of a log that nobody withdrew, by slot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Announced(BTreeMap<u64, BTreeSet<String>>);

impl Announced {
    /// Read from the tags of a repository. Pure.
    pub fn of(log: &LogName, tags: &[String]) -> Self {
        let mut standing: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
        let mut withdrawn = Vec::new();
        for tag in tags {
            match LogName::read_tag(tag) {
                Some((of, TagRole::Announcement(seq, digits))) if of == *log => {
                    standing.entry(seq).or_default().insert(digits);
                }
                Some((of, TagRole::Withdrawn(seq, digits))) if of == *log => withdrawn.push((seq, digits)),
                _ => {}
            }
        }
        for (seq, digits) in withdrawn {
            if let Some(digests) = standing.get_mut(&seq) {
                digests.remove(&digits);
            }
        }
        Self(standing)
    }

    /// The announcements for `seq`.
    pub fn for_slot(&self, seq: u64) -> impl Iterator<Item = &str> {
        self.0.get(&seq).into_iter().flatten().map(String::as_str)
    }
}

/// The forks of a log whose end is known.
///
/// # Errors
///
/// When the registry fails.
pub async fn forks(
    store: &dyn Store,
    log: &LogName,
    head: &Head,
    announced: &Announced,
) -> Result<Vec<Fork>, ViewError> {
    let mut forks = Vec::new();
    if let Some(entry) = &head.stray {
        forks.push(Fork::Stray { entry: entry.clone() });
    }
    let newest = &head.entry.record;
    if newest.seq > 1 {
        let found = taken(store, log, newest.seq - 1).await?;
        // A slot before a checkpoint may be gone; one that holds something else may not.
        if found.is_some() && found != newest.parent {
            forks.push(Fork::Chain { seq: newest.seq, parent: newest.parent.clone(), found });
        }
    }
    for (seq, digits) in &announced.0 {
        if *seq > newest.seq {
            continue;
        }
        // The entry in a slot was announced too, so one announcement alone is the slot's own.
        if digits.len() < 2 && *seq != newest.seq {
            continue;
        }
        let Some(holder) = taken(store, log, *seq).await? else { continue };
        for digits in digits.iter().filter(|digits| *digits != digest::short(&holder, 12)) {
            let tag = format!("{}.{digits}", log.slot(*seq));
            let entry = entry(store, &tag).await.ok().flatten().map(Box::new);
            forks.push(Fork::Contested { seq: *seq, digits: digits.clone(), entry });
        }
    }
    Ok(forks)
}

/// Reads the announcements of a log.
///
/// # Errors
///
/// When the registry fails.
pub async fn announced(store: &dyn Store, log: &LogName) -> Result<Announced, ViewError> {
    Ok(Announced::of(log, &tags(store).await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_withdrawn_no_longer_stands() {
        let log = LogName::environment("prod").unwrap();
        let tags = [
            "wharf.prod.0000000002.aaaaaaaaaaaa",
            "wharf.prod.0000000002.bbbbbbbbbbbb",
            "wharf.prod.0000000002.bbbbbbbbbbbb.withdrawn",
            "wharf.prod.0000000002",
            "wharf.staging.0000000002.cccccccccccc",
            "prod",
        ]
        .map(str::to_owned);
        let announced = Announced::of(&log, &tags);
        assert_eq!(announced.for_slot(2).collect::<Vec<_>>(), ["aaaaaaaaaaaa"]);
        assert_eq!(announced.for_slot(3).count(), 0);
    }
}
