//! What a diff says, entry by entry: the same as BuildKit's.

use std::{fs, io::Read, os::unix::fs::PermissionsExt, path::PathBuf};

use rustix::fs::FileType;
use tempfile::TempDir;
use wharf_layer::{DiffOptions, Kind, Ownership, Upper, diff};

use crate::trees::{is_root, mknod, plant, set_time, white_out};

struct Case {
    upper: TempDir,
    lowers: Vec<TempDir>,
    options: DiffOptions<'static>,
}

impl Case {
    /// `trees` are the lower trees, bottom first, and the upper one last.
    fn new(trees: &[&str]) -> Self {
        let mut planted: Vec<TempDir> = trees
            .iter()
            .map(|lines| {
                let dir = TempDir::new().unwrap();
                plant(dir.path(), lines);
                dir
            })
            .collect();
        let upper = planted.pop().unwrap();
        planted.reverse();
        let ownership =
            if rustix::process::geteuid().is_root() { Ownership::Real } else { Ownership::Recorded };
        Self { upper, lowers: planted, options: DiffOptions { ownership, ..DiffOptions::default() } }
    }

    fn up(&self, path: &str) -> PathBuf {
        self.upper.path().join(path)
    }

    fn make_opaque(&self, path: &str) {
        xattr::set(self.up(path), "user.overlay.opaque", b"y").unwrap();
    }

    /// One line an entry, as the conformance corpus writes them.
    fn changes(&self) -> Vec<String> {
        let lowers: Vec<PathBuf> = self.lowers.iter().map(|lower| lower.path().to_owned()).collect();
        let mut lines = Vec::new();
        diff(self.upper.path(), &lowers, &self.options, |change| {
            let path = change.entry.path.display();
            lines.push(match change.entry.kind {
                Kind::Directory => format!("{path}/"),
                Kind::Whiteout => format!("whiteout {path}"),
                Kind::HardLink { target } => format!("{path} = {}", target.display()),
                Kind::Symlink { target } => format!("{path} -> {}", target.display()),
                Kind::File { .. } => {
                    let mut content = String::new();
                    change.content.map(|mut file| file.read_to_string(&mut content).unwrap());
                    format!("{path} {content}").trim_end().to_owned()
                }
                kind => format!("{path} {kind:?}"),
            });
            Ok(())
        })
        .unwrap();
        lines
    }
}

#[test]
fn without_lowers_everything_is_new_but_the_root() {
    let case = Case::new(&["b/ 0755\n b/x 0644 1\n a 0644 2\n a.d/ 0700\n b/l -> x\n"]);
    assert_eq!(case.changes(), ["a 2", "a.d/", "b/", "b/l -> x", "b/x 1"]);
}

#[test]
fn parents_are_written_for_the_sake_of_what_changed_in_them() {
    let case = Case::new(&["a/b/c/old 0644 1\n x/y 0644 1", "a/b/c/new 0644 2\n x/y 0644 1"]);
    assert_eq!(case.changes(), ["a/", "a/b/", "a/b/c/", "a/b/c/new 2"]);
}

#[test]
fn a_directory_counts_as_changed_by_its_mode_and_not_by_its_time() {
    let case = Case::new(&["a/ 0755\n b/ 0755\n", "a/ 0700\n b/ 0755\n"]);
    set_time(&case.up("b"), 1_700_000_000, 5);
    assert_eq!(case.changes(), ["a/"]);
}

#[test]
fn a_file_counts_as_changed_by_mode_time_size_content_or_target() {
    let lower = "mode 0644 x\n time 0644 x\n size 0644 x\n content 0644 x\n same 0644 x\n link -> a\n same-link -> a\n";
    let upper = "mode 0600 x\n time 0644 x\n size 0644 xy\n content 0644 y\n same 0644 x\n link -> b\n same-link -> a\n";
    let case = Case::new(&[lower, upper]);
    set_time(&case.up("time"), 1_600_000_000, 1);
    assert_eq!(case.changes(), ["content y", "link -> b", "mode x", "size xy", "time x"]);
}

