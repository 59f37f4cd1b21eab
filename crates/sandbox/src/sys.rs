//! System calls that `rustix` does not offer, each behind the smallest safe function that it allows.
//!
//! Everything here may be called between fork and exec: no allocation, no locks.

use std::ffi::{CStr, c_char, c_int, c_long, c_void};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::io::Errno;
use rustix::mount::MountAttrFlags;
use rustix::process::Pid;

use crate::seccomp::Instruction;

/// Whether a child works on its parent's memory or on a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Memory {
    /// The very same, until exec. The cost of starting does not grow with the size of the parent.
    Shared,
    /// A copy, made page by page as either side writes.
    Copied,
}

/// The stack of a child.
#[derive(Debug)]
pub(crate) struct Stack {
    bottom: *mut c_void,
}

impl Stack {
    const SIZE: usize = 512 << 10;
    /// Below the stack, never touched unless it overflows, and then not accessible.
    const GUARD: usize = 64 << 10;

    pub(crate) fn new() -> Result<Self, Errno> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK | libc::MAP_NORESERVE;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping, wherever the kernel finds room.
        let bottom = unsafe { libc::mmap(std::ptr::null_mut(), Self::SIZE, access, flags, -1, 0) };
        if bottom == libc::MAP_FAILED {
            return Err(last_error());
        }
        let stack = Self { bottom };
        // SAFETY: the range is the lower part of the mapping just made, which nobody uses yet.
        check(unsafe { libc::mprotect(bottom, Self::GUARD, libc::PROT_NONE) }.into())?;
        Ok(stack)
    }

    fn top(&self) -> *mut c_void {
        self.bottom.wrapping_byte_add(Self::SIZE)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours alone; a child that used it has left it.
        unsafe { libc::munmap(self.bottom, Self::SIZE) };
    }
}

/// Starts a process in new namespaces as `namespaces` (`CLONE_NEW*`) says. It runs `entry(argument)` on
/// `stack`. Returns its id and a descriptor that stands for it.
///
/// # Safety
/// `argument` must be what `entry` expects, and both it and `stack` must live until the child has
/// called exec or ended. `entry` may only call what is safe in a signal handler, and must not unwind.
pub(crate) unsafe fn clone(
    namespaces: c_int,
    memory: Memory,
    stack: &Stack,
    entry: extern "C" fn(*mut c_void) -> c_int,
    argument: *mut c_void,
) -> Result<(Pid, OwnedFd), Errno> {
    let mut pidfd: c_int = -1;
    let share = if memory == Memory::Shared { libc::CLONE_VM } else { 0 };
    let flags = namespaces | share | libc::CLONE_PIDFD | libc::SIGCHLD;
    // The older call rather than clone3, which container runtimes answer with ENOSYS.
    // SAFETY: the stack grows down from its top; `pidfd` is valid for the write of the descriptor.
    // The rest is the caller's promise.
    let pid = unsafe { libc::clone(entry, stack.top(), flags, argument, &raw mut pidfd) };
    let pid = Pid::from_raw(check(pid.into())? as i32).ok_or(Errno::CHILD)?;
    // SAFETY: the kernel has just opened this descriptor for us, and nobody else knows of it.
    Ok((pid, unsafe { OwnedFd::from_raw_fd(pidfd) }))
}

/// Which side of a [`fork`] the caller finds itself on.
#[derive(Debug)]
pub(crate) enum Fork {
    /// The new process.
    Child,
    /// The old one, with the new one's id.
    Parent(Pid),
}

/// Duplicates the calling process.
///
/// # Safety
/// In the child, only what is safe in a signal handler may be called if this process has, or is itself
/// a copy of a process that had, other threads.
pub(crate) unsafe fn fork() -> Result<Fork, Errno> {
    // The system call itself: the C library's function takes locks, which such a copy may hold forever.
    // SAFETY: with neither memory shared nor a stack given, this is fork; the rest is the caller's promise.
    let pid = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
    Ok(Pid::from_raw(check(pid)? as i32).map_or(Fork::Child, Fork::Parent))
}

/// Ends this process at once, running no destructors.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: has no preconditions.
    unsafe { libc::_exit(code) }
}

/// Moves this thread into new namespaces of its own.
pub(crate) fn unshare(namespaces: c_int) -> Result<(), Errno> {
    // SAFETY: `namespaces` never contains CLONE_FILES, so no thread loses sight of a descriptor.
    check(unsafe { libc::syscall(libc::SYS_unshare, c_long::from(namespaces)) }).map(drop)
}

/// Moves this thread into namespaces of the process that `pidfd` stands for.
pub(crate) fn join(pidfd: BorrowedFd<'_>, namespaces: c_int) -> Result<(), Errno> {
    // SAFETY: takes numbers only; memory is not touched.
    check(unsafe { libc::setns(pidfd.as_raw_fd(), namespaces) }.into()).map(drop)
}

/// Runs `work` on a thread of its own, which may join namespaces without dragging the caller along.
pub(crate) fn on_own_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let joined = std::thread::scope(|scope| scope.spawn(work).join());
    joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Sends a signal by number, real-time signals included.
