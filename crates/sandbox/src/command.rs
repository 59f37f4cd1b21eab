//! The last steps before exec, the same for a new sandbox and for a further command in a running one:
//! streams, limits, ids, capabilities, filter.

use std::borrow::Cow;
use std::ffi::{CStr, CString, c_char, c_int};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::io::Errno;
use rustix::process::{chdir, setsid};
use rustix::thread::{
    CapabilitySet, Gid, Timespec, Uid, nanosleep, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

use crate::ids::{IdMap, Privilege};
use crate::report::{During, Failure, Reporter, Step};
use crate::streams::{self, Pipes, Stream};
use crate::sys::SignalSet;
use crate::{
    Capabilities, Error, Resource, Security, Stdio, Ulimit, User, capability, init, path, seccomp, sys,
    terminal,
};

/// What a command is made of, as [`Spec`](crate::Spec) and [`ExecSpec`](crate::ExecSpec) share it.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) args: &'a [String],
    pub(crate) env: &'a [(String, String)],
    pub(crate) cwd: &'a Path,
    pub(crate) user: &'a User,
    pub(crate) stdio: [&'a Stdio; 3],
    pub(crate) terminal: bool,
    pub(crate) ulimits: &'a [Ulimit],
    pub(crate) security: Security,
    pub(crate) capabilities: Capabilities,
    /// Whether a system call filter can be loaded.
    pub(crate) filtered: bool,
    pub(crate) init: bool,
}

/// A command ready to be run without allocating.
#[derive(Debug)]
pub(crate) struct Command {
    /// Where the program may be, in the order to be tried.
    programs: Vec<CString>,
    argv: Strings,
    envp: Strings,
    cwd: CString,
    uid: Uid,
    gid: Gid,
    /// `None` where the namespace forbids to change them.
    groups: Option<Vec<Gid>>,
    streams: [Stream; 3],
    /// Where the other end of a terminal goes, which then takes the place of the streams.
    terminal: Option<OwnedFd>,
    limits: Vec<Limit>,
    /// What is kept of root's power.
    keep: CapabilitySet,
    /// `None` where every call is allowed, or no filter can be loaded.
    filter: Option<Cow<'static, [seccomp::Instruction]>>,
    init: bool,
}

#[derive(Debug)]
struct Limit {
    resource: c_int,
    soft: u64,
    hard: u64,
}

impl Command {
    pub(crate) fn new(request: &Request<'_>, ids: &IdMap) -> Result<(Self, Pipes), Error> {
        ids.check(request.user)?;
        let (streams, mut pipes) = match request.terminal {
            true => streams::open([&Stdio::Null; 3])?,
            false => streams::open(request.stdio)?,
        };
        let mut terminal = None;
        if request.terminal {
            let (ours, its) = terminal::socket()?;
            (pipes.terminal, terminal) = (Some(ours), Some(its));
        }
        let confined = request.security == Security::Default;
        // As in containerd, the group itself is one of them: a file that shuts it out shuts the process out.
        let first = Some(request.user.gid).filter(|gid| !request.user.groups.contains(gid));
        let groups = first.iter().chain(&request.user.groups).map(|gid| Gid::from_raw(*gid)).collect();
        let envp = request.env.iter().map(|(name, value)| format!("{name}={value}"));
        let command = Self {
            programs: programs(request)?,
            argv: Strings::new(request.args.iter().cloned(), "an argument")?,
            envp: Strings::new(envp, "a variable")?,
            cwd: path::c_absolute(request.cwd)?,
            uid: Uid::from_raw(request.user.uid),
            gid: Gid::from_raw(request.user.gid),
            groups: ids.can_set_groups().then_some(groups),
            streams,
            terminal,
            limits: request.ulimits.iter().map(|ulimit| limit(ulimit, ids)).collect(),
            keep: if confined { request.capabilities.set() } else { CapabilitySet::all() },
            filter: (confined && request.filtered).then(|| seccomp::filter(request.capabilities.set())),
            init: request.init,
        };
        Ok((command, pipes))
    }

    /// Turns the child into the command. Returns only if that failed.
    pub(crate) fn become_it(&self, reporter: Reporter<'_>) -> Failure {
        match self.prepare(reporter) {
            Ok(()) => Failure::new(Step::Exec, 0, self.exec()),
            Err(failure) => failure,
        }
    }

    fn prepare(&self, reporter: Reporter<'_>) -> Result<(), Failure> {
        setsid().during(Step::Streams)?;
        self.connect_streams().during(Step::Streams)?;
        // Before the directory is entered: were a directory of the host still open, the image could
        // name it as its working directory by way of /proc/self/fd.
        sys::close_from(3, Some(reporter.pipe()));
        chdir(self.cwd.as_c_str()).during(Step::Cwd)?;
        for (index, limit) in self.limits.iter().enumerate() {
            sys::set_limit(limit.resource, limit.soft, limit.hard).during_nth(Step::Ulimit, index)?;
        }
        capability::bound(self.keep).during(Step::Capabilities)?;
        if let Some(filter) = &self.filter {
            // From here on only calls that the filter lets pass; and before the ids change, because
            // loading it is a privilege.
            sys::load_filter(filter).during(Step::Filter)?;
        }
        self.take_ids().during(Step::User)?;
        sys::reset_signals();
        if self.init {
            init::start(self.terminal.is_some()).during(Step::Init)?;
        }
        SignalSet::empty().block_exactly();
        Ok(())
    }

    fn connect_streams(&self) -> Result<(), Errno> {
        if let Some(socket) = &self.terminal {
            return terminal::take(socket.as_fd(), self.uid);
        }
        for (number, stream) in (0..).zip(&self.streams) {
            if let Stream::Pipe(pipe) = stream {
                // Where one id is all there is, it is the owner's already.
                let _ = rustix::fs::fchown(pipe, Some(self.uid), None);
            }
            sys::become_stream(stream.as_fd(), number)?;
        }
        Ok(())
    }

    fn take_ids(&self) -> Result<(), Errno> {
        if let Some(groups) = &self.groups {
            set_thread_groups(groups)?;
        }
        set_thread_res_gid(self.gid, self.gid, self.gid)?;
        set_thread_res_uid(self.uid, self.uid, self.uid)
    }

    /// As a shell does it: the first that can be run; that one may not be is worth telling only if
    /// there is no other.
    fn exec(&self) -> Errno {
        let mut answer = Errno::NOENT;
        for program in &self.programs {
            match self.exec_program(program) {
                Errno::NOENT | Errno::NOTDIR => {}
                Errno::ACCESS => answer = Errno::ACCESS,
                other => return other,
            }
        }
        answer
    }

    /// A program that this process has just written is busy for as long as some other child, forked
    /// meanwhile, still has the descriptor it was written through.
    fn exec_program(&self, program: &CStr) -> Errno {
        const PATIENCE: usize = 200;
        const MOMENT: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };
        for _ in 0..PATIENCE {
            // SAFETY: both arrays end in a null pointer, and what they point to lives in `self`.
            match unsafe { sys::exec(program, &self.argv.pointers, &self.envp.pointers) } {
                Errno::TXTBSY => drop(nanosleep(&MOMENT)),
                other => return other,
            }
        }
        Errno::TXTBSY
    }
}