#[test]
fn equal_nanoseconds_are_no_proof_of_equal_content() {
    let case = Case::new(&["f 0644 old", "f 0644 new"]);
    set_time(&case.up("f"), 1_600_000_000, 7);
    set_time(&case.lowers[0].path().join("f"), 1_600_000_000, 7);
    assert_eq!(case.changes(), ["f new"]);
}

#[test]
fn a_whiteout_is_written_only_for_what_was_there() {
    let case = Case::new(&["d/gone 0644 1\n d/kept 0644 1", "d/ 0755"]);
    white_out(&case.up("d/gone"));
    white_out(&case.up("d/never-was"));
    assert_eq!(case.changes(), ["d/", "whiteout d/gone"]);
}

#[test]
fn removals_of_lower_layers_count_when_looking_down() {
    // The bottom has a file, the middle removed it: a new one is an addition, a removal is nothing.
    let case = Case::new(&["a 0644 x\n b 0644 x\n d/x 0644 1", "d/ 0755", "a 0644 x\n d/ 0755"]);
    let middle = case.lowers[0].path();
    white_out(&middle.join("a"));
    white_out(&middle.join("b"));
    xattr::set(middle.join("d"), "user.overlay.opaque", b"y").unwrap();
    white_out(&case.up("b"));
    white_out(&case.up("d/x"));
    assert_eq!(case.changes(), ["a x"]);
}

#[test]
fn an_opaque_directory_spells_out_what_is_gone() {
    let lower = "o/new 0644 1\n o/same 0644 1\n o/dir/x 0644 1\n o/dir/y 0644 1\n o/gone/deep/x 0644 1";
    let upper = "o/again 0644 2\n o/same 0644 1\n o/dir/y 0644 2";
    let case = Case::new(&[lower, upper]);
    case.make_opaque("o");
    let expected =
        ["o/", "o/again 2", "o/dir/", "whiteout o/dir/x", "o/dir/y 2", "whiteout o/gone", "whiteout o/new"];
    assert_eq!(case.changes(), expected);
}

#[test]
fn a_directory_that_came_back_as_it_was_is_no_change() {
    let tree = "o/a 0644 1\n o/d/b 0644 1\n o/l -> a";
    let case = Case::new(&[tree, tree]);
    case.make_opaque("o");
    assert_eq!(case.changes(), [""; 0]);
}

#[test]
fn a_directory_that_replaces_a_file_hides_nothing() {
    let case = Case::new(&["a 0644 1\n b/x 0644 1", "a/in 0644 2\n b 0644 3"]);
    case.make_opaque("a");
    assert_eq!(case.changes(), ["a/", "a/in 2", "b 3"]);
}

#[test]
fn hard_links_hold_within_the_layer() {
    let case =
        Case::new(&["low 0644 1", "one 0644 x\n d/two = one\n three = one\n low 0644 1\n other = low"]);
    // `low` was only copied up, because a link to it was made: the new name is a file of its own.
    assert_eq!(case.changes(), ["d/", "d/two x", "one = d/two", "other 1", "three = d/two"]);
}

#[test]
fn sockets_are_left_out_and_fifos_are_not() {
    let case = Case::new(&["d/ 0755"]);
    let _socket = std::os::unix::net::UnixListener::bind(case.up("d/socket")).unwrap();
    mknod(&case.up("d/fifo"), FileType::Fifo, 0, 0);
    assert_eq!(case.changes(), ["d/", "d/fifo Fifo"]);
}

