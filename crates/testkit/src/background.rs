//! A runtime of its own for each server, so that servers work beside tests of any kind.

use std::future::Future;
use std::net::SocketAddr;

use tokio::net::TcpListener;

/// A server on a free port of loopback; it ends when dropped.
#[derive(Debug)]
pub(crate) struct Background {
    pub(crate) address: SocketAddr,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Background {
    /// Runs the future that `serve` makes of a listener.
    pub(crate) fn start<F>(serve: impl FnOnce(TcpListener) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime for a test server");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port on loopback");
        listener.set_nonblocking(true).expect("a listener that does not block");
        let address = listener.local_addr().expect("the listener's address");
        let guard = runtime.enter();
        let listener = TcpListener::from_std(listener).expect("a listener of the runtime");
        runtime.spawn(serve(listener));
        drop(guard);
        Self { address, runtime: Some(runtime) }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
