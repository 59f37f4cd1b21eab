//! `FROM` lines, and `--from=` of `COPY` and `RUN --mount`.

use crate::edit::Edit;
use crate::image::{Target, references_in};

/// The references in a Dockerfile's instructions that name images.
pub(crate) fn edits(text: &str, target: &Target) -> Vec<Edit> {
    let mut edits = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let body = line.trim_start();
        let offset = start + (line.len() - body.len());
        let word = body.split_whitespace().next().unwrap_or_default();
        if word.eq_ignore_ascii_case("from") {
            push(text, offset, body, target, &mut edits);
        } else if ["copy", "run", "add"].iter().any(|name| word.eq_ignore_ascii_case(name)) {
            for (at, _) in body.match_indices("from=") {
                let value = &body[at + "from=".len()..];
                let value = value.split(|c: char| c.is_whitespace() || c == ',').next().unwrap_or_default();
                push(text, offset + at + "from=".len(), value, target, &mut edits);
            }
        }
        start += line.len();
    }
    edits
}

fn push(text: &str, offset: usize, part: &str, target: &Target, edits: &mut Vec<Edit>) {
    let part = part.split('#').next().unwrap_or_default();
    for (range, new) in references_in(part, target) {
        edits.push(Edit::new(text, offset + range.start..offset + range.end, new));
    }
}
