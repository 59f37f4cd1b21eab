//! Which of several builders a project goes to: the one whose name and the project's hash highest together (Thaler and
//! Ravishankar, 1998). So a project keeps its builder and its warm cache; when a builder goes, only its projects
//! move, and each of them to a place of its own.

use sha2::{Digest, Sha256};

/// The builders in the order in which `key` would have them.
pub fn order<'a>(key: &str, builders: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut scored: Vec<([u8; 32], &str)> = builders
        .into_iter()
        .map(|name| {
            (Sha256::new().chain_update(key).chain_update([0]).chain_update(name).finalize().into(), name)
        })
        .collect();
    scored.sort_unstable_by(|a, b| b.cmp(a));
    scored.into_iter().map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIVE: [&str; 5] = ["b-0", "b-1", "b-2", "b-3", "b-4"];

    #[test]
    fn a_builder_that_goes_moves_its_projects_only() {
        let four = || FIVE.into_iter().filter(|name| *name != "b-3");
        let keys: Vec<String> = (0..500).map(|n| format!("org/image-{n}")).collect();
        let mut moved = 0;
        for key in &keys {
            let (before, after) = (order(key, FIVE), order(key, four()));
            if before[0] == "b-3" {
                moved += 1;
                assert_eq!(after[0], before[1], "it goes where it would have failed over to");
            } else {
                assert_eq!(after[0], before[0]);
            }
        }
        assert!((50..150).contains(&moved), "a fifth of them, more or less: {moved}");
    }

    #[test]
    fn the_order_does_not_depend_on_how_they_are_listed() {
        let mut turned = FIVE;
        turned.reverse();
        assert_eq!(order("a", FIVE), order("a", turned));
        assert_eq!(order("a", FIVE).len(), 5);
        assert!(order("a", []).is_empty());
    }

    #[test]
    fn every_version_of_wharf_has_the_same_order() {
        assert_eq!(order("org/churn", FIVE).join(" "), "b-0 b-4 b-1 b-3 b-2");
    }
}
