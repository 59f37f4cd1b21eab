//! RubyGems versions (`Gem::Version`): segments of digits or letters, letters before digits.

use std::cmp::Ordering;

use super::compare_digits;

/// `None` where one of them has characters that no gem version has.
pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (a.trim().replace('-', ".pre."), b.trim().replace('-', ".pre."));
    let (a, b) = (segments(&a)?, segments(&b)?);
    let order = (0..a.len().max(b.len()))
        .map(|i| segment(a.get(i).copied().unwrap_or("0"), b.get(i).copied().unwrap_or("0")))
        .find(|o| o.is_ne());
    Some(order.unwrap_or(Ordering::Equal))
}

fn segments(text: &str) -> Option<Vec<&str>> {
    let mut segments = Vec::new();
    for part in text.split('.') {
        let mut rest = part;
        while !rest.is_empty() {
            let digits = is_digits(rest);
            let end = rest.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(rest.len());
            let (segment, next) = rest.split_at(end);
            if !segment.bytes().all(|b| b.is_ascii_alphanumeric()) {
                return None;
            }
            segments.push(segment);
            rest = next;
        }
    }
    (!segments.is_empty()).then_some(segments)
}

fn is_digits(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

fn segment(a: &str, b: &str) -> Ordering {
    match (is_digits(a), is_digits(b)) {
        (true, true) => compare_digits(a, b),
        (false, false) => a.cmp(b),
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascending_versions_ascend() {
        for pair in
            ["1.0.a", "1.0.a.2", "1.0.b1", "1.0.rc1", "1.0", "1.0.0.1", "1.2", "1.10", "5.2.4.3"].windows(2)
        {
            assert_eq!(compare(pair[0], pair[1]), Some(Ordering::Less), "{pair:?}");
        }
        assert_eq!(compare("1.0", "1"), Some(Ordering::Equal));
        assert_eq!(compare("1.0-1", "1.0"), Some(Ordering::Less));
        assert_eq!(compare("1 0", "1"), None);
    }
}
