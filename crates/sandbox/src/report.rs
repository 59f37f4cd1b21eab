//! What a child says to its parent while it makes its surroundings: frames on a pipe that closes when the
//! command runs. The child may not allocate, so frames are written from the stack.

use std::os::fd::BorrowedFd;

use rustix::io::Errno;

/// The longest path the kernel takes, with its NUL.
pub(crate) const PATH_MAX: usize = libc::PATH_MAX as usize;

macro_rules! steps {
    ($($(#[doc = $doc:literal])* $name:ident => $phrase:literal,)*) => {
        /// A step on the way into a sandbox.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Step {
            $($(#[doc = $doc])* $name,)*
        }

        impl Step {
            const ALL: &[Self] = &[$(Self::$name,)*];
        }

        impl std::fmt::Display for Step {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(match self { $(Self::$name => $phrase,)* })
            }
        }
    };
}

steps! {
    /// Creating the process and its namespaces.
    Fork => "creating the namespaces of the sandbox",
    /// Entering the namespaces of a running process.
    Join => "entering the namespaces of the running process",
    /// Telling the warden about the process.
    Register => "putting the sandbox under the warden's watch",
    /// Entering the control group.
    ControlGroup => "moving into the control group",
    /// Cloning the source of a bind mount.
    Source => "opening the source of a mount",
    /// Opening a layer.
    Layer => "opening a layer",
    /// Setting an option of the overlay.
    OverlayOption => "setting up the overlay",
    /// Mounting the overlay.
    Overlay => "mounting the overlay",
    /// Opening the root directory.
    Root => "opening the root file system",
    /// Changing `/`.
    Pivot => "changing to the root file system",
    /// Making `/proc`, `/sys` or `/dev` in the root.
    TopDirectory => "making a directory for a kernel file system",
    /// Mounting `/proc`.
    Proc => "mounting /proc in the sandbox",
    /// Mounting `/sys`.
    Sys => "mounting /sys in the sandbox",
    /// Mounting `/dev` or something in it.
    Dev => "filling /dev in the sandbox",
    /// Hiding or protecting a kernel file.
    Mask => "hiding kernel files",
    /// Creating a mount point.
    MountPoint => "creating the mount point",
    /// Mounting what the caller asked for.
    Mount => "mounting",
    /// Writing a file that exists only in memory.
    File => "making the in-memory file",
    /// Making the root read-only.
    ReadonlyRoot => "making the root file system read-only",
    /// Setting the host name.
    Hostname => "setting the host name",
    /// Bringing up the loopback interface.
    Loopback => "bringing up the loopback interface",
    /// Connecting the standard streams.
    Streams => "connecting the standard streams",
    /// Setting a limit per process.
    Ulimit => "setting a limit",
    /// Entering the working directory.
    Cwd => "entering the working directory",
    /// Giving up capabilities.
    Capabilities => "giving up capabilities",
    /// Loading the system call filter.
    Filter => "loading the system call filter",
    /// Taking on the user's ids.
    User => "taking on the user and group ids",
    /// Starting the command below the init process.
    Init => "starting the init process",
    /// Running the command.
    Exec => "running the command",
}

/// A step that failed, as the child knows it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) step: Step,
    /// Which mount, layer or limit; meaning depends on the step.
    pub(crate) index: usize,
    pub(crate) errno: Errno,
    /// What the kernel said beyond the error number.
    pub(crate) log: Log,
}

impl Failure {
    pub(crate) fn new(step: Step, index: usize, errno: Errno) -> Self {
        Self { step, index, errno, log: Log::default() }
    }
}

/// Names the step in the error of an operation.
pub(crate) trait During<T> {
    fn during(self, step: Step) -> Result<T, Failure>;
    fn during_nth(self, step: Step, index: usize) -> Result<T, Failure>;
}

impl<T> During<T> for Result<T, Errno> {
    fn during(self, step: Step) -> Result<T, Failure> {
        self.during_nth(step, 0)
    }

    fn during_nth(self, step: Step, index: usize) -> Result<T, Failure> {
        self.map_err(|errno| Failure::new(step, index, errno))
    }
}

/// A message of the kernel, cut to what fits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Log {
    bytes: [u8; 100],
    length: u8,
}

