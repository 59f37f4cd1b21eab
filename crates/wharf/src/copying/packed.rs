//! What docker wrote plain goes compressed: an archive of its first form holds bare tars and no manifest, so there
//! is no digest that would pin its layers to the bytes they lie there in. What has a manifest stays as it is.

use std::sync::Arc;

use anyhow::Context;
use wharf_layer::{Compression, Family, WriteOptions};
use wharf_oci::{Descriptor, Digest, Manifest, MediaType};
use wharf_registry::{Archive, Document, Layout, Listed, Origin, Pending, Source};

use crate::exit::Failure;

/// An archive, and beside it its images with compressed layers.
pub(crate) struct Packed {
    archive: Archive,
    packed: Layout,
}

impl Packed {
    /// The images of `listed` as they are to travel; what has to be compressed for that goes into `layout`, where
    /// it has no name and is pruned sooner or later.
    pub(crate) async fn of(
        archive: Archive,
        mut listed: Vec<Listed>,
        layout: Layout,
    ) -> Result<(Self, Vec<Listed>), Failure> {
        for image in &mut listed {
            if archive.is_without_manifest(&image.descriptor.digest) {
                image.descriptor = pack(&archive, &image.descriptor, &layout).await?;
            }
        }
        Ok((Self { archive, packed: layout }, listed))
    }

    fn origin(&self, digest: &Digest) -> &dyn Origin {
        if self.packed.has(digest) { &self.packed } else { &self.archive }
    }
}

impl Origin for Packed {
    fn document<'a>(&'a self, descriptor: &'a Descriptor) -> Pending<'a, Document> {
        self.origin(&descriptor.digest).document(descriptor)
    }

    fn content(&self, descriptor: &Descriptor) -> Arc<dyn Source> {
        self.origin(&descriptor.digest).content(descriptor)
    }
}

/// The image with its plain layers compressed, in the layout.
async fn pack(archive: &Archive, image: &Descriptor, layout: &Layout) -> Result<Descriptor, Failure> {
    let document = archive.document(image).await?;
    let mut manifest: Manifest = serde_json::from_slice(&document.bytes).context("reading a manifest")?;
    for layer in &mut manifest.layers {
        if layer.media_type != MediaType::ImageLayer {
            continue;
        }
        let (archive, layout, plain) = (archive.clone(), layout.clone(), layer.clone());
        let work = tokio::task::spawn_blocking(move || compress(&archive, &plain, &layout));
        *layer = work.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
    }
    let document = Document::of_manifest(&manifest);
    layout.put(&document.bytes)?;
    Ok(document.descriptor)
}

fn compress(archive: &Archive, layer: &Descriptor, layout: &Layout) -> Result<Descriptor, Failure> {
    let context = || format!("compressing layer {} of {}", layer.digest, archive.path().display());
    let options = WriteOptions::default();
    let reader = archive.reader(layer).with_context(context)?;
    let (writer, info) = wharf_layer::recompress(reader, layout.writer()?, &options).with_context(context)?;
    writer.commit(Some(&info.digest))?;
    let media_type = Compression::default().media_type(Family::Oci);
    Ok(Descriptor::new(media_type, info.digest, info.size))
}
