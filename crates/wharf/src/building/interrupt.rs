//! Ctrl-C and SIGTERM during a build: what runs is killed, and what was begun is removed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use wharf_build::Engine;

use crate::exit::{Exit, Failure};
use crate::world::World;

/// What a shell makes of a process that SIGINT has ended.
const INTERRUPTED: u8 = 130;
/// How long a build may take to end by itself. A transfer cannot be stopped halfway, and what it leaves is
/// resumed or removed by the next wharf.
const GRACE: Duration = Duration::from_secs(3);

/// Watches for signals while it lives.
pub(super) struct Watch {
    interrupted: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Watch {
    /// Lets signals stop the builds of `engine`.
    pub(super) fn start(world: &World, engine: &Engine) -> Self {
        let interrupted = Arc::new(AtomicBool::new(false));
        let (stop, progress, flag) = (engine.interrupter(), world.progress.clone(), interrupted.clone());
        let task = world.runtime.spawn(async move {
            let (Ok(mut interrupt), Ok(mut terminate)) =
                (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
            else {
                return;
            };
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
            flag.store(true, Ordering::Relaxed);
            stop();
            progress.note("interrupted; stopping what runs");
            tokio::select! { _ = interrupt.recv() => {}, () = tokio::time::sleep(GRACE) => {} }
            std::process::exit(INTERRUPTED.into());
        });
        Self { interrupted, task }
    }

    /// The failure of a build, which is no fault of its own where it was interrupted.
    pub(super) fn explain(&self, failure: Failure) -> Failure {
        match self.interrupted.load(Ordering::Relaxed) {
            true => Failure::new(Exit::Process(INTERRUPTED), anyhow::anyhow!("the build was interrupted"))
                .hint("run it again: the steps that were done are not repeated"),
            false => failure,
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}
