//! Semantic versions (semver.org 2.0.0, section 11), as loosely as npm, Go and crates.io write them.

use std::cmp::Ordering;

use super::compare_digits;

/// `None` where one of them has no number at its head.
pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (Version::parse(a)?, Version::parse(b)?);
    let release = (0..3)
        .map(|i| compare_digits(a.numbers.get(i).unwrap_or(&"0"), b.numbers.get(i).unwrap_or(&"0")))
        .find(|o| o.is_ne())
        .unwrap_or(Ordering::Equal);
    Some(release.then_with(|| prerelease(a.prerelease, b.prerelease)))
}

struct Version<'a> {
    numbers: Vec<&'a str>,
    prerelease: Option<&'a str>,
}

impl<'a> Version<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix(['v', 'V', '=']).unwrap_or(text);
        let text = text.strip_prefix("go").unwrap_or(text);
        // Build metadata has no order; Go's `+incompatible` is written as such.
        let text = text.split('+').next()?;
        let (release, prerelease) = match text.split_once('-') {
            Some((release, prerelease)) => (release, Some(prerelease)),
            None => (text, None),
        };
        let numbers: Vec<&str> = release.split('.').collect();
        let valid = numbers.len() <= 3
            && numbers.iter().all(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
        valid.then_some(Self { numbers, prerelease })
    }
}

/// A version with a pre-release is before the one without; identifiers of digits are before others.
pub(super) fn prerelease(a: Option<&str>, b: Option<&str>) -> Ordering {
    let (a, b) = match (a, b) {
        (None, None) => return Ordering::Equal,
        (None, Some(_)) => return Ordering::Greater,
        (Some(_), None) => return Ordering::Less,
        (Some(a), Some(b)) => (a, b),
    };
    let (mut left, mut right) = (a.split('.'), b.split('.'));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(x), Some(y)) => identifier(x, y),
        };
        if order.is_ne() {
            return order;
        }
    }
}

fn identifier(a: &str, b: &str) -> Ordering {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match (number(a), number(b)) {
        (true, true) => compare_digits(a, b),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => a.cmp(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specifications_own_order_holds() {
        let ascending = [
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.0.1",
            "1.1.0",
            "v1.10.0",
            "2.0.0+incompatible",
        ];
        for pair in ascending.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Some(Ordering::Less), "{pair:?}");
        }
        assert_eq!(compare("1.0.0+a", "v1"), Some(Ordering::Equal));
        assert_eq!(compare("1.2.3.4", "1.2.3"), None);
        assert_eq!(compare("(devel)", "1.2.3"), None);
    }
}
