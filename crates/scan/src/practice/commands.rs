//! What a shell command line does, as far as rules ask: the simple commands in it, their words, and the pipes.

/// One simple command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Command {
    /// The program, without its directory.
    pub(super) program: String,
    /// Its words, flags included.
    pub(super) words: Vec<String>,
    /// Its output goes to the next one.
    pub(super) piped: bool,
}

impl Command {
    /// Words that are no flags, behind a subcommand if there is one.
    pub(super) fn operands(&self) -> impl Iterator<Item = &str> {
        self.words.iter().map(String::as_str).filter(|word| !word.starts_with('-'))
    }

    /// Whether one of the flags is there; short ones may be written together.
    pub(super) fn has_flag(&self, flags: &[&str]) -> bool {
        self.words.iter().any(|word| {
            flags.iter().any(|flag| match flag.strip_prefix('-').filter(|rest| rest.len() == 1) {
                Some(letter) => word.strip_prefix('-').is_some_and(|rest| {
                    !rest.starts_with('-') && !rest.contains('=') && rest.contains(letter)
                }),
                None => word == flag || word.strip_prefix(flag).is_some_and(|rest| rest.starts_with('=')),
            })
        })
    }

    /// Whether it is `program subcommand`.
    pub(super) fn is(&self, program: &str, subcommand: &str) -> bool {
        self.program == program && self.operands().next() == Some(subcommand)
    }
}

/// The simple commands of a shell command line. Quotes hold words together; what is substituted or computed stays as it is
/// written.
pub(super) fn parse(line: &str) -> Vec<Command> {
    let mut commands = Vec::new();
    let mut words: Vec<String> = Vec::new();
    for token in tokens(line) {
        match token {
            Token::Word(word) => words.push(word),
            Token::End { piped } => commands.extend(command(std::mem::take(&mut words), piped)),
        }
    }
    commands.extend(command(words, false));
    commands
}

/// Leaves out what stands before the program: assignments, keywords, and programs that start others.
fn command(words: Vec<String>, piped: bool) -> Option<Command> {
    const BEFORE: [&str; 13] =
        ["if", "then", "else", "elif", "while", "until", "do", "!", "{", "(", "exec", "time", "env"];
    let mut rest = words.into_iter().skip_while(|word| {
        let name = word.split('=').next().unwrap_or_default();
        let assigns = word.contains('=')
            && !name.is_empty()
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        assigns || BEFORE.contains(&word.as_str())
    });
    let first = rest.next()?;
    let program = first.rsplit('/').next().unwrap_or(&first).to_owned();
    let mut words: Vec<String> = rest.collect();
    // `python -m pip` is pip.
    if program.starts_with("python") && words.first().is_some_and(|word| word == "-m") && words.len() > 1 {
        let module = words[1].clone();
        words.drain(..2);
        return Some(Command { program: module, words, piped });
    }
    let program = match program.as_str() {
        "pip3" => "pip".to_owned(),
        _ => program,
    };
    // `uv pip install` takes pip's words.
    if program == "uv" && words.first().is_some_and(|word| word == "pip") {
        words.remove(0);
        return Some(Command { program: "uv pip".into(), words, piped });
    }
    Some(Command { program, words, piped })
}

enum Token {
    Word(String),
    End { piped: bool },
}

fn tokens(line: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let (mut word, mut open) = (String::new(), false);
    let mut chars = line.chars().peekable();
    let end_word = |word: &mut String, open: &mut bool, tokens: &mut Vec<Token>| {
        if *open || !word.is_empty() {
            tokens.push(Token::Word(std::mem::take(word)));
            *open = false;
        }
    };
    while let Some(c) = chars.next() {
        match c {
            '\'' | '"' => {
                open = true;
                while let Some(inner) = chars.next() {
                    match inner {
                        _ if inner == c => break,
                        '\\' if c == '"' => word.extend(chars.next()),
                        _ => word.push(inner),
                    }
                }
            }
            '\\' => match chars.next() {
                Some('\n') | None => {}
                Some(next) => word.push(next),
            },
            '#' if word.is_empty() && !open => {
                while chars.peek().is_some_and(|next| *next != '\n') {
                    chars.next();
                }
            }
            ' ' | '\t' => end_word(&mut word, &mut open, &mut tokens),
            '\n' | ';' => {
                end_word(&mut word, &mut open, &mut tokens);
                tokens.push(Token::End { piped: false });
            }
            '&' if chars.peek() == Some(&'&') => {
                chars.next();
                end_word(&mut word, &mut open, &mut tokens);
                tokens.push(Token::End { piped: false });
            }
            '|' => {
                let or = chars.next_if_eq(&'|').is_some();
                end_word(&mut word, &mut open, &mut tokens);
                tokens.push(Token::End { piped: !or });
            }
            _ => word.push(c),
        }
    }
    end_word(&mut word, &mut open, &mut tokens);
    tokens
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn brief(line: &str) -> Vec<String> {
        parse(line)
            .into_iter()
            .map(|c| format!("{}({}){}", c.program, c.words.join(","), if c.piped { "|" } else { "" }))
            .collect()
    }

    #[test]
    fn commands_are_cut_where_the_shell_cuts_them() {
        assert_eq!(
            brief("A=1 apt-get update && \\\n apt-get install -y 'a b' ; curl x | sh || true # && no"),
            ["apt-get(update)", "apt-get(install,-y,a b)", "curl(x)|", "sh()", "true()"]
        );
        assert_eq!(brief("/opt/venv/bin/python3 -m pip install x"), ["pip(install,x)"]);
        assert_eq!(brief("if [ -f x ]; then pip3 install y; fi"), ["[(-f,x,])", "pip(install,y)", "fi()"]);
        assert_eq!(brief("uv pip install z"), ["uv pip(install,z)"]);
    }

    #[test]
    fn short_flags_may_be_written_together() {
        let command = &parse("apt-get install -qy --no-install-recommends x")[0];
        assert!(
            command.has_flag(&["-y"])
                && command.has_flag(&["--no-install-recommends"])
                && !command.has_flag(&["-r"])
        );
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(line in "\\PC{0,80}") {
            parse(&line);
        }
    }
}
