//! What a real overlay mount leaves behind, diffed, and applied again: the same tree.

use std::{fs, io::Cursor, path::Path, process::Command, slice::from_ref};

use tempfile::TempDir;
use wharf_layer::{
    ApplyOptions, DiffOptions, Form, Kind, LayerWriter, Ownership, WriteOptions, apply, diff, write_diff,
};

use crate::trees::plant;

const BASE: &str = "bin/tool 4755 x\n d/one 0644 1\n d/two 0644 2\n d/e/three 0644 3\n o/x 0644 1\n o/y/z 0644 1\n \
                    untouched/f 0644 1\n h1 0644 linked\n h2 = h1\n l -> d/one\n f2d 0644 x\n d2f/in 0644 x\n moved/a 0644 a";

const STEP: &str = r#"
    chmod 4755 bin/tool                            # as it was
    chmod 0600 d/one
    rm d/two
    rm -r o && mkdir o && touch o/again            # opaque
    mkdir -p new/deep && echo text > new/deep/file
    echo more >> h1                                # breaks the link to h2
    ln d/e/three d/e/also-three
    ln -sf d/e l
    rm f2d && mkdir f2d && echo in > f2d/in
    rm -r d2f && echo now-a-file > d2f
    mkdir gone && rmdir gone
    mv moved moved-away
    touch -d @1700000000.123456789 untouched/g
"#;

const CHANGES: [&str; 22] = [
    "d/",
    "d/e/",
    "d/e/also-three",
    "d/one",
    "whiteout d/two",
    "d2f",
    "f2d/",
    "f2d/in",
    "h1",
    "l",
    "whiteout moved",
    "moved-away/",
    "moved-away/a",
    "new/",
    "new/deep/",
    "new/deep/file",
    "o/",
    "o/again",
    "whiteout o/x",
    "whiteout o/y",
    "untouched/",
    "untouched/g",
];

/// Runs the step on a mount and lists the merged tree; `None` where such a mount is not to be had.
fn run_step(dir: &Path, unshare: &[&str], mount_options: &str) -> Option<String> {
    let script = format!(
        "set -e; cd {0}; mkdir upper work merged
         mount -t overlay overlay -o {mount_options}lowerdir=base,upperdir=upper,workdir=work merged || exit 99
         cd merged; {STEP}
         {LIST}",
        dir.display()
    );
    let output = Command::new("unshare").args(unshare).args(["sh", "-c", &script]).output().ok()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.code() != Some(0) {
        println!("not run: no overlay mount here: {}", text(&output.stderr));
        assert!(!text(&output.stderr).contains("merged/"), "the step itself must not fail");
        return None;
    }
    Some(text(&output.stdout))
}

/// Everything but the times of directories, which change with what is in them.
const LIST: &str = r"find . -mindepth 1 \( -type d -printf '%P %y %m\n' \) -o \
                     -printf '%P %y %m %s %l\n' | sort";

fn list(dir: &Path) -> String {
    let output = Command::new("sh").args(["-c", LIST]).current_dir(dir).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn check(unshare: &[&str], mount_options: &str, ownership: Ownership) {
    let dir = TempDir::new().unwrap();
    let (base, upper) = (dir.path().join("base"), dir.path().join("upper"));
    fs::create_dir(&base).unwrap();
    plant(&base, BASE);
    let Some(merged) = run_step(dir.path(), unshare, mount_options) else { return };

    let options = DiffOptions { ownership, ..DiffOptions::default() };
    let mut changes = Vec::new();
    diff(&upper, from_ref(&base), &options, |change| {
        let path = change.entry.path.display();
        changes.push(match change.entry.kind {
            Kind::Whiteout => format!("whiteout {path}"),
            Kind::Directory => format!("{path}/"),
            _ => path.to_string(),
        });
        Ok(())
    })
    .unwrap();
    assert_eq!(changes, CHANGES);

    let again = TempDir::new().unwrap();
    let layer = |upper: &Path, lowers: &[_]| {
        let out = LayerWriter::new(Cursor::new(Vec::new()), &WriteOptions::default());
        write_diff(upper, lowers, &options, out).unwrap().0.into_inner()
    };
    for layer in [layer(&base, &[]), layer(&upper, from_ref(&base))] {
        apply(&layer[..], again.path(), &ApplyOptions::new(Form::Plain, ownership)).unwrap();
    }
    assert_eq!(list(again.path()), merged);
}

#[test]
fn a_step_as_root() {
    if crate::trees::is_root() {
        check(&["--mount"], "", Ownership::Real);
    }
}

#[test]
fn a_step_in_a_user_namespace_with_one_id() {
    let is_root = rustix::process::geteuid().is_root();
    let ownership = if is_root { Ownership::Real } else { Ownership::Recorded };
    check(&["--user", "--map-root-user", "--mount"], "userxattr,", ownership);
}
