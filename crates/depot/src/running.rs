//! Serving: on a listener until told to stop, or in the background.

use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;
use std::thread::JoinHandle;

use axum::Router;
use tokio::sync::oneshot;

use crate::depot::{Depot, DepotError};
use crate::tls::TlsListener;

impl Depot {
    /// Serves on `listener` until `shutdown` is done; requests that are under way are finished first.
    pub async fn serve(
        self,
        listener: tokio::net::TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), DepotError> {
        let address = listener.local_addr().map(|address| address.to_string()).unwrap_or_default();
        let tls = self.options.tls.clone();
        let router = Router::new().fallback(move |request| {
            let depot = self.clone();
            async move { depot.handle(request).await }
        });
        let served = match tls {
            None => axum::serve(listener, router).with_graceful_shutdown(shutdown).await,
            Some(tls) => match TlsListener::new(listener, &tls) {
                Ok(listener) => axum::serve(listener, router).with_graceful_shutdown(shutdown).await,
                Err(error) => Err(error),
            },
        };
        served.map_err(|source| DepotError::Serve { address, source })
    }

    /// Serves on `address` from a thread of its own until the result is dropped. Port 0 takes any free port.
    pub fn start(self, address: SocketAddr) -> Result<Running, DepotError> {
        let failed = |source| DepotError::Serve { address: address.to_string(), source };
        let listener = TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, started) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime =
                match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
                    Ok(runtime) => runtime,
                    Err(error) => return drop(ready.send(Err(error))),
                };
            runtime.block_on(async {
                let listener = match tokio::net::TcpListener::from_std(listener) {
                    Ok(listener) => listener,
                    Err(error) => return drop(ready.send(Err(error))),
                };
                // Whoever started us waits for this.
                let _ = ready.send(Ok(()));
                tokio::select! {
                    _ = stopped => {}
                    _ = self.serve(listener, std::future::pending()) => {}
                }
            });
            runtime.shutdown_background();
        });
        started
            .recv()
            .unwrap_or(Ok(()))
            .map_err(|source| DepotError::Serve { address: address.to_string(), source })?;
        Ok(Running { address, stop: Some(stop), thread: Some(thread) })
    }
}

/// A depot that serves in the background. Dropping it ends it, requests under way included.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic in there has been reported where it happened.
            let _ = thread.join();
        }
    }
}
