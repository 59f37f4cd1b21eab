//! Secrets never reach a log: not as they are, not line by line, not in base64, URL-encoded or JSON.

use std::collections::BTreeSet;
use std::sync::RwLock;

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};

const MASK: &str = "***";

/// What must not be seen.
#[derive(Debug, Default)]
pub struct Masker {
    known: RwLock<(BTreeSet<String>, Option<AhoCorasick>)>,
}

impl Masker {
    /// Hides a value in every form from now on.
    pub fn add(&self, secret: &str) {
        let mut known = self.known.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let before = known.0.len();
        for text in std::iter::once(secret).chain(secret.lines()) {
            known.0.extend(forms(text.trim_matches('\r')));
        }
        if known.0.len() > before {
            known.1 = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&known.0).ok();
        }
    }

    /// The text with every secret hidden.
    pub fn mask(&self, text: &str) -> String {
        let known = self.known.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        match &known.1 {
            Some(search) => {
                let mut masked = String::with_capacity(text.len());
                let mut last = 0;
                for found in search.find_iter(text) {
                    masked.push_str(&text[last..found.start()]);
                    masked.push_str(MASK);
                    last = found.end();
                }
                masked.push_str(&text[last..]);
                masked
            }
            None => text.to_owned(),
        }
    }

    /// Whether a secret is in the text.
    pub fn holds(&self, text: &str) -> bool {
        let known = self.known.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        known.1.as_ref().is_some_and(|search| search.is_match(text))
    }
}

/// A secret and what people make of it.
fn forms(secret: &str) -> Vec<String> {
    let trimmed = secret.trim();
    if trimmed.is_empty() {
        return Vec::new();
    }
    let mut forms = vec![secret.to_owned(), trimmed.to_owned()];
    let json = serde_json::to_string(secret).unwrap_or_default();
    forms.push(json.trim_matches('"').to_owned());
    forms.push(url_encoded(secret, false));
    forms.push(url_encoded(secret, true));
    forms.push(secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;"));
    // In front of it may stand any number of bytes, `user:` for one, which moves it against base64's threes.
    for shift in 0..3usize {
        for engine in [&BASE64_STANDARD, &BASE64_URL_SAFE] {
            let with = [&vec![0; shift][..], secret.as_bytes()].concat();
            let encoded = engine.encode(&with);
            let plain = encoded.trim_end_matches('=');
            // Characters that the neighbours take part in are not the secret's own.
            let from = [0, 2, 3][shift];
            let to = plain.len() - usize::from(!with.len().is_multiple_of(3));
            if to > from + 3 {
                // With nothing behind it, the last characters and the padding are its own too.
                forms.extend([
                    plain[from..to].to_owned(),
                    plain[from..].to_owned(),
                    encoded[from..].to_owned(),
                ]);
            }
        }
    }
    if secret.len() < 3 {
        // A secret of a letter or two would hide half of everything; GitHub does hide it as it is.
        forms.truncate(1);
    }
    forms
}

fn url_encoded(text: &str, plus: bool) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte.into()),
            b' ' if plus => out.push('+'),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_hidden() {
        let masker = Masker::default();
        masker.add("s3cr&t p\"ss\nsecond-line");
        for text in [
            "s3cr&t p\"ss",
            "second-line",
            "s3cr&t p\\\"ss\\nsecond-line",
            "s3cr%26t%20p%22ss",
            "s3cr%26t+p%22ss",
        ] {
            assert!(!masker.mask(&format!("a {text} b")).contains("cr"), "{text}: {}", masker.mask(text));
        }
        assert_eq!(masker.mask("nothing"), "nothing");
    }

    #[test]
    fn base64_is_hidden_whatever_stands_around() {
        let masker = Masker::default();
        masker.add("hunter2-hunter2");
        for user in ["", "a:", "ab:", "abc:", "demo:"] {
            for end in ["", "\n", "xy"] {
                let encoded = BASE64_STANDARD.encode(format!("{user}hunter2-hunter2{end}"));
                let masked = masker.mask(&encoded);
                assert!(masked.contains("***") && masked.len() < encoded.len() - 8, "{encoded} {masked}");
            }
        }
    }
}
