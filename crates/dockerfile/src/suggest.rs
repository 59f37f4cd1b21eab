//! "Did you mean": the nearest of the names that would have been right.

/// Further away than this, a name is no likely slip.
const MAX_DISTANCE: usize = 2;

/// The name that differs least from `given`, by at most two letters; none if `given` is itself a name.
pub(crate) fn nearest<'a>(given: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = given.chars().take(100).count();
    let mut best: Option<(usize, &str)> = None;
    for name in names {
        if name == given {
            return None;
        }
        if name.chars().take(100).count().abs_diff(length) > MAX_DISTANCE {
            continue;
        }
        let distance = strsim::levenshtein(given, name);
        if distance <= best.map_or(MAX_DISTANCE, |(least, _)| least.saturating_sub(1)) {
            best = Some((distance, name));
        }
    }
    best.map(|(_, name)| name)
}

/// The message with the suggestion as BuildKit words it.
pub(crate) fn amend(message: String, name: &str) -> String {
    format!("{message} (did you mean {name}?)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_wins_and_far_ones_do_not_count() {
        let names = ["platform", "from", "chown", "chmod"];
        assert_eq!(nearest("chwon", names), Some("chown"));
        assert_eq!(nearest("form", names), Some("from"));
        assert_eq!(nearest("nosuch", names), None);
        assert_eq!(nearest("chown", names), None, "an exact name was not the slip");
        assert_eq!(nearest(&"x".repeat(1_000_000), names), None);
    }
}
