//! Debian versions (deb-version(7)): `[epoch:]upstream[-revision]`.

use std::cmp::Ordering;

use super::compare_digits;

/// `None` where an epoch is no number or nothing follows it.
pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (split(a.trim())?, split(b.trim())?);
    Some(compare_digits(a.0, b.0).then_with(|| part(a.1, b.1)).then_with(|| part(a.2, b.2)))
}

/// Epoch, upstream version, revision; a missing epoch or revision counts as zero.
fn split(version: &str) -> Option<(&str, &str, &str)> {
    let (epoch, rest) = version.split_once(':').unwrap_or(("0", version));
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
    let valid = !epoch.is_empty() && epoch.bytes().all(|b| b.is_ascii_digit()) && !upstream.is_empty();
    valid.then_some((epoch, upstream, revision))
}

/// Alternates between what is no digit, compared with `~` first, then the end, then letters, then the rest, and
/// digits, compared as numbers.
fn part(mut a: &str, mut b: &str) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        let (text_a, rest_a) = cut(a, |c| !c.is_ascii_digit());
        let (text_b, rest_b) = cut(b, |c| !c.is_ascii_digit());
        let (digits_a, next_a) = cut(rest_a, |c| c.is_ascii_digit());
        let (digits_b, next_b) = cut(rest_b, |c| c.is_ascii_digit());
        let order = text(text_a, text_b).then_with(|| compare_digits(digits_a, digits_b));
        if order.is_ne() {
            return order;
        }
        (a, b) = (next_a, next_b);
    }
    Ordering::Equal
}

fn text(a: &str, b: &str) -> Ordering {
    let weigh = |text: &str, index: usize| match text.as_bytes().get(index) {
        None => 0,
        Some(b'~') => -1,
        Some(c) if c.is_ascii_alphabetic() => i32::from(*c),
        Some(c) => i32::from(*c) + 256,
    };
    (0..a.len().max(b.len()))
        .map(|i| weigh(a, i).cmp(&weigh(b, i)))
        .find(|o| o.is_ne())
        .unwrap_or(Ordering::Equal)
}

fn cut(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascending_versions_ascend() {
        let ascending = [
            "0~~",
            "0~~a",
            "0~",
            "0",
            "0a",
            "0.0",
            "0.1~rc1",
            "0.1",
            "0.1-0+b1",
            "0.1-1~deb12u1",
            "0.1-1",
            "0.1-1+b1",
            "0.1-1+deb12u1",
            "0.1-1+deb12u10",
            "0.1a-1",
            "0.1+dfsg-1",
            "0.1.2-1",
            "1.9",
            "1.10",
            "1:0.1",
        ];
        for pair in ascending.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Some(Ordering::Less), "{pair:?}");
            assert_eq!(compare(pair[1], pair[0]), Some(Ordering::Greater), "{pair:?}");
        }
        assert_eq!(compare("0:1.0", "1.0"), Some(Ordering::Equal));
        assert_eq!(compare("1.0-0", "1.0"), Some(Ordering::Equal));
        assert_eq!(compare("1.00", "1.0"), Some(Ordering::Equal));
        assert_eq!(compare("a:1", "1"), None);
    }
}
