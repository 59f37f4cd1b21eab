//! Alpine versions: `1.2.3a_rc1_p2-r4`: numbers, one letter, suffixes, a revision.

use std::cmp::Ordering;

use super::compare_digits;

/// `None` where one of them does not have that form.
pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (Version::parse(a)?, Version::parse(b)?);
    Some(
        numbers(&a.numbers, &b.numbers)
            .then_with(|| a.letter.cmp(&b.letter))
            .then_with(|| suffixes(&a.suffixes, &b.suffixes))
            .then_with(|| compare_digits(a.revision, b.revision)),
    )
}

struct Version<'a> {
    numbers: Vec<&'a str>,
    letter: Option<u8>,
    suffixes: Vec<(i8, &'a str)>,
    revision: &'a str,
}

impl<'a> Version<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (rest, revision) = match text.rsplit_once("-r") {
            Some((rest, revision)) if is_number(revision) => (rest, revision),
            Some(_) => return None,
            None => (text, "0"),
        };
        // A commit's hash after `~` has no order.
        let rest = rest.split('~').next()?;
        let mut parts = rest.split('_');
        let base = parts.next()?;
        let (base, letter) = match base.as_bytes().last() {
            Some(c) if c.is_ascii_lowercase() => (&base[..base.len() - 1], Some(*c)),
            _ => (base, None),
        };
        let numbers: Vec<&str> = base.split('.').collect();
        if !numbers.iter().all(|n| is_number(n)) {
            return None;
        }
        let suffixes = parts.map(suffix).collect::<Option<_>>()?;
        Some(Self { numbers, letter, suffixes, revision })
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// The rank of a suffix against no suffix (0), and its number.
fn suffix(text: &str) -> Option<(i8, &str)> {
    let (word, number) = text.split_at(text.find(|c: char| c.is_ascii_digit()).unwrap_or(text.len()));
    if !number.is_empty() && !is_number(number) {
        return None;
    }
    let rank = match word {
        "alpha" => -4,
        "beta" => -3,
        "pre" => -2,
        "rc" => -1,
        "cvs" => 1,
        "svn" => 2,
        "git" => 3,
        "hg" => 4,
        "p" => 5,
        _ => return None,
    };
    Some((rank, number))
}

/// The first number counts as a number; a later one that starts with zero makes both decimal fractions.
fn numbers(a: &[&str], b: &[&str]) -> Ordering {
    for (index, (x, y)) in a.iter().zip(b).enumerate() {
        let fraction = index > 0 && (x.starts_with('0') || y.starts_with('0'));
        let order = if fraction {
            x.trim_end_matches('0').cmp(y.trim_end_matches('0'))
        } else {
            compare_digits(x, y)
        };
        if order.is_ne() {
            return order;
        }
    }
    a.len().cmp(&b.len())
}

fn suffixes(a: &[(i8, &str)], b: &[(i8, &str)]) -> Ordering {
    for index in 0..a.len().max(b.len()) {
        let (x, y) = (a.get(index).unwrap_or(&(0, "")), b.get(index).unwrap_or(&(0, "")));
        let order = x.0.cmp(&y.0).then_with(|| compare_digits(x.1, y.1));
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascending_versions_ascend() {
        let ascending = [
            "1.0.08",
            "1.0.1",
            "1.1_alpha1",
            "1.1_alpha1_p1",
            "1.1_alpha2",
            "1.1_beta",
            "1.1_rc1",
            "1.1",
            "1.1-r1",
            "1.1-r10",
            "1.1_git20230101",
            "1.1_p1",
            "1.1a",
            "1.1b_p1",
            "1.1.1",
            "1.2",
            "1.10",
        ];
        for pair in ascending.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Some(Ordering::Less), "{pair:?}");
            assert_eq!(compare(pair[1], pair[0]), Some(Ordering::Greater), "{pair:?}");
        }
        assert_eq!(compare("1.0-r0", "1.0"), Some(Ordering::Equal));
        assert_eq!(compare("1.0-rX", "1.0"), None);
        assert_eq!(compare("1.0_new1", "1.0"), None);
    }
}
