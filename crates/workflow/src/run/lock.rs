//! `concurrency`: one holder of a group at a time, also among several wharfs on this machine.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use sha2::{Digest, Sha256};

use super::stop::Stop;

/// Held until it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    _file: File,
}

/// Waits for the group. With `cancel`, whoever holds it is asked to stop.
///
/// # Errors
/// The lock's file cannot be used, or the run was stopped while it waited.
pub(crate) fn acquire(
    state: &Path,
    group: &str,
    cancel: bool,
    stop: &Stop,
    waiting: &mut dyn FnMut(),
) -> Result<Held, String> {
    let name: String = Sha256::digest(group).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let directory = state.join("concurrency");
    let path = directory.join(name);
    let failed = |error: std::io::Error| format!("the lock {}: {error}", path.display());
    std::fs::create_dir_all(&directory).map_err(failed)?;
    let mut file =
        File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
    let mut told = false;
    while flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        if !told {
            waiting();
            told = true;
            if cancel {
                ask_holder(&mut file);
            }
        }
        if stop.asked() {
            return Err(format!("stopped while it waited for the concurrency group `{group}`"));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let _ =
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| write!(file, "{}", std::process::id()));
    Ok(Held { _file: file })
}

/// Interrupts the process that holds the lock, unless it is this one.
fn ask_holder(file: &mut File) {
    let mut text = String::new();
    let _ = file.rewind().and_then(|()| file.read_to_string(&mut text));
    let pid = text.trim().parse::<i32>().ok().filter(|pid| *pid != std::process::id() as i32);
    if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
    }
}
