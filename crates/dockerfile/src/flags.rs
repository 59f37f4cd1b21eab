//! `--name=value` between an instruction's name and its arguments.

use crate::error::Problem;

/// Cuts the flags off the front of an instruction's arguments. Quotes are removed from them, and the
/// escape character of the file takes the next character as it is.
pub(crate) fn split_flags(text: &str, escape: char) -> (Vec<String>, &str) {
    let mut flags = Vec::new();
    let mut rest = text.trim_start();
    while rest.starts_with("--") {
        let (flag, after) = first_word(rest, escape);
        if flag == "--" {
            return (flags, after);
        }
        flags.push(flag);
        rest = after.trim_start();
    }
    (flags, rest)
}

fn first_word(text: &str, escape: char) -> (String, &str) {
    let mut word = String::new();
    let mut quote = None;
    let mut chars = text.chars();
    loop {
        let here = chars.as_str();
        let Some(c) = chars.next() else { return (word, "") };
        match c {
            _ if quote.is_none() && c.is_whitespace() => return (word, here),
            _ if c == escape => word.extend(chars.next()),
            _ if quote == Some(c) => quote = None,
            '\'' | '"' if quote.is_none() => quote = Some(c),
            _ => word.push(c),
        }
    }
}

/// What a flag takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Nothing, `true` or `false`.
    Switch,
    /// One value, once.
    Value,
    /// One value, any number of times.
    Values,
}

/// The flags of an instruction, checked against those it knows.
#[derive(Debug, Default)]
pub(crate) struct Flags(Vec<(&'static str, String)>);

impl Flags {
    /// # Errors
    /// For unknown and repeated flags, and for values where there should be none or the other way round.
    pub(crate) fn check(given: &[String], known: &[(&'static str, Takes)]) -> Result<Self, Problem> {
        let mut flags = Self::default();
        for flag in given {
            let (name, value) = match flag.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (flag.as_str(), None),
            };
            let bare = name.strip_prefix("--").unwrap_or(name);
            let Some((key, takes)) = known.iter().find(|(known, _)| *known == bare) else {
                let names = known.iter().map(|(known, _)| *known);
                return Err(Problem::new(format!("unknown flag: {name}")).at(name).suggest(bare, names));
            };
            if *takes != Takes::Values && flags.0.iter().any(|(used, _)| used == key) {
                return Err(Problem::new(format!("duplicate flag specified: {name}")).at(name));
            }
            let value = match takes {
                Takes::Switch => switch(name, value)?,
                Takes::Value | Takes::Values => value.ok_or_else(|| missing_value(name))?.to_string(),
            };
            flags.0.push((key, value));
        }
        Ok(flags)
    }

    /// The value of a flag that was given.
    pub(crate) fn given(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
    }

    /// The value of a flag; an empty value is as good as none.
    pub(crate) fn value(&self, name: &str) -> Option<String> {
        self.given(name).filter(|value| !value.is_empty()).map(str::to_string)
    }

    /// All values of a flag.
    pub(crate) fn values(&self, name: &str) -> Vec<String> {
        self.0.iter().filter(|(key, _)| *key == name).map(|(_, value)| value.clone()).collect()
    }

    /// What a switch was set to, if it was.
    pub(crate) fn switch(&self, name: &str) -> Option<bool> {
        self.given(name).map(|value| value == "true")
    }
}

fn switch(name: &str, value: Option<&str>) -> Result<String, Problem> {
    match value.map(str::to_ascii_lowercase).as_deref() {
        None | Some("true") => Ok("true".into()),
        Some("false") => Ok("false".into()),
        Some("") => Err(missing_value(name)),
        Some(_) => {
            let value = value.unwrap_or_default();
            let message = format!("expecting boolean value for flag {name}, not: {value}");
            Err(Problem::new(message).at(name))
        }
    }
}

fn missing_value(name: &str) -> Problem {
    Problem::new(format!("missing a value on flag: {name}")).at(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[(&str, Takes)] =
        &[("link", Takes::Switch), ("from", Takes::Value), ("exclude", Takes::Values)];

    fn check(text: &str) -> Result<Flags, String> {
        Flags::check(&split_flags(text, '\\').0, KNOWN).map_err(|problem| problem.message)
    }

    #[test]
    fn flags_end_at_the_first_word_that_is_none() {
        let cases: &[(&str, &[&str], &str)] = &[
            ("--a --b=c d --e", &["--a", "--b=c"], "d --e"),
            ("-a --b", &[], "-a --b"),
            (r#"--a="x y" 'z'"#, &["--a=x y"], "'z'"),
            (r"--a=x\ y z", &["--a=x y"], "z"),
            (r#"--a='x\'y' z"#, &["--a=x'y"], "z"),
            ("--a -- --b", &["--a"], " --b"),
            ("--a", &["--a"], ""),
            (r"--a\", &["--a"], ""),
            ("", &[], ""),
        ];
        for (text, flags, rest) in cases {
            let (got, left) = split_flags(text, '\\');
            let got: Vec<&str> = got.iter().map(String::as_str).collect();
            assert_eq!((got.as_slice(), left), (*flags, *rest), "{text}");
        }
    }

    #[test]
    fn only_the_escape_character_of_the_file_escapes() {
        let (flags, rest) = split_flags(r"--a=C:\x` y --b=\ z", '`');
        assert_eq!(flags, [r"--a=C:\x y", r"--b=\"]);
        assert_eq!(rest, "z");
    }

    #[test]
    fn values_repeat_where_they_may() {
        let flags = check("--link --from=x --exclude=a --exclude=b y").unwrap();
        assert_eq!(flags.switch("link"), Some(true));
        assert_eq!(flags.value("from").as_deref(), Some("x"));
        assert_eq!(flags.values("exclude"), ["a", "b"]);
        assert_eq!(check("--link=FALSE").unwrap().switch("link"), Some(false));
        assert_eq!(check("--from=").unwrap().value("from"), None);
    }

    #[test]
    fn what_is_wrong_is_said_in_buildkits_words() {
        for (text, message) in [
            ("--form=x", "unknown flag: --form (did you mean from?)"),
            ("--nosuch", "unknown flag: --nosuch"),
            ("--from=a --from=b", "duplicate flag specified: --from"),
            ("--from", "missing a value on flag: --from"),
            ("--link=", "missing a value on flag: --link"),
            ("--link=perhaps", "expecting boolean value for flag --link, not: perhaps"),
        ] {
            assert_eq!(check(text).unwrap_err(), message, "{text}");
        }
    }
}
