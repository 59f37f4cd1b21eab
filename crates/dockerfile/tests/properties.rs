//! Whatever the bytes: no panic, and places that exist.

use proptest::prelude::*;
use wharf_dockerfile::ignore::{glob_match, has_wildcard};
use wharf_dockerfile::{
    CheckDirective, ExpandError, IgnorePatterns, Lexer, MountError, lint, parse, parse_trigger,
};

/// Pieces that Dockerfiles are made of, so that random texts get past the first line.
const PIECES: &[&str] = &[
    "FROM",
    "ARG",
    "RUN",
    "COPY",
    "ADD",
    "ENV",
    "LABEL",
    "ONBUILD",
    "HEALTHCHECK",
    "CMD",
    "SHELL",
    "EXPOSE",
    "WORKDIR",
    "VOLUME",
    "as",
    "a",
    "b",
    "/",
    "=",
    "--",
    "--from=",
    "--mount=type=",
    "cache",
    "<<",
    "<<-",
    "EOF",
    "'",
    "\"",
    "\\",
    "`",
    "$",
    "${",
    "}",
    ":-",
    "#",
    "%",
    "//",
    "[",
    "]",
    ",",
    "\n",
    "\n",
    "\r\n",
    " ",
    "\t",
    "# check=",
    "# escape=`\n",
    "skip=all",
    "é",
    "\u{0}",
    "*",
    "?",
    "**",
    "!",
    "..",
    "80/TCP",
    "1:2",
];

fn dockerish() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(PIECES), 0..60).prop_map(|pieces| pieces.concat())
}

fn variable(name: &str) -> Option<String> {
    (name.len() % 2 == 1).then(|| format!("{name} *\\/?"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_bytes_are_parsed(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn errors_and_spans_point_into_the_text(text in dockerish()) {
        match parse(text.as_bytes()) {
            Err(error) => {
                let line = text.trim_start_matches('\u{feff}').split('\n').nth(error.line as usize - 1);
                prop_assert_eq!(line.map(|line| line.trim_end_matches('\r')), Some(error.line_text.as_str()));
                prop_assert!(error.column as usize <= error.line_text.chars().count() + 1);
            }
            Ok(dockerfile) => {
                for instruction in dockerfile.stages.iter().flat_map(|stage| &stage.instructions) {
                    let here = &text[instruction.span.start..instruction.span.end];
                    prop_assert!(here.contains(&instruction.keyword), "{:?}", here);
                    let _ = instruction.run_program();
                }
            }
        }
    }

    #[test]
    fn what_is_parsed_can_be_used(text in dockerish()) {
        let Ok(dockerfile) = parse(format!("FROM a\n{text}").as_bytes()) else { return Ok(()) };
        let findings = [lint::check(&dockerfile), lint::check_instructions(&dockerfile)].concat();
        let options = CheckDirective { experimental_all: true, ..CheckDirective::default() };
        let _ = lint::select(findings, &dockerfile, &options);
        let lexer = Lexer::new(dockerfile.directives.escape);
        for instruction in dockerfile.stages.into_iter().flat_map(|stage| stage.instructions) {
            let mut kind = instruction.kind;
            let word = |text: &str| lexer.word(text, variable).map(|expansion| expansion.text);
            let raw = |text: &str| Lexer::raw(text, variable).map(|expansion| expansion.text);
            let _ = kind.expand::<ExpandError>(word, raw);
            match kind {
                wharf_dockerfile::InstructionKind::Run(run) => {
                    for mount in run.mounts {
                        let _ = mount.resolve(|value| Ok::<_, MountError>(value.to_string()));
                    }
                }
                wharf_dockerfile::InstructionKind::Onbuild(trigger) => {
                    let _ = parse_trigger(&trigger);
                }
                _ => {}
            }
        }
    }

    #[test]
    fn any_text_expands_or_not(text in dockerish(), escape in prop::sample::select(vec!['\\', '`'])) {
        let lexer = Lexer::new(escape);
        let _ = lexer.word(&text, variable);
        let _ = lexer.words(&text, variable);
        let _ = Lexer::raw(&text, variable);
        let _ = lexer.title(&text, variable);
    }

    #[test]
    fn text_without_syntax_expands_to_itself(text in "[^\\\\$'\"]*") {
        prop_assert_eq!(Lexer::new('\\').word(&text, variable).unwrap().text, text);
    }

    #[test]
    fn any_patterns_match_or_not(text in dockerish(), path in "[a-b/.*é]{0,12}") {
        if let Ok(patterns) = IgnorePatterns::parse(text.as_bytes()) {
            let _ = patterns.matches(&path);
            let _ = patterns.may_skip_dir(&path);
        }
        let _ = glob_match(&text, &path);
    }

    #[test]
    fn a_skipped_directory_has_nothing_below_it(
        lines in prop::collection::vec("!?[ab*?/]{1,6}", 1..6),
        dir in "[ab]{1,2}(/[ab]{1,2})?",
        below in "[ab]{1,2}(/[ab]{1,2})?",
    ) {
        let Ok(patterns) = IgnorePatterns::new(&lines) else { return Ok(()) };
        if patterns.may_skip_dir(&dir) {
            let path = format!("{dir}/{below}");
            prop_assert!(patterns.matches(&path));
        }
    }

    #[test]
    fn a_path_without_wildcards_matches_itself_only(path in "[a-c/]{0,6}", other in "[a-c/]{0,6}") {
        prop_assert!(!has_wildcard(&path));
        prop_assert_eq!(glob_match(&path, &other).unwrap(), path == other);
    }
}
