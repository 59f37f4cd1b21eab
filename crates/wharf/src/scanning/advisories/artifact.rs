//! Databases as OCI artifacts: one layer that is the file, so that any registry moves them, pinned by digest.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use wharf_oci::{Descriptor, Manifest, MediaType, Platform, Reference, digest};
use wharf_registry::{Condition, Document, Layout, Name};
use wharf_scan::Database;

use crate::commands::registry_failure;
use crate::exit::{Failure, OrFail};
use crate::world::World;

/// The type of the artifact and of its layer.
const ARTIFACT: &str = "application/vnd.wharf.vulndb.v1";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// Pushes the database at `path`; gives its digest.
pub(crate) fn push(path: &Path, to: &Reference, world: &World) -> Result<Descriptor, Failure> {
    let database = Database::open(path)?;
    let parent = world.data_dir.join("tmp");
    std::fs::create_dir_all(&parent)?;
    let directory = tempfile::tempdir_in(parent)?;
    let layout = Layout::open(directory.path().join("layout"))?;
    let mut file = std::fs::File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let mut writer = layout.writer()?;
    std::io::copy(&mut file, &mut writer).with_context(|| format!("reading {}", path.display()))?;
    let mut layer = writer.commit(None)?.descriptor(ARTIFACT);
    layer.annotations.insert("org.opencontainers.image.title".into(), "advisories.wvdb".into());
    let config = layout.put(b"{}")?.descriptor(EMPTY);
    let mut manifest = Manifest::new(config, vec![layer]);
    manifest.artifact_type = Some(MediaType::from(ARTIFACT));
    manifest.annotations.insert("dev.wharf.vulndb.records".into(), database.len().to_string());
    if let Some(as_of) = database.as_of() {
        manifest.annotations.insert("dev.wharf.vulndb.as-of".into(), as_of.to_owned());
    }
    let document = Document::of_manifest(&manifest);
    let descriptor = document.descriptor.clone();
    layout.put_manifest(Name::Digest(&descriptor.digest), &document, Condition::Always)?;
    let tags = vec![to.tag_or_latest().unwrap_or("latest").to_owned()];
    let pushed = wharf_registry::push(&layout, &descriptor, &world.client, to, &tags, &|_| {});
    world.runtime.block_on(pushed).map_err(registry_failure)?;
    Ok(descriptor)
}

/// Pulls a database into `path`; gives the digest of its manifest.
pub(crate) fn pull(from: &Reference, path: &Path, world: &World) -> Result<Descriptor, Failure> {
    let parent = world.data_dir.join("tmp");
    std::fs::create_dir_all(&parent)?;
    let directory = tempfile::tempdir_in(parent)?;
    let layout = Layout::open(directory.path().join("layout"))?;
    let work = async {
        let found = wharf_registry::resolve(&world.client, from, &Platform::host(), &layout).await?;
        for layer in &found.manifest.layers {
            wharf_registry::fetch_blob(&world.client, from, layer, &layout, &|_| {}).await?;
        }
        Ok(found)
    };
    let found = world.runtime.block_on(work).map_err(registry_failure)?;
    let layer = found.manifest.layers.iter().find(|layer| layer.media_type.to_string() == ARTIFACT);
    let layer = layer.ok_or_else(|| anyhow!("{from} is no database of advisories"))?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent)?;
    // Under another name until it is whole, and known to be one that this version reads.
    let whole = tempfile::Builder::new().tempfile_in(parent)?;
    std::fs::copy(layout.path(&layer.digest), whole.path())?;
    Database::open(whole.path())?;
    whole
        .persist(path)
        .map_err(|error| error.error)
        .with_context(|| format!("writing {}", path.display()))?;
    Ok(found.descriptor)
}

/// The file of `oci://…`, fetched where it is not here yet. What is pinned by digest is fetched once.
pub(crate) fn cached(name: &str, world: &World) -> Result<PathBuf, Failure> {
    let reference: Reference = name.strip_prefix("oci://").unwrap_or(name).parse().or_usage()?;
    let key = reference.digest().map_or_else(
        || digest::sha256(reference.to_string().as_bytes()).digest().to_owned(),
        |digest| digest.digest().to_owned(),
    );
    let path = world.data_dir.join("advisories").join(format!("{key}.wvdb"));
    if reference.digest().is_none() || !path.is_file() {
        pull(&reference, &path, world)?;
    }
    Ok(path)
}
