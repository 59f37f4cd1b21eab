//! Serves a directory, for measuring and for trying other clients: `serve DIRECTORY ADDRESS`.

use std::error::Error;

use wharf_depot::{Depot, Options};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, address] = arguments.as_slice() else {
        return Err("usage: serve DIRECTORY ADDRESS".into());
    };
    let listener = tokio::net::TcpListener::bind(address).await?;
    Depot::open(directory, Options::default())?.serve(listener, std::future::pending()).await?;
    Ok(())
}
