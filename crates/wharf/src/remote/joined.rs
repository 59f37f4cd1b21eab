//! What several builders have made, as one: their images in one index, as one builder would have listed them.

use anyhow::Context;
use wharf_build::{Annotation, AnnotationLevel, BuildRequest, ImageOptions};
use wharf_layer::Family;
use wharf_oci::{Descriptor, Index, MediaType, Platform, media};
use wharf_registry::{Document, Layout};

use super::product::Product;
use super::share::Made;
use crate::exit::Failure;
use crate::local;

/// Joins them; one alone is what it is.
pub(super) fn join(store: &Layout, request: &BuildRequest, mut made: Vec<Made>) -> Result<Made, Failure> {
    let Some(mut all) = made.pop() else { return Err(anyhow::anyhow!("nothing was built").into()) };
    if made.is_empty() {
        return Ok(all);
    }
    for (place, (options, image)) in all.product.images.iter_mut().enumerate() {
        let parts = made.iter().filter_map(|made| made.product.images.get(place));
        let mut parts: Vec<Descriptor> = parts.map(|(_, image)| image.clone()).collect();
        parts.push(image.clone());
        *image = index(store, &parts, &request.platforms, options)?;
    }
    for Made { product: Product { answer, .. }, counts } in made {
        for (name, value) in answer {
            all.product.answer.entry(name).or_insert(value);
        }
        all.counts.add(counts);
    }
    Ok(all)
}

/// An index of the images of `parts`, in the order of `platforms`, and behind them what is said of them.
fn index(
    store: &Layout,
    parts: &[Descriptor],
    platforms: &[Platform],
    options: &ImageOptions,
) -> Result<Descriptor, Failure> {
    let (mut images, mut attestations) = (Vec::new(), Vec::new());
    for part in parts {
        for entry in entries(store, part)? {
            match entry.platform.as_ref().filter(|platform| platform.os != "unknown") {
                Some(_) => images.push(entry),
                None => attestations.push(entry),
            }
        }
    }
    // Some builders say the variant that is meant anyway.
    let normal = |platform: &Platform| {
        Platform::new(&platform.os, &platform.architecture, platform.variant.as_deref())
    };
    let place = |entry: &Descriptor| {
        let platform = entry.platform.as_ref().map(normal);
        platforms.iter().position(|wanted| Some(wanted) == platform.as_ref()).unwrap_or(platforms.len())
    };
    images.sort_by_key(place);
    for image in &mut images {
        let said = Annotation::at(
            &options.annotations,
            AnnotationLevel::ManifestDescriptor,
            image.platform.as_ref(),
        );
        image.annotations.extend(said);
    }
    let is_docker = options.family == Family::Docker && attestations.is_empty();
    let mut index = Index::new(images.into_iter().chain(attestations).collect());
    index.annotations = Annotation::at(&options.annotations, AnnotationLevel::Index, None);
    if is_docker {
        index.media_type = Some(MediaType::from(media::DOCKER_MANIFEST_LIST));
    }
    let document = Document::of_index(&index);
    store.put(&document.bytes)?;
    Ok(document.descriptor)
}

/// The entries of an index; of a lone image, the one that an index would have for it.
fn entries(store: &Layout, part: &Descriptor) -> Result<Vec<Descriptor>, Failure> {
    if media::is_index(&part.media_type) {
        let index: Index = serde_json::from_slice(&store.read(&part.digest)?).context("reading an index")?;
        return Ok(index.manifests);
    }
    let config = local::open(store, part, &Platform::host())?.config;
    let platform = Platform::new(&config.os, &config.architecture, config.variant.as_deref());
    Ok(vec![Descriptor { platform: Some(platform), ..part.clone() }])
}
