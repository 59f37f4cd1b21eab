//! Answering those who connect to a supervisor: a thread each.

use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::exec::{self, Running};
use super::supervise::Supervisor;
use super::wire::{self, Exec, Frame, Request};
use super::{signal, sinks::Sinks};

/// Docker's patience with a container that is asked to stop.
const GRACE: Duration = Duration::from_secs(10);

/// Answers everybody, until the process of the supervisor ends.
pub(crate) fn serve(listener: UnixListener, supervisor: Arc<Supervisor>) {
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let supervisor = supervisor.clone();
            std::thread::spawn(move || {
                // Whoever breaks off or speaks nonsense gets no answer.
                let _ = answer(stream, &supervisor);
            });
        }
    });
}

fn answer(stream: UnixStream, supervisor: &Supervisor) -> std::io::Result<()> {
    let Some(Frame::Request(request)) = wire::read(&stream)? else { return Ok(()) };
    match request {
        Request::Attach { output } => attach(stream, supervisor, output),
        Request::Exec(exec) => run(&stream, supervisor, &exec),
        Request::Kill { signal } => {
            if signal == signal::KILL {
                supervisor.stay_down();
            }
            let sent = supervisor.running().map(|running| running.process.kill(signal));
            wire::write(&stream, &reply(sent))
        }
        Request::Rename { name } => {
            supervisor.rename(name);
            wire::write(&stream, &Frame::Started)
        }
        Request::Stop { signal, seconds } => {
            supervisor.stay_down();
            let grace = seconds.or(supervisor.stop_timeout()).map_or(GRACE, Duration::from_secs);
            let stopped = supervisor.running().map(|running| stop(&running, signal, grace));
            supervisor.sinks().wait();
            wire::write(&stream, &reply(stopped))
        }
    }
}

fn reply(done: Option<Result<(), wharf_sandbox::Error>>) -> Frame {
    match done {
        Some(Err(error)) => Frame::Failed(1, error.to_string()),
        _ => Frame::Started,
    }
}

fn stop(running: &Running, signal: Option<i32>, grace: Duration) -> Result<(), wharf_sandbox::Error> {
    match signal {
        None => running.process.stop(grace).map(drop),
        Some(signal) => {
            running.process.kill(signal)?;
            if running.process.wait_timeout(grace)?.is_none() {
                running.process.kill(signal::KILL)?;
            }
            Ok(())
        }
    }
}

fn attach(stream: UnixStream, supervisor: &Supervisor, output: bool) -> std::io::Result<()> {
    wire::write(&stream, &Frame::Started)?;
    supervisor.sinks().add(stream.try_clone()?, output);
    while let Some(frame) = wire::read(&stream)? {
        let Some(running) = supervisor.running() else { continue };
        pass(&running, frame);
    }
    Ok(())
}

fn pass(running: &Running, frame: Frame) {
    match frame {
        Frame::Input(bytes) => running.input(&bytes),
        Frame::Size(rows, columns) => running.resize(rows, columns),
        // A process that has ended meanwhile needs no signal.
        Frame::Signal(signal) => drop(running.process.kill(signal)),
        _ => {}
    }
}

fn run(stream: &UnixStream, supervisor: &Supervisor, exec: &Exec) -> std::io::Result<()> {
    let failed = |code, why: String| wire::write(stream, &Frame::Failed(code, why));
    let Some(beside) = supervisor.running() else { return failed(1, "container is not running".into()) };
    let spec = match exec::spec(exec, &beside, supervisor.spec()) {
        Ok(spec) => spec,
        Err(failure) => return failed(126, failure.error.to_string()),
    };
    let process = match beside.process.exec(&spec) {
        Ok(process) => process,
        Err(error) => return failed(exec::start_code(&error), error.to_string()),
    };
    let (running, output) = Running::new(process)?;
    wire::write(stream, &Frame::Started)?;
    let listeners = Sinks::default();
    if !exec.detach {
        listeners.add(stream.try_clone()?, true);
    }
    let say = listeners.clone();
    let readers = output.follow(move |name, bytes| match bytes {
        [] => {}
        bytes => say.say(&exec::frame(name, bytes)),
    });
    let running = Arc::new(running);
    let inner = running.clone();
    let incoming = stream.try_clone()?;
    std::thread::spawn(move || {
        while let Ok(Some(frame)) = wire::read(&incoming) {
            pass(&inner, frame);
        }
    });
    let code = running.process.wait().map_or(255, exec::exit_code);
    // What it left running may hold its output open; all that was said by now is said.
    let patience = Instant::now() + Duration::from_secs(1);
    while readers.iter().any(|reader| !reader.is_finished()) && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(2));
    }
    listeners.end(code);
    Ok(())
}
