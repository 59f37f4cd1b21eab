//! Signals by name and number.

const NAMES: [(&str, i32); 31] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("PWR", 30),
    ("SYS", 31),
];

/// Asks a process to end.
pub(crate) const TERM: i32 = 15;
/// Ends it.
pub(crate) const KILL: i32 = 9;

/// A signal by number or by name, with or without `SIG`.
pub(crate) fn number(text: &str) -> Option<i32> {
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    if let Some((_, number)) = NAMES.iter().find(|(known, _)| *known == name) {
        return Some(*number);
    }
    let real_time = |prefix: &str, base: i32, sign: i32| {
        let rest = name.strip_prefix(prefix)?;
        let offset = if rest.is_empty() { 0 } else { rest.trim_start_matches(['+', '-']).parse().ok()? };
        (0..=30).contains(&offset).then_some(base + sign * offset)
    };
    name.parse()
        .ok()
        .filter(|number| (1..=64).contains(number))
        .or_else(|| real_time("RTMIN", 34, 1))
        .or_else(|| real_time("RTMAX", 64, -1))
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn signals_go_by_either_name_or_number() {
        let texts = ["SIGINT", "quit", "9", "RTMIN+2", "SIGRTMAX-1", "SIGNOPE", "0", "65", "RTMIN+x"];
        let numbers = [Some(2), Some(3), Some(9), Some(36), Some(63), None, None, None, None];
        assert_eq!(texts.map(number), numbers);
    }
}
