//! The mode changes of `--chmod`: octal, or symbolic as `chmod(1)` of GNU and POSIX.1-2024 has it.
//!
//! As in BuildKit there is no file mode creation mask: a clause that names nobody means everybody.

const SET_UID: u32 = 0o4000;
const SET_GID: u32 = 0o2000;
const STICKY: u32 = 0o1000;
const EXECUTE: u32 = 0o111;
/// What `a` stands for.
const ALL: u32 = SET_UID | SET_GID | 0o777;

/// A checked value of `--chmod`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ModeChange {
    text: String,
    actions: Vec<Action>,
}

/// One operator with what follows it, such as `g+rX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Action {
    who: u32,
    operator: Operator,
    permissions: u32,
    /// `X`: execution too, for directories and for what somebody may execute already.
    search: bool,
    /// Copies the three bits of this class, by its shift (6, 3 or 0).
    copied: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Operator {
    Add,
    Remove,
    Set,
}

impl ModeChange {
    /// Reads a mode.
    ///
    /// # Errors
    /// BuildKit's sentence.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            let number = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777);
            let mode = number.ok_or_else(|| {
                format!(
                    "invalid chmod parameter: '{text}'. it should be octal string and between 0 and 07777"
                )
            })?;
            let actions = vec![Action {
                who: 0o7777,
                operator: Operator::Set,
                permissions: mode,
                search: false,
                copied: None,
            }];
            return Ok(Self { text: text.into(), actions });
        }
        let mut actions = Vec::new();
        for clause in text.split(',') {
            parse_clause(clause, &mut actions).ok_or("invalid syntax")?;
        }
        Ok(Self { text: text.into(), actions })
    }

    /// As it was written, variables expanded.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is written in digits, and so the same for every file.
    pub fn is_in_digits(&self) -> bool {
        self.text.starts_with(|c: char| c.is_ascii_digit())
    }

    /// The permission bits of a file that has `mode` now.
    pub fn apply(&self, mode: u32, is_directory: bool) -> u32 {
        let original = mode & 0o7777;
        let may_search = is_directory || original & EXECUTE != 0;
        self.actions.iter().fold(original, |mode, action| action.apply(mode, may_search))
    }
}

impl Action {
    fn apply(&self, mode: u32, may_search: bool) -> u32 {
        let mut bits = self.permissions;
        if self.search && may_search {
            bits |= EXECUTE;
        }
        if let Some(shift) = self.copied {
            let copied = mode >> shift & 0o7;
            bits |= copied << 6 | copied << 3 | copied;
        }
        bits &= self.who;
        match self.operator {
            Operator::Add => mode | bits,
            Operator::Remove => mode & !bits,
            Operator::Set => mode & !self.who | bits,
        }
    }
}

/// Reads `ug=rw-x`: who, then operators with their permissions.
fn parse_clause(clause: &str, actions: &mut Vec<Action>) -> Option<()> {
    let operators = clause.find(['+', '-', '='])?;
    let (names, mut rest) = clause.split_at(operators);
    let mut named = 0;
    for name in names.chars() {
        named |= match name {
            'a' => ALL,
            'u' => SET_UID | 0o700,
            'g' => SET_GID | 0o070,
            'o' => 0o007,
            _ => return None,
        };
    }
    while let Some(operator) = rest.chars().next() {
        let operator = match operator {
            '+' => Operator::Add,
            '-' => Operator::Remove,
            '=' => Operator::Set,
            _ => return None,
        };
        let end = rest[1..].find(['+', '-', '=']).map_or(rest.len(), |at| at + 1);
        actions.push(parse_permissions(named, operator, &rest[1..end])?);
        rest = &rest[end..];
    }
    Some(())
}

fn parse_permissions(named: u32, operator: Operator, letters: &str) -> Option<Action> {
    let who = if named == 0 { ALL } else { named };
    let mut action = Action { who, operator, permissions: 0, search: false, copied: None };
    for letter in letters.chars() {
        match letter {
            'r' => action.permissions |= 0o444,
            'w' => action.permissions |= 0o222,
            'x' => action.permissions |= EXECUTE,
            'X' => action.search = true,
            's' => action.permissions |= SET_UID | SET_GID,
            // Sticky belongs to nobody in particular, so naming only the others leaves it alone.
            't' if named != 0o007 => {
                action.who |= STICKY;
                action.permissions |= STICKY;
            }
            't' => {}
            'u' => action.copied = Some(6),
            'g' => action.copied = Some(3),
            'o' => action.copied = Some(0),
            _ => return None,
        }
    }
    Some(action)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn changed(text: &str, mode: u32, is_directory: bool) -> u32 {
        ModeChange::parse(text).unwrap().apply(mode, is_directory)
    }

    #[test]
    fn octal_replaces_the_mode() {
        assert_eq!(changed("755", 0o4600, false), 0o755);
        assert_eq!(changed("01777", 0o600, true), 0o1777);
    }

    #[test]
    fn symbols_change_it() {
        for (text, before, after) in [
            ("u+x", 0o644, 0o744),
            ("+x", 0o644, 0o755),
            ("go-w", 0o777, 0o755),
            ("go=", 0o777, 0o700),
            ("=rw", 0o777, 0o666),
            ("a=r,ug=rw,u+x", 0o777, 0o764),
            ("g=u", 0o640, 0o660),
            ("go=u-w", 0o770, 0o755),
            ("u=rwx,go=rx", 0o000, 0o755),
            ("u+s,g+s,+t", 0o755, 0o7755),
            ("o+s", 0o755, 0o755),
            ("a-s", 0o6755, 0o755),
            ("-t", 0o1777, 0o777),
        ] {
            assert_eq!(changed(text, before, false), after, "{text}");
        }
    }

    #[test]
    fn a_capital_x_spares_plain_files() {
        assert_eq!(changed("u=rwX,go=rX", 0o600, false), 0o644);
        assert_eq!(changed("u=rwX,go=rX", 0o700, false), 0o755);
        assert_eq!(changed("u=rwX,go=rX", 0o700, true), 0o755);
        assert_eq!(changed("a+X", 0o644, false), 0o644);
    }

    #[test]
    fn what_is_no_mode_is_refused() {
        for bad in ["", ",", "q+r", "u", "u+q", "u+r,", "9", "17777", "0x1", "-1"] {
            assert!(ModeChange::parse(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[ugoa+=,rwxXst0-9é-]{0,12}", mode in 0u32..0o10000) {
            if let Ok(change) = ModeChange::parse(&text) {
                prop_assert!(change.apply(mode, false) <= 0o7777);
            }
        }
    }
}
