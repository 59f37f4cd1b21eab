//! The names of logs, and of the tags that a log lives under.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use wharf_oci::{Digest, digest};

/// What a log is about: `ship` for what was shipped, else the name of an environment.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LogName(String);

/// A name that cannot be part of the ledger's tags.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` cannot name an environment: 1 to 32 lower-case letters, digits and dashes, and neither `ship` nor `latest`"
)]
pub struct LogNameError(String);

/// What a tag of the ledger is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagRole {
    /// The entry with this number.
    Slot(u64),
    /// The hint at the newest entry.
    Head,
    /// What a writer means to put into a slot; the digits are the entry's.
    Announcement(u64, String),
    /// A writer's word that it gave its announcement up.
    Withdrawn(u64, String),
}

impl LogName {
    /// The log of what was shipped, whatever environment it went to later.
    pub fn ship() -> Self {
        Self("ship".into())
    }

    /// The log of an environment.
    ///
    /// # Errors
    ///
    /// When the name is not one, or means something else: `ship` is a log already, and `latest` is a tag that
    /// other tools move.
    pub fn environment(name: &str) -> Result<Self, LogNameError> {
        match name {
            "ship" | "latest" => Err(LogNameError(name.into())),
            _ => name.parse(),
        }
    }

    /// Whether this is the log of what was shipped.
    pub fn is_ship(&self) -> bool {
        self.0 == "ship"
    }

    /// The tag of the entry with number `seq`.
    pub fn slot(&self, seq: u64) -> String {
        format!("wharf.{self}.{seq:010}")
    }

    /// The tag that hints at the newest entry; it may lag behind.
    pub fn head(&self) -> String {
        format!("wharf.{self}.head")
    }

    /// The tag that people and clusters pull: the release itself. The log of ships has none.
    pub fn human(&self) -> Option<&str> {
        (!self.is_ship()).then_some(self.0.as_str())
    }

    /// The tag under which a writer says what it means to put into slot `seq`. Nobody else writes it.
    pub fn announcement(&self, seq: u64, entry: &Digest) -> String {
        format!("{}.{}", self.slot(seq), digest::short(entry, 12))
    }

    /// The tag under which a writer gives its announcement up.
    pub fn withdrawn(&self, seq: u64, digits: &str) -> String {
        format!("{}.{digits}.withdrawn", self.slot(seq))
    }

    /// What `tag` is for, if it is a tag of any log.
    pub fn read_tag(tag: &str) -> Option<(Self, TagRole)> {
        let mut parts = tag.strip_prefix("wharf.")?.split('.');
        let log: Self = parts.next()?.parse().ok()?;
        let place = parts.next()?;
        let rest: Vec<&str> = parts.collect();
        let seq = (place.len() == 10).then(|| place.parse::<u64>().ok()).flatten();
        let role = match (place, seq, rest.as_slice()) {
            ("head", _, []) => TagRole::Head,
            (_, Some(seq), []) => TagRole::Slot(seq),
            (_, Some(seq), [digits]) => TagRole::Announcement(seq, (*digits).into()),
            (_, Some(seq), [digits, "withdrawn"]) => TagRole::Withdrawn(seq, (*digits).into()),
            _ => return None,
        };
        Some((log, role))
    }
}

impl fmt::Display for LogName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for LogName {
    type Err = LogNameError;

    fn from_str(text: &str) -> Result<Self, LogNameError> {
        let valid = (1..=32).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !text.starts_with('-');
        if valid { Ok(Self(text.into())) } else { Err(LogNameError(text.into())) }
    }
}

impl TryFrom<String> for LogName {
    type Error = LogNameError;

    fn try_from(text: String) -> Result<Self, LogNameError> {
        text.parse()
    }
}

impl From<LogName> for String {
    fn from(name: LogName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn slots_sort_as_numbers_do_and_are_valid_tags() {
        let log = LogName::ship();
        assert_eq!(log.slot(42), "wharf.ship.0000000042");
        assert!(log.slot(9) < log.slot(10));
        assert!(wharf_oci::is_valid_tag(&log.slot(u64::MAX)) && wharf_oci::is_valid_tag(&log.head()));
    }

    #[test]
    fn names_that_would_break_a_tag_or_mean_something_else_are_refused() {
        for bad in ["", "Prod", "a.b", "a/b", "-a", &"a".repeat(33), "latest", "ship"] {
            assert!(LogName::environment(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn every_tag_reads_back_as_what_it_is_for() {
        let log = LogName::environment("prod").unwrap();
        let entry = digest::sha256(b"entry");
        let digits = digest::short(&entry, 12).to_owned();
        for (tag, role) in [
            (log.slot(7), TagRole::Slot(7)),
            (log.head(), TagRole::Head),
            (log.announcement(7, &entry), TagRole::Announcement(7, digits.clone())),
            (log.withdrawn(7, &digits), TagRole::Withdrawn(7, digits)),
        ] {
            assert_eq!(LogName::read_tag(&tag), Some((log.clone(), role)), "{tag}");
        }
        for other in ["prod", "wharf", "wharf.prod", "wharf.prod.7", "wharf.prod.0000000007.a.b", "1.2.3"] {
            assert_eq!(LogName::read_tag(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn no_tag_makes_the_reader_panic(tag in "\\PC{0,60}") {
            let _ = LogName::read_tag(&tag);
            let _ = LogName::read_tag(&format!("wharf.{tag}"));
        }
    }
}
