//! How a supervisor is spoken to: frames over a socket in the container's directory. The first frame of a
//! connection is a [`Request`]; what follows depends on it.

use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What a connection is for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Output from now on, and input where it is open; ends with [`Frame::Exit`].
    Attach {
        /// Pass on what it says.
        output: bool,
    },
    /// Runs a further command; as for an attachment, but with the command's own streams.
    Exec(Exec),
    /// Sends a signal. Answered with [`Frame::Started`].
    Kill { signal: i32 },
    /// Gives it another name, which nobody has.
    Rename { name: String },
    /// Asks to stop, and kills after so many seconds; answered when the process has ended.
    Stop { signal: Option<i32>, seconds: Option<u64> },
}

/// A further command in a container.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Exec {
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<String>,
    pub(crate) user: Option<String>,
    pub(crate) workdir: Option<String>,
    pub(crate) tty: bool,
    pub(crate) stdin: bool,
    pub(crate) detach: bool,
    pub(crate) privileged: bool,
}

/// One message.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Frame {
    Request(Request),
    /// Input; none at all is its end.
    Input(Vec<u8>),
    /// The terminal's rows and columns.
    Size(u16, u16),
    Signal(i32),
    /// What was asked for has begun, or is done.
    Started,
    /// It was not possible: an exit code and why.
    Failed(i32, String),
    Output(Vec<u8>),
    Error(Vec<u8>),
    /// It has ended with this code.
    Exit(i32),
}

/// A longer frame is nobody's that speaks this language, in bytes.
const FRAME_MAX: u32 = 16 << 20;

impl Frame {
    fn encode(&self) -> io::Result<(u8, Vec<u8>)> {
        Ok(match self {
            Self::Request(request) => (b'R', serde_json::to_vec(request)?),
            Self::Input(bytes) => (b'I', bytes.clone()),
            Self::Size(rows, columns) => (b'W', [rows.to_le_bytes(), columns.to_le_bytes()].concat()),
            Self::Signal(signal) => (b'K', signal.to_le_bytes().to_vec()),
            Self::Started => (b'S', Vec::new()),
            Self::Failed(code, why) => (b'F', [&code.to_le_bytes(), why.as_bytes()].concat()),
            Self::Output(bytes) => (b'O', bytes.clone()),
            Self::Error(bytes) => (b'E', bytes.clone()),
            Self::Exit(code) => (b'X', code.to_le_bytes().to_vec()),
        })
    }

    fn decode(kind: u8, body: Vec<u8>) -> Option<Self> {
        let number = |bytes: &[u8]| bytes.first_chunk().map(|four| i32::from_le_bytes(*four));
        Some(match kind {
            b'R' => Self::Request(serde_json::from_slice(&body).ok()?),
            b'I' => Self::Input(body),
            b'W' => {
                let (rows, rest) = body.split_first_chunk()?;
                Self::Size(u16::from_le_bytes(*rows), u16::from_le_bytes(*rest.first_chunk()?))
            }
            b'K' => Self::Signal(number(&body)?),
            b'S' => Self::Started,
            b'F' => Self::Failed(number(&body)?, String::from_utf8_lossy(&body[4..]).into_owned()),
            b'O' => Self::Output(body),
            b'E' => Self::Error(body),
            b'X' => Self::Exit(number(&body)?),
            _ => return None,
        })
    }
}

/// Writes one frame, whole.
pub(crate) fn write(mut to: impl Write, frame: &Frame) -> io::Result<()> {
    let (kind, body) = frame.encode()?;
    let length = u32::try_from(body.len()).map_err(io::Error::other)?;
    let mut message = Vec::with_capacity(body.len() + 5);
    message.push(kind);
    message.extend(length.to_le_bytes());
    message.extend(body);
    to.write_all(&message)
}

/// Reads one frame; `None` at the end of the connection, or when it does not speak this language.
pub(crate) fn read(mut from: impl Read) -> io::Result<Option<Frame>> {
    let mut head = [0; 5];
    match from.read_exact(&mut head) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let [kind, length @ ..] = head;
    let length = u32::from_le_bytes(length);
    if length > FRAME_MAX {
        return Ok(None);
    }
    let mut body = vec![0; length as usize];
    from.read_exact(&mut body)?;
    Ok(Frame::decode(kind, body))
}

const SOCKET: &str = "control.sock";

/// Listens in a container's directory.
pub(crate) fn listen(directory: &Path) -> io::Result<UnixListener> {
    let _ = std::fs::remove_file(directory.join(SOCKET));
    short(directory, UnixListener::bind)
}

/// Connects to the supervisor of the container in this directory.
pub(crate) fn connect(directory: &Path) -> io::Result<UnixStream> {
    short(directory, UnixStream::connect)
}

/// A socket's path may have a hundred characters or so, and a directory is where the user wants it.
fn short<T>(directory: &Path, work: impl FnOnce(PathBuf) -> io::Result<T>) -> io::Result<T> {
    let open = std::fs::File::open(directory)?;
    work(PathBuf::from(format!("/proc/self/fd/{}", open.as_raw_fd())).join(SOCKET))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn frames_arrive_as_they_were_sent() {
        let request = Request::Exec(Exec { args: vec!["sh".into()], tty: true, ..Exec::default() });
        let frames = [
            Frame::Request(request),
            Frame::Request(Request::Stop { signal: None, seconds: Some(3) }),
            Frame::Input(vec![]),
            Frame::Size(24, 80),
            Frame::Signal(15),
            Frame::Started,
            Frame::Failed(127, "no".into()),
            Frame::Output(b"\xff\n".to_vec()),
            Frame::Error(b"e".to_vec()),
            Frame::Exit(-1),
        ];
        let mut bytes = Vec::new();
        frames.iter().for_each(|frame| write(&mut bytes, frame).unwrap());
        let mut from = bytes.as_slice();
        for frame in frames {
            assert_eq!(read(&mut from).unwrap(), Some(frame));
        }
        assert_eq!(read(&mut from).unwrap(), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            let mut from = bytes.as_slice();
            while let Ok(Some(_)) = read(&mut from) {}
        }
    }
}
