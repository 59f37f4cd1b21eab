//! Go's `Sprintf`, as far as templates use it.

use serde_json::Value;

use super::print;

/// A field wider than this is a mistake.
const WIDTH_MAX: usize = 1000;

pub(super) fn format(format: &str, values: &[Value]) -> String {
    let mut text = String::new();
    let mut values = values.iter();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('%') {
        text.push_str(before);
        let (verb, after) = Verb::read(after);
        rest = after;
        match verb.letter {
            None => text.push_str("%!(NOVERB)"),
            Some('%') => text.push('%'),
            Some(letter) => match values.next() {
                Some(value) => text.push_str(&verb.print(letter, value)),
                None => text.push_str(&format!("%!{letter}(MISSING)")),
            },
        }
    }
    text.push_str(rest);
    let extra: Vec<String> = values.map(|value| format!("{}={}", kind(value), print::plain(value))).collect();
    if !extra.is_empty() {
        text.push_str(&format!("%!(EXTRA {})", extra.join(", ")));
    }
    text
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "string",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int",
        _ => "interface {}",
    }
}

#[derive(Default)]
struct Verb {
    left: bool,
    zeros: bool,
    plus: bool,
    width: usize,
    precision: Option<usize>,
    letter: Option<char>,
}

impl Verb {
    fn read(text: &str) -> (Self, &str) {
        let mut verb = Self::default();
        let mut rest = text;
        while let Some(flag) = rest.chars().next().filter(|c| "-+0# ".contains(*c)) {
            match flag {
                '-' => verb.left = true,
                '0' => verb.zeros = true,
                '+' => verb.plus = true,
                _ => {}
            }
            rest = &rest[1..];
        }
        (verb.width, rest) = number(rest);
        if let Some(after) = rest.strip_prefix('.') {
            let (precision, after) = number(after);
            (verb.precision, rest) = (Some(precision), after);
        }
        let mut characters = rest.chars();
        verb.letter = characters.next();
        (verb, characters.as_str())
    }

    fn print(&self, letter: char, value: &Value) -> String {
        let plain = print::plain(value);
        let shown = match (letter, value) {
            ('q', _) => format!("{plain:?}"),
            ('d', Value::Number(number)) if number.is_i64() || number.is_u64() => self.signed(plain),
            ('x', Value::Number(number)) => number.as_i64().map_or(plain, |number| format!("{number:x}")),
            ('x', Value::String(text)) => text.bytes().map(|byte| format!("{byte:02x}")).collect(),
            ('f' | 'g' | 'e', Value::Number(number)) => {
                let number = number.as_f64().unwrap_or(0.0);
                match (letter, self.precision) {
                    ('f', precision) => self.signed(format!("{number:.*}", precision.unwrap_or(6))),
                    _ => self.signed(plain),
                }
            }
            ('s', Value::String(text)) => match self.precision {
                Some(length) => text.chars().take(length).collect(),
                None => plain,
            },
            ('v', _) | ('t', Value::Bool(_)) | ('s', Value::Array(_)) => plain,
            (letter, value) => format!("%!{letter}({}={plain})", kind(value)),
        };
        let missing = self.width.saturating_sub(shown.chars().count());
        match (self.left, self.zeros && value.is_number()) {
            (true, _) => format!("{shown}{}", " ".repeat(missing)),
            (false, true) => match shown.strip_prefix('-') {
                Some(digits) => format!("-{}{digits}", "0".repeat(missing)),
                None => format!("{}{shown}", "0".repeat(missing)),
            },
            (false, false) => format!("{}{shown}", " ".repeat(missing)),
        }
    }

    fn signed(&self, shown: String) -> String {
        if self.plus && !shown.starts_with('-') { format!("+{shown}") } else { shown }
    }
}

fn number(text: &str) -> (usize, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (text[..end].parse().unwrap_or(0).min(WIDTH_MAX), &text[end..])
}
