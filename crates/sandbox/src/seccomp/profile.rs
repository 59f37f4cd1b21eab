//! Which system calls are refused: the set that docker's default profile (moby/profiles, seccomp) refuses,
//! written the other way round. Docker lists what is allowed; since every number up to the newest call
//! that the profile knows is known, the short list of what is not allowed says the same.

use libc::c_long;
use rustix::thread::CapabilitySet;

use super::compile::{Architecture, Range, Verdict};

/// The newest call the profile knows (`removexattrat`, the same number everywhere). Later ones fail as
/// ones the kernel does not know, so that programs fall back rather than give up.
const NEWEST: u32 = 466;

const EPERM: Verdict = Verdict::Fail(libc::EPERM as u16);
const ENOSYS: Verdict = Verdict::Fail(libc::ENOSYS as u16);

/// Calls that are of use only with a capability, and are allowed with it.
const PRIVILEGED: &[(CapabilitySet, &[c_long])] = &[
    (
        CapabilitySet::SYS_ADMIN,
        &[
            libc::SYS_bpf,
            libc::SYS_fanotify_init,
            libc::SYS_fsconfig,
            libc::SYS_fsmount,
            libc::SYS_fsopen,
            libc::SYS_fspick,
            libc::SYS_lookup_dcookie,
            libc::SYS_mount,
            libc::SYS_mount_setattr,
            libc::SYS_move_mount,
            libc::SYS_open_tree,
            libc::SYS_perf_event_open,
            libc::SYS_quotactl,
            libc::SYS_quotactl_fd,
            libc::SYS_setdomainname,
            libc::SYS_sethostname,
            libc::SYS_setns,
            libc::SYS_syslog,
            libc::SYS_umount2,
            libc::SYS_unshare,
            SYS_LSM_GET_SELF_ATTR,
            SYS_LSM_SET_SELF_ATTR,
            SYS_LSM_LIST_MODULES,
        ],
    ),
    (CapabilitySet::BPF, &[libc::SYS_bpf]),
    (CapabilitySet::DAC_READ_SEARCH, &[libc::SYS_open_by_handle_at]),
    (CapabilitySet::PERFMON, &[libc::SYS_perf_event_open]),
    (CapabilitySet::SYSLOG, &[libc::SYS_syslog]),
    (CapabilitySet::SYS_BOOT, &[libc::SYS_reboot]),
    (CapabilitySet::SYS_CHROOT, &[libc::SYS_chroot]),
    (CapabilitySet::SYS_MODULE, &[libc::SYS_delete_module, libc::SYS_init_module, libc::SYS_finit_module]),
    (
        CapabilitySet::SYS_NICE,
        &[libc::SYS_get_mempolicy, libc::SYS_mbind, libc::SYS_set_mempolicy, SYS_SET_MEMPOLICY_HOME_NODE],
    ),
    (CapabilitySet::SYS_PACCT, &[libc::SYS_acct]),
    (CapabilitySet::SYS_PTRACE, &[libc::SYS_kcmp, libc::SYS_pidfd_getfd, libc::SYS_process_madvise]),
    #[cfg(target_arch = "x86_64")]
    (CapabilitySet::SYS_RAWIO, &[libc::SYS_iopl, libc::SYS_ioperm]),
    (CapabilitySet::SYS_TIME, &[libc::SYS_settimeofday, libc::SYS_clock_settime]),
    (CapabilitySet::SYS_TTY_CONFIG, &[libc::SYS_vhangup]),
];

/// Calls that no capability opens: kernel keyrings (not namespaced), swap and kexec, asynchronous I/O
/// that passes the filter by, page placement, and relics.
const REFUSED: &[c_long] = &[
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_pivot_root,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_userfaultfd,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
    libc::SYS_nfsservctl,
];

