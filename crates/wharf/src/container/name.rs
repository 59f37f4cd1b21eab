//! IDs, and names for containers that were given none.

/// 64 hexadecimal digits that nobody else has.
pub(crate) fn new_id() -> String {
    let bytes: [u8; 32] = rand::random();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const MOODS: [&str; 24] = [
    "able", "amber", "bold", "brisk", "calm", "clear", "crisp", "eager", "early", "fair", "fresh", "gentle",
    "keen", "light", "lively", "mild", "neat", "patient", "quiet", "sandy", "steady", "swift", "tidy",
    "warm",
];

const THINGS: [&str; 24] = [
    "anchor", "bollard", "buoy", "canal", "capstan", "crane", "dinghy", "ferry", "gull", "harbour", "jetty",
    "keel", "lantern", "mooring", "pier", "pilot", "quay", "rudder", "sail", "sloop", "tender", "tide",
    "tug", "yawl",
];

/// A name such as `calm_ferry` that `taken` does not know.
pub(crate) fn made_up(taken: impl Fn(&str) -> bool) -> String {
    let one_of = |words: &[&'static str]| words[rand::random::<u32>() as usize % words.len()];
    let name = || format!("{}_{}", one_of(&MOODS), one_of(&THINGS));
    let plain = (0..10).map(|_| name()).find(|name| !taken(name));
    plain.unwrap_or_else(|| format!("{}_{}", name(), &new_id()[..8]))
}

/// Whether docker would take this name.
pub(crate) fn is_valid(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(|first| first.is_ascii_alphanumeric())
        && name.len() > 1
        && characters.all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_docker_s() {
        assert!(is_valid("web-1.2_x") && is_valid("a1") && is_valid(&made_up(|_| false)));
        assert!(!is_valid("") && !is_valid("a") && !is_valid("-a") && !is_valid("a b") && !is_valid("a/b"));
        assert!(made_up(|name| name.matches('_').count() == 1).matches('_').count() == 2);
    }
}