/// Docker's search path for images that set none.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

fn programs(request: &Request<'_>) -> Result<Vec<CString>, Error> {
    let name = request.args.first().filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Error::Invalid("there is no command".to_owned()))?;
    if name.contains('/') {
        return Ok(vec![path::c_string(name, "the command")?]);
    }
    let path = request.env.iter().find(|(variable, _)| variable == "PATH");
    let path = path.map_or(DEFAULT_PATH, |(_, value)| value);
    path.split(':').map(|directory| path::c_string(Path::new(directory).join(name), "the command")).collect()
}

fn limit(ulimit: &Ulimit, ids: &IdMap) -> Limit {
    let resource = number(ulimit.resource);
    let may_raise = ids.privilege() == Privilege::Full && capability::has(CapabilitySet::SYS_RESOURCE);
    let highest = if may_raise { libc::RLIM_INFINITY } else { sys::hard_limit(resource) };
    let hard = ulimit.hard.unwrap_or(libc::RLIM_INFINITY).min(highest);
    Limit { resource, soft: ulimit.soft.unwrap_or(libc::RLIM_INFINITY).min(hard), hard }
}

fn number(resource: Resource) -> c_int {
    let number = match resource {
        Resource::Core => libc::RLIMIT_CORE,
        Resource::Cpu => libc::RLIMIT_CPU,
        Resource::Data => libc::RLIMIT_DATA,
        Resource::Fsize => libc::RLIMIT_FSIZE,
        Resource::Locks => libc::RLIMIT_LOCKS,
        Resource::Memlock => libc::RLIMIT_MEMLOCK,
        Resource::Msgqueue => libc::RLIMIT_MSGQUEUE,
        Resource::Nice => libc::RLIMIT_NICE,
        Resource::Nofile => libc::RLIMIT_NOFILE,
        Resource::Nproc => libc::RLIMIT_NPROC,
        Resource::Rss => libc::RLIMIT_RSS,
        Resource::Rtprio => libc::RLIMIT_RTPRIO,
        Resource::Rttime => libc::RLIMIT_RTTIME,
        Resource::Sigpending => libc::RLIMIT_SIGPENDING,
        Resource::Stack => libc::RLIMIT_STACK,
    };
    number as c_int
}

/// Strings as exec takes them: an array of pointers with a null pointer at its end.
#[derive(Debug)]
struct Strings {
    pointers: Vec<*const c_char>,
    /// What the pointers point to; a `CString` keeps its place when it is moved.
    _owner: Vec<CString>,
}

// SAFETY: the pointers are only read, and what they point to is owned here and never changes.
unsafe impl Sync for Strings {}

impl Strings {
    fn new(strings: impl Iterator<Item = String>, what: &str) -> Result<Self, Error> {
        let owner: Vec<CString> =
            strings.map(|string| path::c_string(string, what)).collect::<Result<_, _>>()?;
        let end = std::iter::once(std::ptr::null());
        let pointers = owner.iter().map(|string| string.as_ptr()).chain(end).collect();
        Ok(Self { pointers, _owner: owner })
    }
}