impl Default for Log {
    fn default() -> Self {
        Self { bytes: [0; 100], length: 0 }
    }
}

impl Log {
    /// Takes the first message that a mount in the making (fsopen(2)) has for us.
    pub(crate) fn of_mount(context: BorrowedFd<'_>) -> Self {
        let mut message = [0; 256];
        let length = rustix::io::read(context, &mut message[..]).unwrap_or(0);
        Self::of(&message[..length])
    }

    fn of(message: &[u8]) -> Self {
        let mut log = Self::default();
        let length = message.len().min(log.bytes.len());
        log.bytes[..length].copy_from_slice(&message[..length]);
        log.length = length as u8;
        log
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// The message without the level (`e `) that the kernel puts before it.
    pub(crate) fn text(&self) -> Option<String> {
        let text = String::from_utf8_lossy(self.bytes());
        let text = text.trim_end();
        let text = text.strip_prefix("e ").unwrap_or(text);
        (!text.is_empty()).then(|| text.to_owned())
    }
}

/// Metadata of a directory, as far as making a mount point in it may change or reveal it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DirectoryState {
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) modified: Modified,
}

/// A modification time: seconds and nanoseconds.
pub(crate) type Modified = (i64, i64);

/// What the child did to the root file system in order to have a mount point.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Trace {
    /// It went through this directory; `own` says whether the writable layer already had it.
    Passed { path: Vec<u8>, own: bool, state: DirectoryState },
    /// It made this, which gave the directory around it a new modification time.
    Made { path: Vec<u8>, parent_modified: Modified },
}

/// The child's end of the pipe.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reporter<'a> {
    pipe: BorrowedFd<'a>,
}

const FAILED: u8 = 0;
const PASSED: u8 = 1;
const MADE: u8 = 2;

impl<'a> Reporter<'a> {
    pub(crate) fn new(pipe: BorrowedFd<'a>) -> Self {
        Self { pipe }
    }

    /// The pipe, for whoever closes descriptors.
    pub(crate) fn pipe(&self) -> BorrowedFd<'a> {
        self.pipe
    }

    pub(crate) fn failed(&self, failure: &Failure) {
        let mut frame = Frame::new(FAILED);
        frame.number(failure.step as u8 as i64);
        frame.number(failure.index as i64);
        frame.number(failure.errno.raw_os_error().into());
        frame.bytes(failure.log.bytes());
        frame.send(self.pipe);
    }

    pub(crate) fn passed(&self, path: &[u8], own: bool, state: &DirectoryState) {
        let mut frame = Frame::new(PASSED);
        frame.number(own.into());
        frame.number(state.mode.into());
        frame.number(state.uid.into());
        frame.number(state.gid.into());
        frame.number(state.modified.0);
        frame.number(state.modified.1);
        frame.bytes(path);
        frame.send(self.pipe);
    }

    pub(crate) fn made(&self, path: &[u8], parent_modified: Modified) {
        let mut frame = Frame::new(MADE);
        frame.number(parent_modified.0);
        frame.number(parent_modified.1);
        frame.bytes(path);
        frame.send(self.pipe);
    }
}

/// A frame: its kind, numbers of eight bytes, and at the end bytes with their length before them.
struct Frame {
    buffer: [u8; PATH_MAX + 80],
    length: usize,
}

impl Frame {
    fn new(kind: u8) -> Self {
        let mut frame = Self { buffer: [0; PATH_MAX + 80], length: 1 };
        frame.buffer[0] = kind;
        frame
    }

