//! Images that have come into the store, written where outputs want them.

use std::path::Path;

use wharf_build::{BuildRequest, OutputKind};
use wharf_oci::{Descriptor, Platform, Reference};
use wharf_registry::{ArchiveWriter, Layout, Origin};

use super::product::{PARALLEL, Product};
use crate::copying::source::for_platform;
use crate::copying::target::Output as ArchiveFile;
use crate::exit::Failure;
use crate::local;

/// Writes every output that is an image, and says of each output which image it is of.
pub(super) async fn outputs(
    store: &Layout,
    request: &BuildRequest,
    product: &Product,
) -> Result<Vec<Descriptor>, Failure> {
    let mut all = Vec::new();
    for output in &request.outputs {
        // An output of files is of the image of the build.
        let Some(made) = product.image(&output.image).or_else(|| product.image(&request.image)) else {
            continue;
        };
        match &output.kind {
            OutputKind::Oci(path) | OutputKind::Docker(path) => {
                archive(store, path, made, matches!(output.kind, OutputKind::Docker(_)), &request.tags)
                    .await?;
            }
            OutputKind::OciDirectory(path) => layout(store, path, made, &request.tags).await?,
            OutputKind::Image | OutputKind::Tar(_) | OutputKind::Local(_) | OutputKind::CacheOnly => {}
        }
        all.push(made.clone());
    }
    Ok(all)
}

/// As an archive; docker's has one platform.
async fn archive(
    store: &Layout,
    path: &Path,
    image: &Descriptor,
    is_docker: bool,
    tags: &[Reference],
) -> Result<(), Failure> {
    let host = Platform::host();
    let document = store.document(image).await?;
    let document = for_platform(store, document, is_docker.then_some(&host)).await?;
    let output = ArchiveFile::create(path)?;
    let mut writer = ArchiveWriter::new(output.open()?, path);
    let names: Vec<String> = tags.iter().map(local::key).collect();
    writer.add(store, document, &names, &|_| {}).await?;
    writer.finish().await?;
    output.keep(path)
}

/// As a directory.
async fn layout(store: &Layout, path: &Path, image: &Descriptor, tags: &[Reference]) -> Result<(), Failure> {
    let layout = Layout::open(path)?;
    let document = store.document(image).await?;
    wharf_registry::copy_to_layout(store, document, &layout, PARALLEL, &|_| {}).await?;
    if tags.is_empty() {
        layout.tag("latest", image)?;
    }
    tags.iter().try_for_each(|tag| layout.tag(&local::key(tag), image))?;
    Ok(())
}