pub(crate) fn send_signal(pidfd: BorrowedFd<'_>, signal: c_int) -> Result<(), Errno> {
    let nothing: *const libc::siginfo_t = std::ptr::null();
    // SAFETY: takes numbers only, since there is nothing to say beyond the signal.
    check(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, nothing, 0) })
        .map(drop)
}

/// Sets attributes on the mount that `mount` stands for, and on those below it if `recursive`.
pub(crate) fn set_mount_attributes(
    mount: BorrowedFd<'_>,
    set: MountAttrFlags,
    recursive: bool,
) -> Result<(), Errno> {
    mount_setattr(mount.as_raw_fd(), c"", set, recursive)
}

/// Makes the mount at `path` refuse writes.
pub(crate) fn make_readonly(path: &CStr) -> Result<(), Errno> {
    mount_setattr(libc::AT_FDCWD, path, MountAttrFlags::MOUNT_ATTR_RDONLY, false)
}

/// `struct mount_attr` of mount_setattr(2).
#[repr(C)]
#[derive(Default)]
struct MountAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

fn mount_setattr(at: RawFd, path: &CStr, set: MountAttrFlags, recursive: bool) -> Result<(), Errno> {
    let attributes = MountAttributes { set: set.bits().into(), ..MountAttributes::default() };
    let empty = if path.is_empty() { libc::AT_EMPTY_PATH } else { 0 };
    let flags = if recursive { empty | libc::AT_RECURSIVE } else { empty };
    // SAFETY: the path ends in NUL, and the size given is that of the structure pointed to.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            at,
            path.as_ptr(),
            flags,
            &raw const attributes,
            size_of::<MountAttributes>(),
        )
    })
    .map(drop)
}

/// Puts every later system call of this process and its descendants through `program`. Needs
/// CAP_SYS_ADMIN, since it does not give up the right to gain privileges by set-id programs.
pub(crate) fn load_filter(program: &[Instruction]) -> Result<(), Errno> {
    let length = u16::try_from(program.len()).map_err(|_| Errno::INVAL)?;
    let program = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut() };
    // SAFETY: the kernel copies the program, whose length is right, and does not write to it.
    check(unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW,
            &raw const program,
        )
    })
    .map(drop)
}

/// Gives every signal its default action again, those included that the C library keeps for itself.
pub(crate) fn reset_signals() {
    (1..=64).for_each(reset_signal);
}

/// Gives one signal its default action again.
pub(crate) fn reset_signal(signal: c_int) {
    /// `struct sigaction` as the kernel has it: handler, flags, restorer, mask.
    const DEFAULT: [u64; 4] = [libc::SIG_DFL as u64, 0, 0, 0];
    let nothing: *mut c_void = std::ptr::null_mut();
    // SAFETY: the structure is valid for reads, and the mask has the size given. The default action needs
    // no handler that would have to stay valid. SIGKILL and SIGSTOP are refused, which is fine.
    unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, DEFAULT.as_ptr(), nothing, 8) };
}

/// A set of signals.
#[derive(Clone, Copy)]
pub(crate) struct SignalSet(libc::sigset_t);

impl SignalSet {
    /// No signal.
    pub(crate) fn empty() -> Self {
        // SAFETY: all zeroes is a valid value of this plain structure.
        let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
        // SAFETY: `set` is valid for writes.
        unsafe { libc::sigemptyset(&raw mut set) };
        Self(set)
    }

    /// Every signal.
    pub(crate) fn full() -> Self {
        let mut set = Self::empty();
        // SAFETY: the pointer is to a valid set.
        unsafe { libc::sigfillset(&raw mut set.0) };
        set
    }

    /// Makes this the set of signals that the calling thread holds back; returns the set before.
    pub(crate) fn block_exactly(&self) -> Self {
        let mut before = Self::empty();
        // SAFETY: both pointers are to valid sets; the operation is a known constant.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, &raw mut before.0) };
        before
    }

    /// Waits for one of these signals, which must be blocked, and takes it.
    pub(crate) fn wait(&self) -> c_int {
        // SAFETY: the set is valid, and no information about the signal is asked for.
        unsafe { libc::sigwaitinfo(&raw const self.0, std::ptr::null_mut()) }
    }
}

/// Replaces this process by the program at `path`; returns only if that failed. `argv` and `envp` are
/// arrays of pointers to strings, each array ended by a null pointer.
///
/// # Safety
/// The arrays and the strings must be as described and live until this returns.
pub(crate) unsafe fn exec(path: &CStr, argv: &[*const c_char], envp: &[*const c_char]) -> Errno {
    // SAFETY: by the caller's promise.
    unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
    last_error()
}

/// Closes every descriptor from `first` on, except `keep`.
pub(crate) fn close_from(first: c_int, keep: Option<BorrowedFd<'_>>) {
    let keep = keep.map_or(-1, |fd| fd.as_raw_fd());
    if keep < first {
        close_range(first, c_int::MAX);
        return;
    }
    if keep > first {
        close_range(first, keep - 1);
    }
    close_range(keep + 1, c_int::MAX);
}