#[cfg(target_arch = "x86_64")]
const RELICS: &[c_long] = &[
    libc::SYS_uselib,
    libc::SYS_ustat,
    libc::SYS_sysfs,
    libc::SYS__sysctl,
    libc::SYS_getpmsg,
    libc::SYS_putpmsg,
    libc::SYS_afs_syscall,
    libc::SYS_tuxcall,
    libc::SYS_security,
    libc::SYS_vserver,
    SYS_UPROBE,
];
#[cfg(not(target_arch = "x86_64"))]
const RELICS: &[c_long] = &[];

// Not yet in the libc crate.
#[cfg(target_arch = "x86_64")]
const SYS_UPROBE: c_long = 336;
const SYS_SET_MEMPOLICY_HOME_NODE: c_long = 450;
const SYS_LSM_GET_SELF_ATTR: c_long = 459;
const SYS_LSM_SET_SELF_ATTR: c_long = 460;
const SYS_LSM_LIST_MODULES: c_long = 461;

/// What is refused to 32-bit programs on a 64-bit x86 kernel: all of the above, by that convention's
/// numbers (arch/x86/entry/syscalls/syscall_32.tbl), whatever the capabilities, and its own relics.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const REFUSED_I386: &[u32] = &[
    // break, oldstat, mount, umount, stime, oldfstat, stty, gtty, nice, ftime, prof, signal, acct
    17, 18, 21, 22, 25, 28, 31, 32, 34, 35, 44, 48, 51,
    // umount2, lock, mpx, ulimit, oldolduname, ustat, sigaction, sgetmask, ssetmask, sigsuspend, sigpending
    52, 53, 56, 58, 59, 62, 67, 68, 69, 72, 73,
    // sethostname, settimeofday, oldlstat, uselib, swapon, reboot, readdir, profil, ioperm, syslog
    74, 79, 84, 86, 87, 88, 89, 98, 101, 103,
    // olduname, iopl, vhangup, idle, vm86old, swapoff, setdomainname
    109, 110, 111, 112, 113, 115, 121,
    // create_module, init_module, delete_module, get_kernel_syms, quotactl, bdflush, sysfs, afs_syscall
    127, 128, 129, 130, 131, 134, 135, 137,
    // _sysctl, vm86, query_module, nfsservctl, getpmsg, putpmsg, pivot_root, lookup_dcookie, clock_settime
    149, 166, 167, 169, 188, 189, 217, 253, 264,
    // vserver, mbind, get_mempolicy, set_mempolicy, kexec_load, add_key, request_key, keyctl
    273, 274, 275, 276, 283, 286, 287, 288,
    // migrate_pages, unshare, move_pages, perf_event_open, fanotify_init, open_by_handle_at, setns
    294, 310, 317, 336, 338, 342, 346,
    // kcmp, finit_module, bpf, userfaultfd, clock_settime64
    349, 350, 357, 374, 404,
    // io_uring_setup, io_uring_enter, io_uring_register, open_tree, move_mount, fsopen, fsconfig, fsmount, fspick
    425, 426, 427, 428, 429, 430, 431, 432, 433,
    // pidfd_getfd, process_madvise, mount_setattr, quotactl_fd, set_mempolicy_home_node, lsm_*
    438, 440, 442, 443, 450, 459, 460, 461,
];

// `AUDIT_ARCH_*`: 64 bits, little endian, and the machine of an ELF file.
#[cfg(target_arch = "x86_64")]
const X86_64: u32 = 0xc000_003e;
#[cfg(target_arch = "x86_64")]
const I386: u32 = 0x4000_0003;
#[cfg(target_arch = "aarch64")]
const AARCH64: u32 = 0xc000_00b7;

/// The rules for a process with `capabilities`.
pub(super) fn architectures(capabilities: CapabilitySet) -> Vec<Architecture> {
    let native = ranges(rules(capabilities));
    #[cfg(target_arch = "x86_64")]
    return vec![
        Architecture { id: X86_64, ranges: native },
        Architecture { id: I386, ranges: ranges(rules_i386()) },
    ];
    #[cfg(target_arch = "aarch64")]
    return vec![Architecture { id: AARCH64, ranges: native }];
}

