//! Python versions (PEP 440), with one deviation for the wheels that the ML world ships.
//!
//! Strictly, `2.3.0+cu118` is newer than `2.3.0`, and would escape an advisory whose `last_affected` is 2.3.0,
//! although it is the same source. So a local label counts only when the bound has one too.

use std::cmp::Ordering;
use std::str::FromStr;

use pep440_rs::Version;

/// `None` where one of them is no version in the sense of PEP 440.
pub(super) fn compare(installed: &str, bound: &str) -> Option<Ordering> {
    let bound = Version::from_str(bound).ok()?;
    let installed = Version::from_str(installed).ok()?;
    let installed = if bound.is_local() { installed } else { installed.without_local() };
    Some(installed.cmp(&bound))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_label_counts_only_against_another() {
        assert_eq!(compare("2.3.0+cu118", "2.3.0"), Some(Ordering::Equal));
        assert_eq!(compare("1.2.0+sec0", "1.2.0+sec1"), Some(Ordering::Less));
        assert_eq!(compare("1.2.0", "1.2.0+sec1"), Some(Ordering::Less));
        assert_eq!(compare("1.0.dev1", "1.0a1"), Some(Ordering::Less));
        assert_eq!(compare("2004d", "1.0"), None);
    }
}
