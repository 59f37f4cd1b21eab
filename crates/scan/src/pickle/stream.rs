//! The pickles of a file: one after another, with or without a header, as far as a loader would read.

use super::decode::Broken;
use super::machine::{Arrays, End, Import, Machine};
use super::policy::{Judgement, Policy};
use crate::blob::Blob;
use crate::findings::Severity;
use crate::model::Issue;

/// The most pickles that are looked at in one file.
const MAX_PICKLES: usize = 10_000;
/// PyTorch's old format begins with this number as a pickle of its own; raw numbers follow the fifth.
const TORCH_MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

/// What was found in a file.
#[derive(Debug, Default)]
pub(crate) struct Scanned {
    /// It is a pickle, or was one up to where it breaks.
    pub(crate) is_pickle: bool,
    /// It was read to the end of its last pickle.
    pub(crate) complete: bool,
    pub(crate) issues: Vec<Issue>,
    /// Bytes that it hands to another loader, to be looked at like files.
    pub(crate) nested: Vec<Blob>,
    /// Where the last pickle ends.
    pub(crate) end: u64,
}

/// Whether the first bytes of a file are those of a pickle, judged without its end: a header, or the first
/// instructions of protocol 0 or 1 up to where the bytes end or something tells.
pub(crate) fn looks_like_pickle(head: &[u8], whole: bool) -> bool {
    if let [0x80, protocol, ..] = head {
        return *protocol <= 5;
    }
    let blob = Blob::from(head.to_vec());
    let policy = Policy::default();
    let mut machine = Machine::new(&blob, 0, &policy, Arrays::Skip);
    match machine.run() {
        End::Broken(Broken::Truncated) if !whole => machine.steps >= 2 && has_plausible_names(&machine),
        _ => is_convincing(&machine) && !machine.imports.is_empty(),
    }
}

/// Looks at all pickles of a file from its first byte on. `expected` says that its name is that of a pickle.
pub(crate) fn scan(blob: &Blob, policy: &Policy, expected: bool) -> Scanned {
    let mut scanned = Scanned::default();
    let legacy_torch = blob.bytes(0, TORCH_MAGIC.len()).is_ok_and(|head| head == TORCH_MAGIC);
    let most = if legacy_torch { 5 } else { MAX_PICKLES };
    let mut arrays_seen = 0;
    let mut at = 0;
    for number in 0..most {
        let mut machine = Machine::new(blob, at, policy, Arrays::Skip);
        let end = machine.run();
        let certain = machine.declared || (expected && number == 0);
        if !certain && !is_convincing(&machine) {
            break;
        }
        scanned.is_pickle |= machine.declared || is_convincing(&machine);
        scanned.complete = end == End::Stopped;
        at = machine.decoder.position();
        scanned.end = at;
        arrays_seen += machine.arrays_seen;
        conclude(machine, end, &mut scanned);
        if end != End::Stopped || at >= blob.len() {
            break;
        }
    }
    if arrays_seen > 0 {
        run_without_arrays(blob, policy, &mut scanned);
    } else if scanned.complete && !legacy_torch {
        search_behind(blob, policy, &mut scanned);
    }
    scanned
}

