//! The system call filter: docker's default profile, as a small program for the kernel.
//!
//! [`profile`] says which calls are refused and why; [`compile`] turns sorted ranges of numbers into a
//! binary search, so that loading the filter and passing a call through it cost little. The kernel runs
//! the whole program for every call number when it is loaded, which makes a linear list of three
//! hundred comparisons a large part of the time that a sandbox takes to start.

mod compile;
mod profile;

use std::borrow::Cow;
use std::sync::OnceLock;

use rustix::thread::CapabilitySet;

pub(crate) use compile::Instruction;

/// The filter for a process with `capabilities`.
pub(crate) fn filter(capabilities: CapabilitySet) -> Cow<'static, [Instruction]> {
    if capabilities == crate::capability::DEFAULT {
        return Cow::Borrowed(default_filter());
    }
    Cow::Owned(compile::compile(&profile::architectures(capabilities)))
}

/// The filter for a process with docker's default capabilities.
fn default_filter() -> &'static [Instruction] {
    static FILTER: OnceLock<Vec<Instruction>> = OnceLock::new();
    FILTER.get_or_init(|| compile::compile(&profile::architectures(crate::capability::DEFAULT)))
}

#[cfg(test)]
mod tests {
    use libc::c_long;

    use super::*;

    /// The kernel's side of the filter: what it answers to a call.
    fn run(program: &[Instruction], architecture: u32, number: u32, argument: u64) -> u32 {
        let (mut at, mut value) = (0, 0);
        loop {
            let Instruction { code, jt, jf, k } = program[at];
            at += 1;
            let code = u32::from(code);
            let holds = match code & 0xf0 {
                libc::BPF_JEQ => value == k,
                libc::BPF_JGE => value >= k,
                libc::BPF_JSET => value & k != 0,
                _ => false,
            };
            match code & 0x07 {
                libc::BPF_LD => value = [number, architecture, 0, 0, argument as u32][k as usize / 4],
                libc::BPF_RET => return k,
                _ if code & 0xf0 == libc::BPF_JA => at += k as usize,
                _ => at += usize::from(if holds { jt } else { jf }),
            }
        }
    }

    const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
    const EPERM: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
    const ENOSYS: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

    fn native(call: c_long, argument: u64) -> u32 {
        let native = profile::architectures(crate::capability::DEFAULT)[0].id;
        run(default_filter(), native, call as u32, argument)
    }

    #[test]
    fn ordinary_calls_pass_and_privileged_ones_do_not() {
        for call in [libc::SYS_read, libc::SYS_execve, libc::SYS_chroot, libc::SYS_ptrace, libc::SYS_openat2]
        {
            assert_eq!(native(call, 0), ALLOW, "{call}");
        }
        for call in [libc::SYS_mount, libc::SYS_unshare, libc::SYS_setns, libc::SYS_bpf, libc::SYS_keyctl] {
            assert_eq!(native(call, 0), EPERM, "{call}");
        }
        for call in [libc::SYS_clone3, 467, 468, 0x4000_0000, 0xffff_ffff] {
            assert_eq!(native(call, 0), ENOSYS, "{call}");
        }
    }

    #[test]
    fn arguments_decide_where_they_matter() {
        assert_eq!(native(libc::SYS_clone, libc::SIGCHLD as u64), ALLOW);
        assert_eq!(native(libc::SYS_clone, (libc::SIGCHLD | libc::CLONE_NEWUSER) as u64), EPERM);
        assert_eq!(native(libc::SYS_socket, libc::AF_INET6 as u64), ALLOW);
        assert_eq!(native(libc::SYS_socket, libc::AF_VSOCK as u64), EPERM);
        assert_eq!(native(libc::SYS_socket, libc::AF_ALG as u64), EPERM);
        assert_eq!(native(libc::SYS_personality, 0xffff_ffff), ALLOW);
        // ADDR_NO_RANDOMIZE
        assert_eq!(native(libc::SYS_personality, 0x004_0000), EPERM);
    }

    #[test]
    fn a_capability_opens_its_calls() {
        let all = compile::compile(&profile::architectures(CapabilitySet::all()));
        let native = profile::architectures(CapabilitySet::all())[0].id;
        for call in [libc::SYS_mount, libc::SYS_clone3, libc::SYS_reboot, libc::SYS_bpf, libc::SYS_acct] {
            assert_eq!(run(&all, native, call as u32, u64::MAX), ALLOW, "{call}");
        }
        assert_eq!(run(&all, native, libc::SYS_keyctl as u32, 0), EPERM);
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn programs_of_32_bits_have_their_own_numbers() {
        let i386 = profile::architectures(crate::capability::DEFAULT)[1].id;
        for (call, argument, answer) in [
            (3, 0, ALLOW),                          // read
            (61, 0, ALLOW),                         // chroot
            (21, 0, EPERM),                         // mount
            (310, 0, EPERM),                        // unshare
            (120, libc::CLONE_NEWNS as u64, EPERM), // clone
            (359, libc::AF_ALG as u64, EPERM),      // socket
            (435, 0, ENOSYS),                       // clone3
            (500, 0, ENOSYS),
        ] {
            assert_eq!(run(default_filter(), i386, call, argument), answer, "{call}");
        }
    }

    #[test]
    fn an_unknown_architecture_has_no_calls() {
        assert_eq!(run(default_filter(), 0x1234, libc::SYS_read as u32, 0), ENOSYS);
    }

    #[test]
    fn the_program_is_one_that_the_kernel_takes() {
        let program = default_filter();
        assert!(program.len() <= 4096);
        for (at, instruction) in program.iter().enumerate() {
            let code = u32::from(instruction.code);
            let furthest = match (code & 0x07, code & 0xf0) {
                (libc::BPF_JMP, libc::BPF_JA) => instruction.k as usize,
                (libc::BPF_JMP, _) => usize::from(instruction.jt.max(instruction.jf)),
                _ => 0,
            };
            assert!(at + 1 + furthest <= program.len() - usize::from(code & 0x07 != libc::BPF_RET));
        }
    }
}
