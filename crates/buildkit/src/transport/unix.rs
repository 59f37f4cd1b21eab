//! A socket of this machine.

use std::io;
use std::path::Path;

use tokio::net::UnixStream;

use super::Stream;

pub(super) async fn dial(path: &Path) -> io::Result<Box<dyn Stream>> {
    Ok(Box::new(UnixStream::connect(path).await?))
}
