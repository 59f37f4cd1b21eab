//! HDF5. Keras writes its configuration as text in an attribute, which lies in one piece; PyTables and pandas keep objects as
//! pickles, and load them unasked.

use super::{Issue, keras};
use crate::blob::Blob;
use crate::pickle;

/// What is wrong with a model in HDF5.
pub(super) fn check(blob: &Blob) -> Vec<Issue> {
    let mut issues = keras::check_embedded(blob);
    issues.extend(pickle::search(blob));
    issues
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pickle_among_the_numbers_is_found() {
        let file = |content: &[u8]| Blob::from([b"\x89HDF\r\n\x1a\n\0\0", content, &[0; 40]].concat());
        assert_eq!(check(&file(b"\x80\x04cos\nsystem\n\x8c\x02id\x85R.")).len(), 1);
        assert!(check(&file(b"\x80\x04cos\nsystem\n.")).is_empty(), "a name alone is not enough");
        assert!(check(&file(b"\x80\x04]\x8c\x02ida.")).is_empty());
    }
}
