//! From ranges of system call numbers to a program of the classic packet filter (seccomp(2), "Filters").

/// One instruction, as the kernel reads it.
pub(crate) type Instruction = libc::sock_filter;

/// What becomes of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It goes to the kernel.
    Allow,
    /// It fails with this error number.
    Fail(u16),
    /// The lower half of its first argument decides, by ranges as below. The kernel reads no more than
    /// that half for the calls this is used for.
    ByArgument(Vec<Range>),
    /// It is allowed if its first argument has none of these bits.
    Without(u32),
}

/// A verdict for all numbers from `start` to the next range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) start: u32,
    pub(super) verdict: Verdict,
}

/// The rules for one calling convention, which the kernel calls an architecture.
#[derive(Debug)]
pub(super) struct Architecture {
    /// `AUDIT_ARCH_*`.
    pub(super) id: u32,
    /// Sorted, the first starting at 0.
    pub(super) ranges: Vec<Range>,
}

// Offsets in `struct seccomp_data`; the lower half of an argument comes first on both architectures.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const FIRST_ARGUMENT: u32 = 16;

/// The whole filter. A call by a convention that is not listed fails as one the kernel does not know.
pub(super) fn compile(architectures: &[Architecture]) -> Vec<Instruction> {
    let mut program = vec![load(ARCHITECTURE)];
    for architecture in architectures {
        let mut rules = vec![load(NUMBER)];
        rules.extend(search(&architecture.ranges));
        program.push(jump(libc::BPF_JEQ, architecture.id, 1, 0));
        program.push(skip(rules.len()));
        program.extend(rules);
    }
    program.push(answer(libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32));
    program
}

/// A binary search for the range that holds the loaded value, ending in that range's verdict.
fn search(ranges: &[Range]) -> Vec<Instruction> {
    if let [only] = ranges {
        return verdict(&only.verdict);
    }
    let (below, above) = ranges.split_at(ranges.len() / 2);
    let middle = above[0].start;
    let below = search(below);
    let mut program = match u8::try_from(below.len()) {
        Ok(near) => vec![jump(libc::BPF_JGE, middle, near, 0)],
        Err(_) => vec![jump(libc::BPF_JGE, middle, 0, 1), skip(below.len())],
    };
    program.extend(below);
    program.extend(search(above));
    program
}

fn verdict(verdict: &Verdict) -> Vec<Instruction> {
    match verdict {
        Verdict::Allow => vec![answer(libc::SECCOMP_RET_ALLOW)],
        Verdict::Fail(errno) => vec![answer(libc::SECCOMP_RET_ERRNO | u32::from(*errno))],
        Verdict::ByArgument(ranges) => {
            let mut program = vec![load(FIRST_ARGUMENT)];
            program.extend(search(ranges));
            program
        }
        Verdict::Without(bits) => vec![
            load(FIRST_ARGUMENT),
            jump(libc::BPF_JSET, *bits, 0, 1),
            answer(libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
            answer(libc::SECCOMP_RET_ALLOW),
        ],
    }
}

fn load(offset: u32) -> Instruction {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset, 0, 0)
}

fn jump(condition: u32, value: u32, if_true: u8, if_false: u8) -> Instruction {
    instruction(libc::BPF_JMP | condition | libc::BPF_K, value, if_true, if_false)
}

fn skip(instructions: usize) -> Instruction {
    // Programs have at most 4096 instructions, or the kernel refuses them.
    instruction(libc::BPF_JMP | libc::BPF_JA, instructions as u32, 0, 0)
}

fn answer(value: u32) -> Instruction {
    instruction(libc::BPF_RET | libc::BPF_K, value, 0, 0)
}

fn instruction(code: u32, k: u32, jt: u8, jf: u8) -> Instruction {
    Instruction { code: code as u16, jt, jf, k }
}