/// Looks for a pickle somewhere behind the end of the last one, where a loader that is told the place would read on. Only what
/// is certain to be one and dangerous counts, as anything may lie there.
fn search_behind(blob: &Blob, policy: &Policy, scanned: &mut Scanned) {
    const LONGEST: usize = 16 << 20;
    const MOST: usize = 4096;
    let rest = blob.bytes(scanned.end, LONGEST).unwrap_or_default();
    let first = rest.iter().position(|byte| !byte.is_ascii_whitespace() && *byte != 0);
    // Binary pickles declare themselves; the others import something at the beginning of a line.
    let begins = |at: usize| match rest[at..] {
        [0x80, protocol, ..] => protocol <= 5,
        [b'c' | b'(', ..] => at > 0 && rest[at - 1] == b'\n',
        _ => false,
    };
    let later = (0..rest.len()).filter(|at| begins(*at));
    for at in first.into_iter().chain(later).take(MOST) {
        let mut machine = Machine::new(blob, scanned.end + at as u64, policy, Arrays::Skip);
        let end = machine.run();
        let dangerous =
            |import: &&Import| matches!(import.judgement, Judgement::Dangerous(_)) && import.called;
        if end != End::Exhausted && is_convincing(&machine) && has_plausible_names(&machine) {
            for import in machine.imports.iter().filter(dangerous) {
                let title =
                    format!("behind its end lies a pickle that uses `{}.{}`", import.module, import.name);
                scanned.add(Some(Issue::new("pickle-behind", Severity::Critical, title)));
            }
        }
    }
}

/// As the plain loader would run a file of joblib's. Raw numbers that happen to look like instructions end
/// soon; a name with a meaning is no accident.
fn run_without_arrays(blob: &Blob, policy: &Policy, scanned: &mut Scanned) {
    let mut machine = Machine::new(blob, 0, policy, Arrays::Run);
    machine.run();
    for import in
        machine.imports.iter().filter(|import| is_identifier(&import.module) && is_identifier(&import.name))
    {
        scanned.add(judge(import).filter(|issue| issue.severity >= Severity::High));
    }
}

/// Turns what a machine has seen into issues.
fn conclude(mut machine: Machine<'_>, end: End, scanned: &mut Scanned) {
    for issue in std::mem::take(&mut machine.issues) {
        scanned.add(Some(issue));
    }
    for import in &machine.imports {
        scanned.add(judge(import));
    }
    if end == End::Exhausted {
        let title = "it is larger than any real model's program, and was not read to its end";
        scanned.add(Some(Issue::new("pickle-limit", Severity::High, title)));
    }
    scanned.nested.append(&mut machine.nested);
}

impl Scanned {
    fn add(&mut self, issue: Option<Issue>) {
        self.issues.extend(issue.filter(|issue| !self.issues.contains(issue)));
    }
}

/// What an imported name means for the file.
fn judge(import: &Import) -> Option<Issue> {
    let name = format!("{}.{}", import.module, import.name);
    let (severity, title) = match &import.judgement {
        Judgement::Allowed | Judgement::Special(_) => return None,
        Judgement::Dangerous(why) => (Severity::Critical, format!("it uses `{name}`, which {why}")),
        Judgement::Evasive => (Severity::High, format!("it reaches `{name}` through another name")),
        Judgement::Unlisted { class: true } => {
            (Severity::Medium, format!("it makes a `{name}`, which is not known to be harmless"))
        }
        Judgement::Unlisted { class: false } => {
            (Severity::High, format!("it uses `{name}`, which no model has a reason to use"))
        }
        Judgement::Unknown { class } if import.called && !class && import.module != "__main__" => {
            (Severity::High, format!("it calls `{name}`, of which nothing is known"))
        }
        Judgement::Unknown { .. } => {
            (Severity::Medium, format!("it uses `{name}`, of which nothing is known"))
        }
    };
    Some(Issue::new("pickle-import", severity, title))
}

/// Without a header, only a program that makes sense as one is taken for a pickle.
fn is_convincing(machine: &Machine<'_>) -> bool {
    machine.declared
        || (machine.steps >= 2
            && has_plausible_names(machine)
            && (machine.calls > 0 || machine.imports.is_empty()))
}

fn has_plausible_names(machine: &Machine<'_>) -> bool {
    machine.imports.iter().all(|import| is_identifier(&import.module) && is_identifier(&import.name))
}

/// Names joined by dots.
fn is_identifier(text: &str) -> bool {
    text.split('.').all(|part| {
        part.starts_with(|c: char| c.is_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_alphanumeric() || c == '_')
    })
}
