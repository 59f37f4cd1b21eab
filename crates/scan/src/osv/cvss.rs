//! Scores of CVSS vectors, of every version that records carry.

use cvss::{v2, v3, v4};

/// CVSS 2, whose vectors have no prefix.
pub(super) fn two(vector: &str) -> Option<f64> {
    vector.parse::<v2::Vector>().ok().map(|vector| vector.score().value())
}

/// CVSS 3.0 and 3.1. A vector with a base metric missing has no score, whatever is worked out from the rest.
pub(super) fn three(vector: &str) -> Option<f64> {
    let vector: v3::Vector = vector.parse().ok()?;
    let is_whole = vector.av.is_some()
        && vector.ac.is_some()
        && vector.pr.is_some()
        && vector.ui.is_some()
        && vector.s.is_some()
        && vector.c.is_some()
        && vector.i.is_some()
        && vector.a.is_some();
    is_whole.then(|| vector.score().value())
}

/// CVSS 4.0.
pub(super) fn four(vector: &str) -> Option<f64> {
    vector.parse::<v4::Vector>().ok().map(|vector| vector.score().value())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn examples_of_the_second_version() {
        assert_eq!(two("AV:N/AC:L/Au:N/C:N/I:N/A:C"), Some(7.8));
        assert_eq!(two("AV:N/AC:L/Au:N/C:C/I:C/A:C"), Some(10.0));
        assert_eq!(two("AV:L/AC:H/Au:N/C:C/I:C/A:C"), Some(6.2));
        assert_eq!(two("AV:N/AC:L/Au:N/C:N/I:N/A:N"), Some(0.0));
        assert_eq!(two("AV:N/AC:L"), None);
    }

    #[test]
    fn published_scores_of_the_third_version() {
        for (vector, expected) in [
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 10.0),
            ("CVSS:3.0/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", 6.1),
            ("CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H", 7.8),
            ("CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:N/I:L/A:N", 3.7),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H", 7.5),
            ("CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:U/C:N/I:N/A:N", 0.0),
            ("CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:H/I:H/A:H", 9.9),
        ] {
            assert_eq!(three(vector), Some(expected), "{vector}");
        }
        assert_eq!((three("CVSS:3.1/AV:N/AC:L"), three("")), (None, None));
    }

    /// FIRST's examples for version 4.0, with the CVE each is about.
    #[test]
    fn published_scores_of_the_fourth_version() {
        for (about, vector, expected) in [
            ("CVE-2022-41741", "AV:L/AC:L/AT:P/PR:L/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", 7.3),
            ("CVE-2020-3549", "AV:N/AC:L/AT:P/PR:N/UI:P/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", 7.7),
            ("with no exploit known", "AV:N/AC:L/AT:P/PR:N/UI:P/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N/E:U", 5.2),
            ("CVE-2023-3089", "AV:N/AC:L/AT:P/PR:N/UI:N/VC:H/VI:L/VA:L/SC:N/SI:N/SA:N", 8.3),
            (
                "with requirements",
                "AV:N/AC:L/AT:P/PR:N/UI:N/VC:H/VI:L/VA:L/SC:N/SI:N/SA:N/CR:H/IR:L/AR:L",
                8.1,
            ),
            ("CVE-2021-44714", "AV:L/AC:L/AT:N/PR:N/UI:A/VC:L/VI:N/VA:N/SC:N/SI:N/SA:N", 4.6),
            ("CVE-2022-21830", "AV:N/AC:L/AT:N/PR:N/UI:A/VC:N/VI:N/VA:N/SC:L/SI:L/SA:N", 5.1),
            ("CVE-2022-22186", "AV:N/AC:L/AT:N/PR:N/UI:N/VC:L/VI:L/VA:N/SC:N/SI:N/SA:N", 6.9),
            ("CVE-2023-21989", "AV:L/AC:L/AT:N/PR:H/UI:N/VC:N/VI:N/VA:N/SC:H/SI:N/SA:N", 5.9),
            ("CVE-2023-30560", "AV:P/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:H/SA:N/S:P/V:D", 8.3),
            ("CVE-2014-0160", "AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:N/VA:N/SC:N/SI:N/SA:N", 8.7),
            ("CVE-2021-44228", "AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H", 10.0),
            ("nothing", "AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:N/SC:N/SI:N/SA:N", 0.0),
        ] {
            assert_eq!(four(&format!("CVSS:4.0/{vector}")), Some(expected), "{about}: {vector}");
        }
        assert_eq!(
            (four("CVSS:4.0/AV:N"), four("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H")),
            (None, None)
        );
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "(CVSS:[234].[01]/)?([A-Z]{1,3}:[A-Z]{1,2}/?|\\PC){0,12}") {
            let _ = (two(&text), three(&text), four(&text));
        }
    }
}
