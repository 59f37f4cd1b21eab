//! `wharf reference`: the command line as Markdown, from the table that `--help` is made of.
//!
//! Hidden: it writes `docs/reference/cli.md` (`cargo xtask docs`), and a test compares the two.

use clap::{Arg, Command, CommandFactory};

use crate::cli::Cli;
use crate::exit::{Exit, Outcome};
use crate::output;

/// Prints it.
pub(crate) fn run() -> Outcome {
    output::print(&markdown())?;
    Ok(Exit::Done)
}

fn markdown() -> String {
    let mut command = Cli::command();
    command.build();
    let mut text = String::from(
        "# The command line\n\nGenerated from the code by `cargo xtask docs`.\n\nExit codes: 0 done, 1 a gate said no, \
         2 usage, 3 environment (disk, network, registry, kernel), 75 lost a race, try again. `wharf run` ends with\n\
         the code of what it ran.\n",
    );
    text.push_str("\n## Flags of every verb\n\n");
    text.push_str(&flags(command.get_arguments().filter(|arg| arg.is_global_set())));
    for verb in command.get_subcommands() {
        section(&mut text, verb, "wharf", 2);
    }
    text
}

fn section(text: &mut String, command: &Command, parent: &str, level: usize) {
    if command.is_hide_set() || command.get_name() == "help" {
        return;
    }
    let name = format!("{parent} {}", command.get_name());
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    text.push_str(&format!("\n{} `{name}`\n\n{about}.\n", "#".repeat(level)));
    let visible = || {
        command.get_arguments().filter(|arg| {
            !arg.is_global_set() && !arg.is_hide_set() && arg.get_id() != "help" && arg.get_id() != "version"
        })
    };
    if visible().next().is_some() {
        text.push('\n');
        text.push_str(&flags(visible()));
    }
    for verb in command.get_subcommands() {
        section(text, verb, &name, level + 1);
    }
}

fn flags<'a>(arguments: impl Iterator<Item = &'a Arg>) -> String {
    let mut text = String::from("| flag | does |\n|---|---|\n");
    for argument in arguments {
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default().replace('|', "\\|");
        text.push_str(&format!("| `{}` | {help} |\n", spelling(argument).replace('|', "\\|")));
    }
    text
}

/// `-t, --tag NAME`, or `IMAGE` for what has no flag.
fn spelling(argument: &Arg) -> String {
    let values: Vec<String> = match argument.get_value_names() {
        Some(names) if argument.get_action().takes_values() => {
            names.iter().map(ToString::to_string).collect()
        }
        _ => Vec::new(),
    };
    if argument.is_positional() {
        return values.join(" ");
    }
    let short = argument.get_short().map(|short| format!("-{short}, ")).unwrap_or_default();
    let long = argument.get_long().map(|long| format!("--{long}")).unwrap_or_default();
    [vec![format!("{short}{long}")], values].concat().join(" ")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_reference_in_the_docs_is_the_one_of_the_code() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/cli.md");
        let kept = std::fs::read_to_string(path).unwrap_or_default();
        assert!(kept == super::markdown(), "docs/reference/cli.md is out of date: run `cargo xtask docs`");
    }
}
