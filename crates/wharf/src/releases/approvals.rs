//! The approvals file: who said yes to which release. One line each, `RELEASE NAME`, in a file that is reviewed and
//! kept in git like the rest.

use std::collections::BTreeSet;

use wharf_ledger::Release;

/// Who approved `release`: the second word of each line whose first names its digest or its version. What follows
/// `#` is a comment.
pub(crate) fn approvers(text: &str, release: &Release) -> BTreeSet<String> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split('#').next()?.split_whitespace();
            let (subject, name) = (words.next()?, words.next()?);
            let version = subject.trim_start_matches('v') == release.version.trim_start_matches('v');
            (subject == release.digest.as_ref() || version).then(|| name.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use wharf_oci::digest;

    fn release() -> Release {
        Release { name: "a/b".into(), version: "1.2.0".into(), digest: digest::sha256(b"x"), tags: vec![] }
    }

    #[test]
    fn one_person_counts_once_and_comments_do_not() {
        let digest = release().digest;
        let text =
            format!("# approvals\n{digest} robin\nv1.2.0 robin\n1.2.0 kim # looked at it\n1.1.0 sam\n");
        let names: Vec<String> = approvers(&text, &release()).into_iter().collect();
        assert_eq!(names, ["kim", "robin"]);
    }

    proptest! {
        #[test]
        fn no_file_makes_it_panic(text in "\\PC{0,200}") {
            let _ = approvers(&text, &release());
        }
    }
}
