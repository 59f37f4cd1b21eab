//! Steps for another machine: through an interpreter that the kernel knows, or not at all.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::world::{World, is_root};

const BINFMT: &str = "/proc/sys/fs/binfmt_misc";
/// How the kernel knows a program for arm64: by the first bytes of its file.
const MAGIC: &str = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00";
const MASK: &str = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff";
const EMULATOR: &str = "/usr/bin/qemu-aarch64-static";

/// `openat(AT_FDCWD, "/made", O_WRONLY | O_CREAT, 0644)`, a write, and an exit, for arm64.
const CODE: [u32; 13] = [
    0x92800c60, 0x10000181, 0xd2800822, 0xd2803483, 0xd2800708, 0xd4000001, 0x50000101, 0xd2800162,
    0xd2800808, 0xd4000001, 0xd2800000, 0xd2800ba8, 0xd4000001,
];

/// A program for arm64 that writes `by aarch64` into `/made`.
fn program() -> Vec<u8> {
    let mut body: Vec<u8> = CODE.iter().flat_map(|instruction| instruction.to_le_bytes()).collect();
    body.extend(b"/made\0by aarch64\n");
    let size = (120 + body.len()) as u64;
    let mut elf = header();
    elf.extend(1u32.to_le_bytes());
    for word in [0x400078, 64, 0] {
        elf.extend(u64::to_le_bytes(word));
    }
    elf.extend(0u32.to_le_bytes());
    for half in [64, 56, 1, 0, 0, 0] {
        elf.extend(u16::to_le_bytes(half));
    }
    // One segment, the whole file, to be read and executed.
    elf.extend(1u32.to_le_bytes());
    elf.extend(5u32.to_le_bytes());
    for word in [0, 0x400000, 0x400000, size, size, 0x1000] {
        elf.extend(u64::to_le_bytes(word));
    }
    elf.extend(body);
    elf
}

/// The twenty bytes that say that a file is a program for arm64.
fn header() -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.resize(16, 0);
    bytes.extend([2, 0, 183, 0]);
    bytes
}

/// An interpreter for programs of arm64, as long as this lives.
struct Interpreter {
    name: String,
    mounted: bool,
}

impl Interpreter {
    /// `None` where the kernel lets us make none, or knows one already.
    fn register(path: &Path) -> Option<Self> {
        let register = Path::new(BINFMT).join("register");
        let mounted = !register.exists()
            && Command::new("mount")
                .args(["-t", "binfmt_misc", "none", BINFMT])
                .status()
                .is_ok_and(|s| s.success());
        let interpreter = Self { name: format!("wharf-test-{}", std::process::id()), mounted };
        // `F` opens the interpreter now, so that a step with another root finds it.
        let line = format!(":{}:M::{MAGIC}:{MASK}:{}:F", interpreter.name, path.display());
        fs::write(register, line).ok().map(|()| interpreter)
    }
}

impl Drop for Interpreter {
    fn drop(&mut self) {
        let _ = fs::write(Path::new(BINFMT).join(&self.name), "-1");
        if self.mounted {
            let _ = Command::new("umount").args(["-l", BINFMT]).status();
        }
    }
}

/// The machine's emulator; without one, a shell that takes what stands in for a program as its script.
fn interpreter(world: &World) -> Option<(PathBuf, Vec<u8>)> {
    if Path::new(EMULATOR).exists() {
        return Some((EMULATOR.into(), program()));
    }
    let shell = world.path("sh");
    fs::copy("/bin/busybox", &shell).ok()?;
    let mut script = header();
    script.extend(b"\necho by aarch64 > /made\n");
    Some((shell, script))
}

#[test]
fn a_step_for_another_machine_runs_through_an_interpreter() {
    let world = World::new();
    if !is_root() || cfg!(target_arch = "aarch64") {
        crate::skip!("it needs root, and a machine that is not arm64");
    }
    let Some((path, program)) = interpreter(&world) else {
        crate::skip!("it needs busybox-static or qemu-user-static");
    };
    let Some(_interpreter) = Interpreter::register(&path) else {
        crate::skip!("this kernel has no binfmt_misc");
    };
    fs::write(world.path("project/program"), program).unwrap();
    world.file(
        "Dockerfile",
        "FROM scratch\nARG TARGETARCH\nCOPY --chmod=755 program /$TARGETARCH\nRUN [\"/arm64\"]\n",
    );
    let files = world.path("files");
    let output = format!("type=local,dest={}", files.display());
    world.wharf_ok(&["build", "--platform", "linux/arm64", "--output", &output, "."]);
    assert_eq!(fs::read_to_string(files.join("made")).unwrap(), "by aarch64\n");
}

#[test]
fn a_step_for_another_machine_says_how_it_could_run() {
    let world = World::new();
    world.file("a.txt", "a\n");
    world.file("Dockerfile", "FROM scratch\nCOPY a.txt /bin/sh\nRUN echo\n");
    let foreign = if cfg!(target_arch = "x86_64") { "linux/s390x" } else { "linux/amd64" };
    if fs::read_dir(BINFMT).is_ok_and(|entries| {
        entries.flatten().any(|entry| entry.file_name().to_string_lossy().contains("s390x"))
    }) {
        crate::skip!("this machine runs such programs");
    }
    let ran = world.wharf(&["build", "--platform", foreign, "."]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("binfmt"), "{}", ran.stderr);
}
