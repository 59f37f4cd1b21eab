//! A line of history for every layer.
//!
//! The files of a named context are a layer without a line, and some base images have fewer lines than
//! layers. BuildKit's exporter then adds lines at the end, however odd that looks, and where there are too
//! many lines it counts the last ones as empty.

use wharf_oci::History;

/// The comment of the lines that are added.
const COMMENT: &str = "buildkit.exporter.image.v0";

/// Whether every layer has its line.
pub(super) fn is_complete(history: &[History], layers: usize) -> bool {
    history.iter().filter(|line| !line.empty_layer).count() == layers
}

/// Makes it so. `layers` says how each came to be, lowest first.
pub(super) fn complete(history: &mut Vec<History>, layers: &[String]) {
    let mut told = 0;
    for line in history.iter_mut().filter(|line| !line.empty_layer) {
        line.empty_layer = told >= layers.len();
        told += usize::from(!line.empty_layer);
    }
    history.extend(layers[told..].iter().map(|layer| History {
        created_by: Some(layer.clone()),
        comment: Some(COMMENT.into()),
        ..History::default()
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_added_at_the_end_or_emptied() {
        let line = |empty_layer| History { empty_layer, ..History::default() };
        let layers = ["base".to_owned(), "copy".to_owned()];
        let mut history = vec![line(true), line(false)];
        assert!(!is_complete(&history, 2));
        complete(&mut history, &layers);
        assert_eq!(history[2].created_by.as_deref(), Some("copy"));
        assert!(is_complete(&history, 2));
        let mut history = vec![line(false); 3];
        complete(&mut history, &layers);
        assert_eq!(history.iter().map(|line| line.empty_layer).collect::<Vec<_>>(), [false, false, true]);
    }
}
