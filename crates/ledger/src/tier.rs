//! How entries are committed: what a registry can promise, found by trying it.
//!
//! Tags are registers that anybody may overwrite, and registers cannot elect a winner among writers that may
//! stop at any moment. So a log is on one of three tiers, chosen once and recorded in its first entry.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use wharf_oci::{Descriptor, Manifest, MediaType, digest};
use wharf_registry::{Cause, Condition, Document, Name, Store};

use crate::name::LogName;

/// How a claim on a slot becomes final.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "tier")]
pub enum Tier {
    /// The registry creates tags atomically and only once.
    #[serde(rename = "T1")]
    Atomic,
    /// A git ref decides: a push that is no fast-forward is refused.
    #[serde(rename = "T2")]
    Git {
        /// The repository with the ref.
        remote: String,
    },
    /// Time decides: every claim arrives within the deadline after its writer looked, and whoever still stands
    /// in the slot after twice that has won.
    #[serde(rename = "T3")]
    Timed {
        /// The deadline in milliseconds.
        deadline_ms: u64,
    },
}

impl Tier {
    /// Its short name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Atomic => "T1",
            Self::Git { .. } => "T2",
            Self::Timed { .. } => "T3",
        }
    }

    /// How long after its own look a writer may still claim.
    pub fn deadline(&self) -> Option<Duration> {
        match self {
            Self::Timed { deadline_ms } => Some(Duration::from_millis(*deadline_ms)),
            _ => None,
        }
    }
}

impl std::fmt::Display for Tier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Atomic => write!(f, "T1 (the registry creates tags atomically)"),
            Self::Git { remote } => write!(f, "T2 (a git ref in {remote} decides)"),
            Self::Timed { deadline_ms } => write!(f, "T3 (claims within {deadline_ms} ms decide)"),
        }
    }
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probed {
    /// The tier that the registry can be trusted with.
    pub tier: Tier,
    /// What was seen, in a sentence.
    pub why: String,
}

/// How many writers race for one tag in a probe.
const RACERS: usize = 20;
/// The shortest and the longest deadline of a timed claim.
const DEADLINE: (Duration, Duration) = (Duration::from_millis(400), Duration::from_secs(15));
/// How many times the slowest answer of the probe a claim may take.
const SLACK: u32 = 25;

/// Tries what the store does with a second creation of a tag, and with twenty at once.
///
/// A probe can refute that creation is atomic, and never prove it; what it cannot refute is taken for atomic.
///
/// # Errors
///
/// When the store fails at something else.
pub async fn probe(store: &Arc<dyn Store>, log: &LogName, nonce: &str) -> wharf_registry::Result<Probed> {
    let scratch = |what: &str| format!("wharf.{log}.probe.{what}.{nonce}");
    let config = bytes::Bytes::from_static(b"{}");
    store.put_blob(&Descriptor::of(MediaType::EmptyJSON, &config), &config).await?;

    let mut slowest = Duration::ZERO;
    let (first, second) = (marker(nonce, "first"), marker(nonce, "second"));
    let tag = scratch("once");
    let mut made = vec![first.clone(), second.clone()];
    timed(&mut slowest, claim(store.as_ref(), &tag, &first)).await?;
    let refused = !timed(&mut slowest, claim(store.as_ref(), &tag, &second)).await?;
    let stands = timed(&mut slowest, store.head(Name::Tag(&tag))).await?;
    let kept = stands.is_some_and(|found| found.digest == first.descriptor.digest);

    let verdict = if !refused || !kept {
        Err("it overwrites a tag that exists, whatever the request's conditions".to_owned())
    } else {
        race(store, &scratch("race"), nonce, &mut made).await?
    };
    clean(store.as_ref(), &made).await;
    Ok(match verdict {
        Ok(why) => Probed { tier: Tier::Atomic, why },
        Err(why) => {
            let deadline = (slowest * SLACK).clamp(DEADLINE.0, DEADLINE.1);
            let deadline_ms = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
            Probed { tier: Tier::Timed { deadline_ms }, why }
        }
    })
}

async fn race(
    store: &Arc<dyn Store>,
    tag: &str,
    nonce: &str,
    made: &mut Vec<Document>,
) -> wharf_registry::Result<Result<String, String>> {
    let racers: Vec<Document> = (0..RACERS).map(|n| marker(nonce, &format!("racer {n}"))).collect();
    made.extend(racers.iter().cloned());
    let runs = racers.iter().map(|document| claim(store.as_ref(), tag, document));
    let won = futures_util::future::join_all(runs).await;
    let mut winners = Vec::new();
    for (result, document) in won.into_iter().zip(&racers) {
        if result? {
            winners.push(document.descriptor.digest.clone());
        }
    }
    let stands = store.head(Name::Tag(tag)).await?.map(|found| found.digest);
    Ok(match winners.as_slice() {
        [winner] if stands.as_ref() == Some(winner) => {
            Ok(format!("it refused to create a tag again, and {RACERS} writers at once had one winner"))
        }
        winners => Err(format!("{} of {RACERS} writers at once created the same tag", winners.len())),
    })
}

/// Whether the store took the document under a tag that must be new.
async fn claim(store: &dyn Store, tag: &str, document: &Document) -> wharf_registry::Result<bool> {
    match store.put_manifest(Name::Tag(tag), document, Condition::Claim).await {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.cause(), Cause::Immutable { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

async fn timed<T>(slowest: &mut Duration, work: impl Future<Output = T>) -> T {
    let begin = Instant::now();
    let result = work.await;
    *slowest = (*slowest).max(begin.elapsed());
    result
}

/// A manifest that is nothing but itself.
fn marker(nonce: &str, what: &str) -> Document {
    let mut manifest = Manifest::new(Descriptor::of(MediaType::EmptyJSON, b"{}"), Vec::new());
    // Docker's registry takes a manifest without layers, and some others do not.
    manifest.layers.push(manifest.config.clone());
    manifest.artifact_type = Some("application/vnd.wharf.ledger.probe.v1+json".into());
    manifest.annotations.insert("dev.wharf.probe".into(), format!("{nonce} {what}"));
    debug_assert_eq!(digest::sha256(b"{}"), manifest.config.digest);
    Document::of_manifest(&manifest)
}

/// Takes away what the probe left. A registry that deletes nothing keeps two tags that nobody reads.
async fn clean(store: &dyn Store, made: &[Document]) {
    let deletes = made.iter().map(|document| store.delete(Name::Digest(&document.descriptor.digest)));
    let _ = futures_util::future::join_all(deletes).await;
}