/// Single numbers that are not simply allowed.
type Rules = Vec<(u32, Verdict)>;

fn rules(capabilities: CapabilitySet) -> Rules {
    let allowed = |call: c_long| {
        PRIVILEGED
            .iter()
            .any(|(capability, calls)| capabilities.contains(*capability) && calls.contains(&call))
    };
    let privileged = PRIVILEGED.iter().flat_map(|(_, calls)| calls.iter()).filter(|call| !allowed(**call));
    let mut rules: Rules =
        privileged.chain(REFUSED).chain(RELICS).map(|call| (*call as u32, EPERM)).collect();
    rules.push((libc::SYS_personality as u32, personality()));
    rules.push((libc::SYS_socket as u32, socket()));
    if !capabilities.contains(CapabilitySet::SYS_ADMIN) {
        rules.push((libc::SYS_clone as u32, Verdict::Without(NAMESPACES)));
        // Its flags lie in memory that a filter cannot read; a C library falls back to clone.
        rules.push((libc::SYS_clone3 as u32, ENOSYS));
    }
    rules
}

#[cfg(target_arch = "x86_64")]
fn rules_i386() -> Rules {
    const CLONE: u32 = 120;
    const PERSONALITY: u32 = 136;
    const SOCKET: u32 = 359;
    const CLONE3: u32 = 435;
    let mut rules: Rules = REFUSED_I386.iter().map(|call| (*call, EPERM)).collect();
    rules.push((CLONE, Verdict::Without(NAMESPACES)));
    rules.push((PERSONALITY, personality()));
    rules.push((SOCKET, socket()));
    rules.push((CLONE3, ENOSYS));
    rules
}

/// Every `CLONE_NEW*` that clone(2) takes.
const NAMESPACES: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u32;

/// Linux, the 32-bit memory layout, the old version number, both, or just asking.
fn personality() -> Verdict {
    const LINUX32: u32 = 0x8;
    const OLD_UNAME: u32 = 0x2_0000;
    let allowed = [0, LINUX32, OLD_UNAME, OLD_UNAME | LINUX32, u32::MAX];
    Verdict::ByArgument(only(allowed.into_iter().map(|value| value..=value)))
}

/// All address families but those that reach the hypervisor (40), the kernel's cryptography (38), or
/// code that nobody looks after.
fn socket() -> Verdict {
    let allowed = [0..=11, 13..=18, 21..=22, 24..=24, 26..=33, 35..=36, 39..=39, 41..=45];
    Verdict::ByArgument(only(allowed.into_iter()))
}

/// Ranges that allow exactly the values in `allowed`, which is sorted.
fn only(allowed: impl Iterator<Item = std::ops::RangeInclusive<u32>>) -> Vec<Range> {
    let mut ranges = vec![Range { start: 0, verdict: EPERM }];
    for range in allowed {
        push(&mut ranges, *range.start(), Verdict::Allow);
        if let Some(after) = range.end().checked_add(1) {
            push(&mut ranges, after, EPERM);
        }
    }
    ranges
}

/// Ranges that allow every number up to [`NEWEST`] that `rules` does not mention.
fn ranges(mut rules: Rules) -> Vec<Range> {
    rules.sort_by_key(|(number, _)| *number);
    rules.dedup_by_key(|(number, _)| *number);
    let mut ranges = vec![Range { start: 0, verdict: Verdict::Allow }];
    for (number, verdict) in rules {
        push(&mut ranges, number, verdict);
        push(&mut ranges, number + 1, Verdict::Allow);
    }
    push(&mut ranges, NEWEST + 1, ENOSYS);
    ranges
}

/// Adds a range that starts at `start`, where the last range may start already, and joins equals.
fn push(ranges: &mut Vec<Range>, start: u32, verdict: Verdict) {
    if ranges.last().is_some_and(|last| last.start == start) {
        ranges.pop();
    }
    if ranges.last().is_none_or(|last| last.verdict != verdict) {
        ranges.push(Range { start, verdict });
    }
}
