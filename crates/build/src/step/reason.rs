//! Why a step runs again: its key's parts beside those of the last time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::key::{BASE, FILES, INSTRUCTION, PARENT, Parts, SOURCE, VARIABLE};
use crate::event::Reason;
use crate::id::Id;
use crate::state::SlotRecord;

/// So many files are named.
const NAMED: usize = 3;
/// Of steps that use more files than this, none are remembered.
const REMEMBERED: usize = 100_000;

/// What is kept of a step for the next comparison.
pub(super) fn record(parts: &Parts, files: &[(PathBuf, Id)]) -> SlotRecord {
    let mut encoded = Vec::new();
    if files.len() <= REMEMBERED {
        for (path, digest) in files {
            let path = path.to_string_lossy();
            // The start of the digest is enough to tell which changed.
            encoded.extend(&digest.0[..8]);
            encoded.extend((path.len() as u32).to_le_bytes());
            encoded.extend(path.as_bytes());
        }
    }
    let parts = parts.0.iter().map(|(label, id)| (label.clone(), id.to_string())).collect();
    SlotRecord { parts, files: encoded }
}

/// What stands before a step, by the names that a person knows it by.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    /// The step that was the first to run anew of those it starts from.
    pub(super) parent: Option<String>,
    /// The stages and images that it takes files from.
    pub(super) sources: Vec<String>,
}

/// What differs between the last time and now.
pub(super) fn find(before: Option<&SlotRecord>, now: &SlotRecord, names: Names) -> Reason {
    let Some(before) = before else { return Reason::New };
    let old: BTreeMap<&str, &str> =
        before.parts.iter().map(|(label, id)| (label.as_str(), id.as_str())).collect();
    let new: BTreeMap<&str, &str> =
        now.parts.iter().map(|(label, id)| (label.as_str(), id.as_str())).collect();
    let differs = |label: &str| old.get(label) != new.get(label);
    if differs(INSTRUCTION) {
        return Reason::Instruction;
    }
    let mut variables: Vec<String> = old
        .keys()
        .chain(new.keys())
        .filter(|label| differs(label))
        .filter_map(|label| label.strip_prefix(VARIABLE))
        .map(str::to_owned)
        .collect();
    if !variables.is_empty() {
        variables.sort();
        variables.dedup();
        return Reason::Variables(variables);
    }
    if differs(FILES) {
        return files(&decode(&before.files), &decode(&now.files));
    }
    match () {
        () if differs(BASE) => Reason::Base,
        () if differs(PARENT) => Reason::Parent { step: names.parent },
        () if differs(SOURCE) => Reason::Source { names: names.sources },
        () => Reason::Lost,
    }
}

fn files(old: &BTreeMap<&Path, u64>, new: &BTreeMap<&Path, u64>) -> Reason {
    let changed = new.iter().filter(|(path, digest)| old.get(*path) != Some(*digest)).map(|(path, _)| path);
    let gone = old.keys().filter(|path| !new.contains_key(*path));
    let mut paths: Vec<String> =
        changed.chain(gone).map(|path| path.to_string_lossy().into_owned()).collect();
    paths.sort();
    let count = paths.len();
    paths.truncate(NAMED);
    Reason::Files { paths, count }
}

/// What `record` encoded; garbage gives less.
fn decode(mut bytes: &[u8]) -> BTreeMap<&Path, u64> {
    let mut files = BTreeMap::new();
    while let Some((head, rest)) = bytes.split_first_chunk::<12>() {
        let (digest, length) = head.split_at(8);
        let digest = u64::from_le_bytes(digest.try_into().unwrap_or_default());
        let length = u32::from_le_bytes(length.try_into().unwrap_or_default()) as usize;
        let Some((path, rest)) = rest.split_at_checked(length) else { break };
        files.insert(Path::new(std::str::from_utf8(path).unwrap_or_default()), digest);
        bytes = rest;
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(values: &[(&str, u8)]) -> Parts {
        let mut parts = Parts::default();
        values.iter().for_each(|(label, value)| parts.push(*label, Id([*value; 32])));
        parts
    }

    #[test]
    fn the_nearest_cause_is_named() {
        let old = record(&parts(&[(PARENT, 1), (INSTRUCTION, 1), ("variable A", 1), (FILES, 1)]), &[]);
        let names = Names { parent: Some("the step".into()), sources: vec!["the stage".into()] };
        let reason = |values: &[(&str, u8)]| find(Some(&old), &record(&parts(values), &[]), names.clone());
        let same = [(PARENT, 1), (INSTRUCTION, 1), ("variable A", 1), (FILES, 1)];
        assert_eq!(reason(&same), Reason::Lost);
        assert_eq!(reason(&[(PARENT, 2), (INSTRUCTION, 2), (FILES, 1)]), Reason::Instruction);
        assert_eq!(
            reason(&[(PARENT, 2), (INSTRUCTION, 1), ("variable B", 1), (FILES, 1)]),
            Reason::Variables(vec!["A".into(), "B".into()])
        );
        assert_eq!(
            reason(&[(PARENT, 2), (INSTRUCTION, 1), ("variable A", 1), (FILES, 1)]),
            Reason::Parent { step: Some("the step".into()) }
        );
        assert_eq!(
            reason(&[(PARENT, 1), (INSTRUCTION, 1), ("variable A", 1), (FILES, 1), (SOURCE, 1)]),
            Reason::Source { names: vec!["the stage".into()] }
        );
        assert_eq!(find(None, &old, names.clone()), Reason::New);
    }

    #[test]
    fn files_that_changed_came_or_went_are_named() {
        let listing = |files: &[(&str, u8)]| {
            files.iter().map(|(path, digest)| (PathBuf::from(path), Id([*digest; 32]))).collect::<Vec<_>>()
        };
        let old = record(&parts(&[(FILES, 1)]), &listing(&[("a", 1), ("b", 1), ("gone", 1)]));
        let new = record(&parts(&[(FILES, 2)]), &listing(&[("a", 1), ("b", 2), ("new", 1)]));
        let paths = vec!["b".to_owned(), "gone".into(), "new".into()];
        assert_eq!(find(Some(&old), &new, Names::default()), Reason::Files { paths, count: 3 });
        let damaged = SlotRecord { files: old.files[..20].to_vec(), ..old };
        assert!(matches!(find(Some(&damaged), &new, Names::default()), Reason::Files { .. }));
    }
}
