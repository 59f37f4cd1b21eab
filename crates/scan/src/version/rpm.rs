//! rpm versions: `[epoch:]version[-release]`, each part in segments of letters or digits.

use std::cmp::Ordering;

use super::compare_digits;

pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (epoch_a, version_a, release_a) = split(a);
    let (epoch_b, version_b, release_b) = split(b);
    compare_digits(epoch_a, epoch_b).then_with(|| part(version_a, version_b)).then_with(|| {
        // A bound without a release is about all releases of that version.
        match (release_a, release_b) {
            (Some(a), Some(b)) => part(a, b),
            _ => Ordering::Equal,
        }
    })
}

fn split(version: &str) -> (&str, &str, Option<&str>) {
    let (epoch, rest) = match version.split_once(':') {
        Some((epoch, rest)) if epoch.bytes().all(|b| b.is_ascii_digit()) => (epoch, rest),
        _ => ("", version),
    };
    match rest.rsplit_once('-') {
        Some((version, release)) => (epoch, version, Some(release)),
        None => (epoch, rest, None),
    }
}

/// rpmvercmp: separators only separate, `~` sorts before everything and even the end, `^` after the end and
/// before everything else, digits are newer than letters.
fn part(mut a: &str, mut b: &str) -> Ordering {
    loop {
        a = a.trim_start_matches(separates);
        b = b.trim_start_matches(separates);
        match (a.strip_prefix('~'), b.strip_prefix('~')) {
            (Some(next_a), Some(next_b)) => {
                (a, b) = (next_a, next_b);
                continue;
            }
            (Some(_), None) => return Ordering::Less,
            (None, Some(_)) => return Ordering::Greater,
            (None, None) => {}
        }
        match (a.strip_prefix('^'), b.strip_prefix('^')) {
            (Some(next_a), Some(next_b)) => {
                (a, b) = (next_a, next_b);
                continue;
            }
            (Some(_), None) => return if b.is_empty() { Ordering::Greater } else { Ordering::Less },
            (None, Some(_)) => return if a.is_empty() { Ordering::Less } else { Ordering::Greater },
            (None, None) => {}
        }
        if a.is_empty() || b.is_empty() {
            return a.len().min(1).cmp(&b.len().min(1));
        }
        let (segment_a, next_a) = segment(a);
        let (segment_b, next_b) = segment(b);
        let digits = (is_digits(segment_a), is_digits(segment_b));
        let order = match digits {
            (true, true) => compare_digits(segment_a, segment_b),
            (false, false) => segment_a.cmp(segment_b),
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
        };
        if order.is_ne() {
            return order;
        }
        (a, b) = (next_a, next_b);
    }
}

fn separates(c: char) -> bool {
    !c.is_ascii_alphanumeric() && c != '~' && c != '^'
}

fn is_digits(segment: &str) -> bool {
    segment.starts_with(|c: char| c.is_ascii_digit())
}

/// The leading run of digits or of letters.
fn segment(text: &str) -> (&str, &str) {
    let digits = is_digits(text);
    let end =
        text.find(|c: char| !c.is_ascii_alphanumeric() || c.is_ascii_digit() != digits).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascending_versions_ascend() {
        let ascending = [
            "1.0~~",
            "1.0~rc1",
            "1.0",
            "1.0^",
            "1.0^git1",
            "1.0^git2~x",
            "1.0^git2",
            "1.0a",
            "1.0.1",
            "1.1",
            "1.10",
            "2.0.a",
            "2.0.1",
            "1:0.1",
        ];
        for pair in ascending.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
            assert_eq!(compare(pair[1], pair[0]), Ordering::Greater, "{pair:?}");
        }
        assert_eq!(compare("1.0_1", "1.0.1"), Ordering::Equal);
        assert_eq!(compare("1.0-1.el9", "1.0"), Ordering::Equal);
        assert_eq!(compare("1.0-1.el9", "1.0-2.el9"), Ordering::Less);
        assert_eq!(compare("0:1.0", "1.0"), Ordering::Equal);
    }
}
