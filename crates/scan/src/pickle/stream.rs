//! The pickles of a file: one after another, with or without a header, as far as a loader would read.

use super::decode::Broken;
use super::machine::{Arrays, End, Import, Machine};
use super::policy::Judgement;
use crate::blob::Blob;
use crate::findings::Severity;
use crate::model::Issue;

/// The most pickles that are looked at in one file.
const MAX_PICKLES: usize = 10_000;
/// So many bytes are looked at to tell whether a pickle follows.
const HEAD: usize = 64 << 10;
/// The most pickles before one that tells.
const MAX_SILENT: usize = 64;
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
/// instructions of protocol 0 or 1 up to where the bytes end or something tells. Pickles that import nothing and
/// have no header tell nothing by themselves, but may stand before one that does: a loader may read on.
pub(crate) fn looks_like_pickle(head: &[u8], whole: bool) -> bool {
    let blob = Blob::from(head.to_vec());
    let mut at = 0;
    for _ in 0..MAX_SILENT {
        if let Some([0x80, protocol, ..]) = head.get(at..) {
            return *protocol <= 5;
        }
        let mut machine = Machine::new(&blob, at as u64, Arrays::Skip);
        let end = machine.run();
        let tells = is_convincing(&machine) && !machine.imports.is_empty();
        match end {
            End::Broken(Broken::Truncated) if !whole && at == 0 => {
                return machine.steps >= 2 && has_plausible_names(&machine);
            }
            End::Stopped if machine.imports.is_empty() => {
                at = usize::try_from(machine.decoder.position()).unwrap_or(usize::MAX);
            }
            _ => return tells,
        }
    }
    false
}

