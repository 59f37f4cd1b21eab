//! NuGet versions: up to four numbers, and a pre-release as in semver, without regard to case.

use std::cmp::Ordering;

use super::{compare_digits, semver};

/// `None` where one of them does not start with one to four numbers.
pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (a.trim().to_lowercase(), b.trim().to_lowercase());
    let ((numbers_a, prerelease_a), (numbers_b, prerelease_b)) = (parse(&a)?, parse(&b)?);
    let release = (0..4)
        .map(|i| compare_digits(numbers_a.get(i).unwrap_or(&"0"), numbers_b.get(i).unwrap_or(&"0")))
        .find(|o| o.is_ne())
        .unwrap_or(Ordering::Equal);
    Some(release.then_with(|| semver::prerelease(prerelease_a, prerelease_b)))
}

fn parse(text: &str) -> Option<(Vec<&str>, Option<&str>)> {
    let text = text.split('+').next()?;
    let (release, prerelease) = match text.split_once('-') {
        Some((release, prerelease)) => (release, Some(prerelease)),
        None => (text, None),
    };
    let numbers: Vec<&str> = release.split('.').collect();
    let valid =
        numbers.len() <= 4 && numbers.iter().all(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    valid.then_some((numbers, prerelease))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_parts_and_no_case() {
        assert_eq!(compare("1.0.0.1", "1.0.0.2"), Some(Ordering::Less));
        assert_eq!(compare("1.0", "1.0.0.0"), Some(Ordering::Equal));
        assert_eq!(compare("2.0.0-RC.1", "2.0.0-rc.2"), Some(Ordering::Less));
        assert_eq!(compare("1.0.01", "1.0.1+meta"), Some(Ordering::Equal));
        assert_eq!(compare("1.x", "1"), None);
    }
}