#[test]
fn devices_owners_and_capabilities_are_kept_and_other_attributes_are_not() {
    if !is_root() {
        return;
    }
    let case = Case::new(&["f 0755 x\n d/ 0755"]);
    mknod(&case.up("null"), FileType::CharacterDevice, 1, 3);
    mknod(&case.up("sda"), FileType::BlockDevice, 8, 0);
    std::os::unix::fs::chown(case.up("f"), Some(3_000_000_000), Some(7)).unwrap();
    let capability = b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    xattr::set(case.up("f"), "security.capability", capability).unwrap();
    xattr::set(case.up("f"), "user.note", b"x").unwrap();
    let mut entries = Vec::new();
    diff(case.upper.path(), &[], &case.options, |change| {
        entries.push(change.entry);
        Ok(())
    })
    .unwrap();
    let file = &entries[1].metadata;
    assert_eq!((file.uid, file.gid), (3_000_000_000, 7));
    assert_eq!(
        file.xattrs.iter().collect::<Vec<_>>(),
        [(&"security.capability".to_owned(), &capability.to_vec())]
    );
    assert_eq!(format!("{:?}", entries[2].kind), "CharDevice(Device { major: 1, minor: 3 })");
    assert_eq!(format!("{:?}", entries[3].kind), "BlockDevice(Device { major: 8, minor: 0 })");
}

#[test]
fn recorded_owners_and_devices_count_as_real_ones() {
    let mut case = Case::new(&["f 0644 x\n same 0644 y", "f 0644 x\n same 0644 y\n null 0600"]);
    case.options.ownership = Ownership::Recorded;
    xattr::set(case.up("f"), "user.wharf.owner", b"5:6").unwrap();
    xattr::set(case.up("null"), "user.wharf.device", b"c:1:3").unwrap();
    assert_eq!(case.changes(), ["f x", "null CharDevice(Device { major: 1, minor: 3 })"]);
}

#[test]
fn a_whole_tree_is_compared_with_what_is_below() {
    let mut case = Case::new(&[
        "a 0644 1\n d/x 0644 1\n d/y 0644 1\n gone/x 0644 1",
        "a 0644 1\n d/x 0644 2\n n 0644 3",
    ]);
    case.options.upper = Upper::Whole;
    assert_eq!(case.changes(), ["d/", "d/x 2", "whiteout d/y", "whiteout gone", "n 3"]);
}

#[test]
fn two_directories_on_one_another_say_what_both_together_change() {
    let below = "d/low 0644 1\n d/gone 0644 1\n over 0644 1";
    let first = "d/ 0755\n d/a 0644 1\n d/b 0644 1\n d/sub/x 0644 1\n f 0644 1\n one 0644 y\n two = one\n was/x 0644 1";
    let then = "d/ 0700\n d/b 0644 2\n d/c 0644 3\n was 0644 4";
    let whole =
        "d/ 0700\n d/b 0644 2\n d/c 0644 3\n d/sub/x 0644 1\n f 0644 1\n one 0644 y\n two = one\n was 0644 4";
    let [mut together, alone] = [Case::new(&[below, then]), Case::new(&[below, whole])];
    let earlier = TempDir::new().unwrap();
    plant(earlier.path(), first);
    white_out(&together.up("d/a"));
    white_out(&earlier.path().join("d/gone"));
    white_out(&alone.up("d/gone"));
    together.options.beneath = Some(Box::leak(earlier.path().into()));
    let expected = [
        "d/",
        "d/b 2",
        "d/c 3",
        "whiteout d/gone",
        "d/sub/",
        "d/sub/x 1",
        "f 1",
        "one y",
        "two = one",
        "was 4",
    ];
    assert_eq!(together.changes(), expected);
    assert_eq!(alone.changes(), expected);
    // One that hides what is beneath it hides it from the layer, too.
    together.make_opaque("d");
    assert_eq!(together.changes()[..5], ["d/", "d/b 2", "d/c 3", "whiteout d/gone", "whiteout d/low"]);
}

#[test]
fn what_cannot_be_read_is_named() {
    if rustix::process::geteuid().is_root() {
        println!("not run: root reads everything");
        return;
    }
    let case = Case::new(&["secret 0644 x"]);
    fs::set_permissions(case.up("secret"), fs::Permissions::from_mode(0o000)).unwrap();
    let error = diff(case.upper.path(), &[], &case.options, |_| Ok(())).unwrap_err();
    assert!(error.to_string().ends_with("/secret"), "{error}");
}
