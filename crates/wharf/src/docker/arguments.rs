//! Go's switches take a value where clap's do not: `--rm=true`, `-d=false`. They are rewritten before clap
//! reads them, by what clap knows of the verb.

use std::ffi::OsString;

use clap::{Arg, ArgAction, Command};

/// The same words with every `--switch=true` as `--switch`, and without every `--switch=false`.
pub(super) fn plain_switches(root: &mut Command, words: Vec<OsString>) -> Vec<OsString> {
    root.build();
    let mut verb: &Command = root;
    let mut done = false;
    let mut value_follows = false;
    let mut plain = Vec::new();
    for (nth, word) in words.into_iter().enumerate() {
        let text = word.to_str().map(str::to_owned);
        let Some(text) = text.filter(|_| nth > 0 && !done && !value_follows) else {
            value_follows = false;
            plain.push(word);
            continue;
        };
        if text == "--" {
            done = true;
        } else if let Some(name) = text.strip_prefix("--") {
            let (name, value) =
                name.split_once('=').map_or((name, None), |(name, value)| (name, Some(value)));
            let argument = verb.get_arguments().find(|argument| is_long(argument, name));
            match (argument.map(is_switch), value) {
                (Some(true), Some("true" | "1" | "t" | "T" | "TRUE" | "True")) => {
                    plain.push(format!("--{name}").into());
                    continue;
                }
                (Some(true), Some("false" | "0" | "f" | "F" | "FALSE" | "False")) => continue,
                (Some(false), None) => value_follows = argument.is_some_and(needs_value),
                _ => {}
            }
        } else if text.starts_with('-') && text.len() > 1 {
            match short(verb, &text[1..]) {
                Short::Needs => value_follows = true,
                Short::Rewritten(Some(word)) => {
                    plain.push(word.into());
                    continue;
                }
                Short::Rewritten(None) => continue,
                Short::Plain => {}
            }
        } else if let Some(inner) = verb.find_subcommand(&text) {
            verb = inner;
        } else {
            // What follows the first word of a command that is run inside is its own.
            done = verb.get_positionals().any(Arg::is_trailing_var_arg_set);
        }
        plain.push(word);
    }
    plain
}

enum Short {
    Plain,
    /// The last letter wants the next word.
    Needs,
    Rewritten(Option<String>),
}

/// Letters after one dash: `it`, `p8000:80`, `d=false`.
fn short(verb: &Command, letters: &str) -> Short {
    for (at, letter) in letters.char_indices() {
        let argument = verb.get_arguments().find(|argument| argument.get_short() == Some(letter));
        let Some(argument) = argument else { return Short::Plain };
        let rest = &letters[at + letter.len_utf8()..];
        if !is_switch(argument) {
            return if rest.is_empty() && needs_value(argument) { Short::Needs } else { Short::Plain };
        }
        match rest {
            "=true" | "=1" => {
                return Short::Rewritten(Some(format!("-{}", &letters[..at + letter.len_utf8()])));
            }
            "=false" | "=0" => {
                return Short::Rewritten((at > 0).then(|| format!("-{}", &letters[..at])));
            }
            _ => {}
        }
    }
    Short::Plain
}

fn is_long(argument: &Arg, name: &str) -> bool {
    argument.get_long() == Some(name)
        || argument.get_all_aliases().is_some_and(|aliases| aliases.contains(&name))
}

fn is_switch(argument: &Arg) -> bool {
    matches!(argument.get_action(), ArgAction::SetTrue)
}

fn needs_value(argument: &Arg) -> bool {
    matches!(argument.get_action(), ArgAction::Set | ArgAction::Append)
        && argument.get_num_args().is_none_or(|count| count.min_values() > 0)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn plain(words: &str) -> String {
        let words = words.split(' ').map(OsString::from).collect();
        let plain = plain_switches(&mut super::super::cli::Docker::command(), words);
        plain.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn switches_lose_their_values_and_nothing_else_changes() {
        assert_eq!(plain("docker run --rm=true -d=false image"), "docker run --rm image");
        assert_eq!(plain("docker run --rm=false -it=true image"), "docker run -it image");
        assert_eq!(plain("docker ps -a=true --quiet=1"), "docker ps -a --quiet");
        assert_eq!(plain("docker container rm --force=0 x"), "docker container rm x");
    }

    #[test]
    fn what_is_for_the_command_inside_is_left_alone() {
        assert_eq!(plain("docker run image prog --rm=true"), "docker run image prog --rm=true");
        assert_eq!(plain("docker run -e --rm=true image"), "docker run -e --rm=true image");
        assert_eq!(plain("docker run --name x image -d=false"), "docker run --name x image -d=false");
        assert_eq!(plain("docker exec web env -i=true"), "docker exec web env -i=true");
    }
}
