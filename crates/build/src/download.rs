//! Files from URLs, by way of the store: what a server says is unchanged is not fetched again.

use std::fs::File;

use jiff::fmt::rfc2822;
use wharf_oci::Digest;
use wharf_registry::Validators;

use crate::engine::Engine;
use crate::error::{Cause, StepError};
use crate::event::{Event, Events};
use crate::state::Download;
use crate::tree::Moment;

/// A file that is in the store.
#[derive(Debug, Clone)]
pub(crate) struct Downloaded {
    /// The sha256 digest of its bytes.
    pub(crate) digest: Digest,
    /// When the server says it was changed.
    pub(crate) modified: Option<Moment>,
}

impl Downloaded {
    /// Opens the file.
    pub(crate) fn open(&self, engine: &Engine) -> Result<File, StepError> {
        Ok(engine.store.open_blob(&self.digest)?)
    }
}

/// Downloads `url`, whose content must have the digest `checksum` where one is given. What is known by its
/// checksum is not asked for.
pub(crate) fn download(
    engine: &Engine,
    url: &str,
    checksum: Option<&Digest>,
    events: Events<'_>,
) -> Result<Downloaded, StepError> {
    let known = engine.state.download(url)?.filter(|known| engine.store.has(&known.digest));
    if let Some(known) = known.as_ref().filter(|known| checksum == Some(&known.digest)) {
        return Ok(downloaded(known));
    }
    let validators = match &known {
        Some(known) => Validators { etag: known.etag.as_deref(), modified: known.modified.as_deref() },
        None => Validators::default(),
    };
    let progress = |event| {
        if let wharf_registry::Event::Retrying { what, cause, .. } = event {
            events(Event::Note { text: format!("{what}: {cause}; trying again") });
        }
    };
    let fetch = wharf_registry::download(&engine.client, url, validators, &engine.store, &progress);
    let now = match (engine.runtime.block_on(fetch)?, known) {
        (wharf_registry::Download::Unchanged, Some(known)) => known,
        (wharf_registry::Download::Unchanged, None) => {
            return Err(
                Cause::Refused(format!("{url} answered that a file is unchanged which is not here")).into()
            );
        }
        (wharf_registry::Download::File { content, etag, modified }, _) => {
            Download { digest: content.digest, etag, modified }
        }
    };
    engine.state.keep_download(url, &now)?;
    match checksum {
        Some(expected) if *expected != now.digest => Err(Cause::Checksum {
            what: url.to_owned(),
            expected: expected.to_string(),
            found: now.digest.to_string(),
        }
        .into()),
        _ => Ok(downloaded(&now)),
    }
}

fn downloaded(known: &Download) -> Downloaded {
    let time = known.modified.as_deref().and_then(|text| rfc2822::parse(text).ok());
    let modified = time.map(|time| Moment { seconds: time.timestamp().as_second(), nanoseconds: 0 });
    Downloaded { digest: known.digest.clone(), modified }
}