/// Looks at all pickles of a file from its first byte on. `expected` says that its name is that of a pickle.
pub(crate) fn scan(blob: &Blob, expected: bool) -> Scanned {
    let mut scanned = Scanned::default();
    let legacy_torch = blob.bytes(0, TORCH_MAGIC.len()).is_ok_and(|head| head == TORCH_MAGIC);
    let most = if legacy_torch { 5 } else { MAX_PICKLES };
    let mut arrays_seen = 0;
    let mut at = 0;
    for number in 0..most {
        let mut machine = Machine::new(blob, at, Arrays::Skip);
        let end = machine.run();
        let certain = machine.declared || (expected && number == 0);
        if !certain && !is_convincing(&machine) {
            // One that is too short to tell, such as a number, is passed over where something that tells follows.
            let next = machine.decoder.position();
            let follows = || {
                looks_like_pickle(
                    &blob.bytes(next, HEAD).unwrap_or_default(),
                    next + HEAD as u64 >= blob.len(),
                )
            };
            if end == End::Stopped && machine.imports.is_empty() && follows() {
                at = next;
                continue;
            }
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
        run_without_arrays(blob, &mut scanned);
    }
    if scanned.complete && !legacy_torch {
        search_behind(blob, &mut scanned);
    }
    scanned
}

/// Looks for a pickle somewhere behind the end of the last one, where a loader that is told the place would read on.
fn search_behind(blob: &Blob, scanned: &mut Scanned) {
    let (names, whole) = hidden(blob, scanned.end);
    for name in names {
        let title = format!("behind its end lies a pickle that uses `{name}`");
        scanned.add(Some(Issue::new("pickle-behind", Severity::Critical, title)));
    }
    if !whole {
        let title = "it has so much behind its end that looks like pickles that not all of it was looked at";
        scanned.add(Some(Issue::new("pickle-limit", Severity::High, title)));
    }
}

/// What is wrong with a file of another format in which pickles may stand.
pub(crate) fn search(blob: &Blob) -> Vec<Issue> {
    let (names, _) = hidden(blob, 0);
    let issue = |name| {
        Issue::new("pickle-inside", Severity::Critical, format!("it holds a pickle that uses `{name}`"))
    };
    names.into_iter().map(issue).collect()
}

/// The dangerous names that pickles call which begin anywhere from a place on, and whether all that looks like one was looked
/// at. Only what is certain to be one counts, as anything may lie there.
fn hidden(blob: &Blob, from: u64) -> (Vec<String>, bool) {
    const LONGEST: usize = 16 << 20;
    const MOST: usize = 4096;
    // Wherever one begins, the same bytes would be run again.
    let mut steps = 4_000_000;
    let rest = blob.bytes(from, LONGEST).unwrap_or_default();
    let first = rest.iter().position(|byte| !byte.is_ascii_whitespace() && *byte != 0);
    let declares = |at: usize| matches!(rest[at..], [0x80, 0..=5, ..]);
    // Binary pickles declare themselves; the others import something at the beginning of a line.
    let begins = |at: usize| match rest[at] {
        0x80 => declares(at) && !(at >= 2 && declares(at - 2)),
        b'c' | b'(' => at > 0 && rest[at - 1] == b'\n',
        _ => false,
    };
    let mut names = Vec::new();
    let later = (0..rest.len()).filter(|at| begins(*at));
    for at in first.into_iter().chain(later).take(MOST) {
        let mut machine = Machine::new(blob, from + at as u64, Arrays::Skip).within(steps);
        let end = machine.run();
        steps = steps.saturating_sub(machine.steps);
        if end == End::Exhausted {
            return (names, false);
        }
        let dangerous =
            |import: &&Import| matches!(import.judgement, Judgement::Dangerous(_)) && import.called;
        if is_convincing(&machine) && has_plausible_names(&machine) {
            let found = machine.imports.iter().filter(dangerous);
            names.extend(found.map(|import| format!("{}.{}", import.module, import.name)));
        }
    }
    names.sort_unstable();
    names.dedup();
    (names, true)
}

/// As the plain loader would run a file of joblib's. Raw numbers that happen to look like instructions end
/// soon; a name with a meaning is no accident.
fn run_without_arrays(blob: &Blob, scanned: &mut Scanned) {
    let mut machine = Machine::new(blob, 0, Arrays::Run);
    machine.run();
    for import in
        machine.imports.iter().filter(|import| is_identifier(&import.module) && is_identifier(&import.name))
    {
        // An array of objects that follows is read with the memo of the whole, which gives names that there are none of.
        let is_noise = matches!(import.judgement, Judgement::Standard | Judgement::Unlisted { .. });
        scanned.add(judge(import).filter(|issue| issue.severity >= Severity::High && !is_noise));
    }
}

/// Turns what a machine has seen into issues.
fn conclude(mut machine: Machine<'_>, end: End, scanned: &mut Scanned) {
    // Bytes that happen to look like instructions have frames like these, too.
    let is_program = machine.declared || !machine.imports.is_empty() || end == End::Stopped;
    for issue in std::mem::take(&mut machine.issues) {
        scanned.add(Some(issue).filter(|issue| is_program || issue.rule != "pickle-frame"));
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
        Judgement::Allowed | Judgement::Special(_) | Judgement::Restored => return None,
        Judgement::Dangerous(why) => (Severity::Critical, format!("it uses `{name}`, which {why}")),
        Judgement::Evasive => (Severity::High, format!("it reaches `{name}` through another name")),
        Judgement::Unlisted { class: true } => {
            (Severity::Medium, format!("it makes a `{name}`, which is not known to be harmless"))
        }
        Judgement::Standard => {
            (Severity::High, format!("it uses `{name}`, which no model has a reason to use"))
        }
        Judgement::Unlisted { class: false } if import.called && !import.is_class => {
            (Severity::High, format!("it calls `{name}`, which is not known to be harmless"))
        }
        Judgement::Unlisted { class: false } => {
            (Severity::Medium, format!("it uses `{name}`, which is not known to be harmless"))
        }
        Judgement::Unknown { class: false } if import.called && !import.is_class => {
            (Severity::High, format!("it calls `{name}`, of which nothing is known"))
        }
        Judgement::Unknown { .. } => {
            (Severity::Medium, format!("it uses `{name}`, of which nothing is known"))
        }
    };
    let issue = Issue::new("pickle-import", severity, title);
    // Of what is dangerous nobody says that it may be.
    Some(if severity == Severity::Critical { issue } else { issue.about(name) })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn worst(program: &[u8]) -> Option<Severity> {
        let scanned = scan(&Blob::from(program.to_vec()), true);
        scanned.issues.iter().map(|issue| issue.severity).max()
    }

    #[test]
    fn classes_that_nobody_knows_are_judged_by_what_they_are_made_of() {
        let made = |argument: &str, end: &[u8]| {
            let mut program = b"\x80\x04\x8c\x06client\x8c\x06Remote\x93\x8c".to_vec();
            program.push(argument.len() as u8);
            program.extend_from_slice(argument.as_bytes());
            program.extend_from_slice(end);
            program
        };
        for argument in ["10.0.0.1", "host:22", "/etc/passwd", "curl x | sh", "rm -rf x"] {
            assert_eq!(worst(&made(argument, b"\x85R.")), Some(Severity::High), "{argument}");
        }
        for argument in ["red", "High risk", "2024"] {
            assert_eq!(worst(&made(argument, b"\x85R.")), Some(Severity::Medium), "{argument}");
        }
        // The class's own code does not run when it is only made.
        assert_eq!(worst(&made("10.0.0.1", b"\x85\x81.")), Some(Severity::Medium));
    }

    #[test]
    fn calling_a_partial_is_calling_its_function() {
        let partial = |module: &str, name: &str, end: &[u8]| {
            let mut program = b"\x80\x04\x8c\x09functools\x8c\x07partial\x93\x8c".to_vec();
            for text in [module, name] {
                program.push(text.len() as u8);
                program.extend_from_slice(text.as_bytes());
                program.push(0x8c);
            }
            program.pop();
            program.extend_from_slice(b"\x93\x85R");
            program.extend_from_slice(end);
            program
        };
        let call = b"K\x01\x85R.";
        assert_eq!(worst(&partial("builtins", "int", call)), None);
        assert_eq!(worst(&partial("own", "run", call)), Some(Severity::High));
        // Its state says another function.
        let with_state = b"(\x8c\x03own\x8c\x03run\x93)}NtbK\x01\x85R.";
        assert_eq!(worst(&partial("builtins", "int", with_state)), Some(Severity::High));
        let with_computed_state = b"(\x8c\x03ownQ)}NtbK\x01\x85R.";
        assert_eq!(worst(&partial("builtins", "int", with_computed_state)), Some(Severity::High));
    }

    #[test]
    fn classes_of_whole_torch_models_are_what_they_say() {
        let made = |class: &str| {
            let text = format!("\u{80}\u{2}(U\u{6}modulec{class}\nU\u{1}fU\u{1}stQ)\u{81}.");
            text.chars().map(|c| c as u8).collect::<Vec<u8>>()
        };
        assert_eq!(worst(&made("torch.nn.modules.linear\nLinear")), None);
        assert_eq!(worst(&made("own\nNet")), Some(Severity::Medium));
        assert_eq!(worst(&made("subprocess\nPopen")), Some(Severity::Critical));
    }

    #[test]
    fn a_function_that_nobody_knows_is_no_class() {
        assert_eq!(worst(b"\x80\x04\x8c\x08__main__\x8c\x03run\x93)R."), Some(Severity::High));
        assert_eq!(worst(b"\x80\x04\x8c\x03own\x8c\x03run\x93)R."), Some(Severity::High));
        assert_eq!(worst(b"\x80\x04\x8c\x03own\x8c\x03run\x93)\x81."), Some(Severity::Medium));
        assert_eq!(worst(b"\x80\x04\x8c\x03own\x8c\x03run\x93."), Some(Severity::Medium));
    }

    #[test]
    fn pickles_that_tell_nothing_do_not_hide_one_that_does() {
        let silent: [&[u8]; 4] = [b"I1\n.", b"N.", b"(lp0\nI1\na.", b"}q\x00U\x01aq\x01G?\xf8\0\0\0\0\0\0s."];
        for first in silent {
            assert!(!looks_like_pickle(first, true), "nothing tells");
            for second in
                [&b"cos\nsystem\n(S'id'\ntR."[..], b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85R."]
            {
                for between in 0..5 {
                    let program = [&first.repeat(between + 1), second].concat();
                    assert!(looks_like_pickle(&program, true), "{}", program.escape_ascii());
                    let scanned = scan(&Blob::from(program), false);
                    let worst = scanned.issues.iter().map(|issue| issue.severity).max();
                    assert_eq!(worst, Some(Severity::Critical));
                }
            }
        }
        for text in ["I1\n.5 and so on", "N.B. this is text", "N.\u{1}"] {
            assert!(!looks_like_pickle(text.as_bytes(), true), "{text}");
        }
    }

    #[test]
    fn numbers_that_happen_to_look_like_frames_are_none() {
        let frames = b"\x95abcdefg\0\x95gfedcba\0";
        assert_eq!(worst(&[b"(l", frames.as_slice(), b"\xff\xff"].concat()), None);
        assert_eq!(worst(&[b"\x80\x04", frames.as_slice(), b"\xff\xff"].concat()), Some(Severity::High));
    }

    #[test]
    fn what_looks_like_many_pickles_ends() {
        let one = [b"\x80\x04".as_slice(), &b"N0".repeat(1000)].concat();
        let program = [b"\x80\x04N.".as_slice(), &[0; 10], &one.repeat(100)].concat();
        assert_eq!(worst(&program), Some(Severity::High));
    }

    #[test]
    fn a_name_of_any_length_is_judged() {
        let path = "path.os.".repeat(2000);
        assert_eq!(worst(format!("cos\n{path}system\n(S'id'\ntR.").as_bytes()), Some(Severity::Critical));
    }

    #[test]
    fn pickles_within_pickles_have_no_business_in_a_model() {
        assert_eq!(worst(b"\x80\x04\x8c\x06pickle\x8c\x05loads\x93C\x02N.\x85R."), Some(Severity::High));
        assert_eq!(worst(b"\x80\x04\x8c\x0dtorch.storage\x8c\x10_load_from_bytes\x93C\x02N.\x85R."), None);
    }
}
