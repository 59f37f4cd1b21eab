//! Variables in any text, with values that look like patterns.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_dockerfile::Lexer;

fuzz_target!(|text: &str| {
    let value = |name: &str| match name.len() % 4 {
        0 => None,
        1 => Some(String::new()),
        2 => Some(format!("{name} *\\/?")),
        _ => Some("a/b/c.d".to_string()),
    };
    for lexer in [Lexer::new('\\'), Lexer::new('`')] {
        let _ = lexer.word(text, value);
        let _ = lexer.words(text, value);
        let _ = lexer.title(text, value);
    }
    let _ = Lexer::raw(text, value);
});
