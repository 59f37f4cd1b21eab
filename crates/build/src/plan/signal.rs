//! The names and numbers that `STOPSIGNAL` takes.

/// The signals of Linux by name, without `SIG`.
const NAMES: [&str; 36] = [
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE",
    "POLL", "PROF", "PWR", "QUIT", "RTMAX", "RTMIN", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP",
    "TTIN", "TTOU", "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ",
];
/// How far real-time signals are counted up from the least one and down from the greatest.
const REAL_TIME: (u32, u32) = (15, 14);

/// Whether `text` is a signal: a number other than zero, or a name with or without `SIG`.
pub(super) fn is_signal(text: &str) -> bool {
    if let Ok(number) = text.parse::<i64>() {
        return number != 0;
    }
    let upper = text.to_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let counted = |rest: &str, most: u32| {
        !rest.starts_with(['0', '+']) && rest.parse::<u32>().is_ok_and(|number| (1..=most).contains(&number))
    };
    NAMES.contains(&name)
        || name.strip_prefix("RTMIN+").is_some_and(|rest| counted(rest, REAL_TIME.0))
        || name.strip_prefix("RTMAX-").is_some_and(|rest| counted(rest, REAL_TIME.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_signals() {
        for good in ["SIGTERM", "term", "9", "-1", "SIGRTMIN+3", "RTMAX-14", "rtmin"] {
            assert!(is_signal(good), "{good}");
        }
        for bad in ["", "0", "SIG", "SIGNOPE", "RTMIN+0", "RTMIN+16", "RTMAX-15", "RTMIN++1", "9.5", "EMT"] {
            assert!(!is_signal(bad), "{bad}");
        }
    }
}