fn close_range(first: c_int, last: c_int) {
    // SAFETY: only called in processes that are about to exec or to do nothing but wait, where no
    // object that owns a descriptor is used or dropped any more.
    unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
}

/// Makes `fd` the standard stream `number`, open across exec.
pub(crate) fn become_stream(fd: BorrowedFd<'_>, number: c_int) -> Result<(), Errno> {
    if fd.as_raw_fd() == number {
        return rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::empty());
    }
    // SAFETY: the standard streams are never owned by an object, so none is closed behind its back.
    check(unsafe { libc::dup2(fd.as_raw_fd(), number) }.into()).map(drop)
}

/// Brings up the interface `lo` of this thread's network namespace.
pub(crate) fn loopback_up() -> Result<(), Errno> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    // SAFETY: all zeroes is a valid value of this plain structure.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[0] = b'l' as c_char;
    request.ifr_name[1] = b'o' as c_char;
    request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
    let request: *mut c_void = (&raw mut request).cast();
    // SAFETY: SIOCSIFFLAGS takes a pointer to an `ifreq` whose name ends in NUL.
    check(unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), libc::SIOCSIFFLAGS as _, request) }.into())
        .map(drop)
}

/// Makes `device` (`/dev/net/tun`, open) the interface `eth0` of this thread's network, up, with the
/// default route through it.
pub(crate) fn add_tunnel(device: BorrowedFd<'_>, tunnel: &crate::Tunnel) -> Result<(), Errno> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
    let mut request = named_request();
    request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short;
    interface_ioctl(device, libc::TUNSETIFF as _, &mut request)?;
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    let socket = socket.as_fd();
    for (operation, address) in [(libc::SIOCSIFADDR, tunnel.address), (libc::SIOCSIFNETMASK, tunnel.netmask)]
    {
        let mut request = named_request();
        request.ifr_ifru.ifru_addr = socket_address(address);
        interface_ioctl(socket, operation as _, &mut request)?;
    }
    let mut request = named_request();
    request.ifr_ifru.ifru_mtu = tunnel.mtu.into();
    interface_ioctl(socket, libc::SIOCSIFMTU as _, &mut request)?;
    let mut request = named_request();
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    interface_ioctl(socket, libc::SIOCSIFFLAGS as _, &mut request)?;
    add_default_route(socket)
}

/// A request about the interface `eth0`.
fn named_request() -> libc::ifreq {
    // SAFETY: all zeroes is a valid value of this plain structure.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"eth0") {
        *to = *from as c_char;
    }
    request
}

fn interface_ioctl(
    descriptor: BorrowedFd<'_>,
    operation: libc::Ioctl,
    request: &mut libc::ifreq,
) -> Result<(), Errno> {
    let request: *mut libc::ifreq = request;
    // SAFETY: all operations used with this take a pointer to an `ifreq` whose name ends in NUL.
    check(unsafe { libc::ioctl(descriptor.as_raw_fd(), operation, request) }.into()).map(drop)
}

fn add_default_route(socket: BorrowedFd<'_>) -> Result<(), Errno> {
    let device = c"eth0";
    // SAFETY: all zeroes is a valid value of this plain structure.
    let mut route: libc::rtentry = unsafe { std::mem::zeroed() };
    route.rt_dst = socket_address(std::net::Ipv4Addr::UNSPECIFIED);
    route.rt_genmask = socket_address(std::net::Ipv4Addr::UNSPECIFIED);
    route.rt_flags = libc::RTF_UP as _;
    route.rt_dev = device.as_ptr().cast_mut();
    let route: *const libc::rtentry = &raw const route;
    // SAFETY: SIOCADDRT takes a pointer to an `rtentry`; the device's name is only read.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCADDRT as _, route) }.into()).map(drop)
}

fn socket_address(address: std::net::Ipv4Addr) -> libc::sockaddr {
    // SAFETY: all zeroes is a valid value of this plain structure.
    let mut socket_address: libc::sockaddr = unsafe { std::mem::zeroed() };
    socket_address.sa_family = libc::AF_INET as libc::sa_family_t;
    // As in `sockaddr_in`: two bytes of port, four of address.
    for (to, from) in socket_address.sa_data[2..6].iter_mut().zip(address.octets()) {
        *to = from as c_char;
    }
    socket_address
}

/// Sets one limit of this process.
pub(crate) fn set_limit(resource: c_int, soft: u64, hard: u64) -> Result<(), Errno> {
    let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
    // SAFETY: the structure is valid for reads.
    check(unsafe { libc::setrlimit(resource as _, &raw const limit) }.into()).map(drop)
}

/// The highest value of one limit that this process may give itself.
pub(crate) fn hard_limit(resource: c_int) -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure is valid for writes.
    unsafe { libc::getrlimit(resource as _, &raw mut limit) };
    limit.rlim_max
}

fn check(result: c_long) -> Result<c_long, Errno> {
    if result < 0 { Err(last_error()) } else { Ok(result) }
}

fn last_error() -> Errno {
    // SAFETY: has no preconditions.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: glibc and musl both keep the calling thread's error number at this address.
    Errno::from_raw_os_error(unsafe { *errno })
}