    fn number(&mut self, value: i64) {
        self.put(&value.to_ne_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let bytes = &bytes[..bytes.len().min(PATH_MAX)];
        self.number(bytes.len() as i64);
        self.put(bytes);
    }

    fn put(&mut self, bytes: &[u8]) {
        self.buffer[self.length..self.length + bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }

    fn send(&self, pipe: BorrowedFd<'_>) {
        let mut rest = &self.buffer[..self.length];
        while !rest.is_empty() {
            match rustix::io::write(pipe, rest) {
                Ok(written) => rest = &rest[written..],
                Err(Errno::INTR) => {}
                // The parent is gone, and with it everybody who would want to know.
                Err(_) => return,
            }
        }
    }
}

/// Everything a child has said: what it did, and what went wrong if it got no further.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) traces: Vec<Trace>,
    pub(crate) failure: Option<Failure>,
}

/// Reads the frames of a child that has stopped writing. A frame that was cut short ends the report.
pub(crate) fn parse(bytes: &[u8]) -> Report {
    let mut report = Report::default();
    let mut reader = Reader(bytes);
    while reader.frame(&mut report).is_some() {}
    report
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn frame(&mut self, report: &mut Report) -> Option<()> {
        let (kind, rest) = self.0.split_first()?;
        self.0 = rest;
        match *kind {
            FAILED => {
                let step = *Step::ALL.get(usize::try_from(self.number()?).ok()?)?;
                let index = usize::try_from(self.number()?).ok()?;
                let errno = Errno::from_raw_os_error(i32::try_from(self.number()?).ok()?);
                report.failure = Some(Failure { step, index, errno, log: Log::of(self.bytes()?) });
            }
            PASSED => {
                let own = self.number()? != 0;
                let state = DirectoryState {
                    mode: u32::try_from(self.number()?).ok()?,
                    uid: u32::try_from(self.number()?).ok()?,
                    gid: u32::try_from(self.number()?).ok()?,
                    modified: (self.number()?, self.number()?),
                };
                report.traces.push(Trace::Passed { path: self.bytes()?.to_vec(), own, state });
            }
            MADE => {
                let parent_modified = (self.number()?, self.number()?);
                report.traces.push(Trace::Made { path: self.bytes()?.to_vec(), parent_modified });
            }
            _ => return None,
        }
        Some(())
    }

    fn number(&mut self) -> Option<i64> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(i64::from_ne_bytes(*number))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, pipe};
    use std::os::fd::AsFd;

    use proptest::prelude::*;

    use super::*;

    fn sent(say: impl FnOnce(Reporter<'_>)) -> Vec<u8> {
        let (mut read, write) = pipe().unwrap();
        say(Reporter::new(write.as_fd()));
        drop(write);
        let mut bytes = Vec::new();
        read.read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn what_is_said_is_heard() {
        let state = DirectoryState { mode: 0o40755, uid: 1, gid: u32::MAX, modified: (-5, 999_999_999) };
        let bytes = sent(|reporter| {
            reporter.passed(b"/etc", true, &state);
            reporter.made(b"/etc/hosts", (7, 8));
            let log = Log::of(b"e overlay: no\n");
            reporter.failed(&Failure { log, ..Failure::new(Step::Overlay, 3, Errno::INVAL) });
        });
        let Report { traces, failure } = parse(&bytes);
        let passed = Trace::Passed { path: b"/etc".to_vec(), own: true, state };
        let made = Trace::Made { path: b"/etc/hosts".to_vec(), parent_modified: (7, 8) };
        assert_eq!(traces, [passed, made]);
        let failure = failure.unwrap();
        assert_eq!((failure.step, failure.index, failure.errno), (Step::Overlay, 3, Errno::INVAL));
        assert_eq!(failure.log.text().as_deref(), Some("overlay: no"));
    }

    #[test]
    fn the_longest_path_fits_a_frame() {
        let path = vec![b'x'; PATH_MAX];
        let bytes = sent(|reporter| reporter.made(&path, (0, 0)));
        assert_eq!(parse(&bytes).traces, [Trace::Made { path, parent_modified: (0, 0) }]);
    }

    #[test]
    fn a_child_that_dies_while_speaking_is_heard_up_to_there() {
        let bytes = sent(|reporter| {
            reporter.made(b"/a", (0, 0));
            reporter.made(b"/b", (0, 0));
        });
        assert_eq!(parse(&bytes[..bytes.len() - 1]).traces.len(), 1);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>, kind in 0_u8..4) {
            parse(&[&[kind], bytes.as_slice()].concat());
        }
    }
}
