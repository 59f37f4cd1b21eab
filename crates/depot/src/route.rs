//! What a request is about: repository names contain slashes, so paths are taken apart from both ends
//! (distribution-spec 1.1, "Endpoints").

use wharf_oci::{Digest, Reference, is_valid_tag};

use crate::problem::{Code, Problem};

/// The path of a request, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// `/v2/`
    Base,
    /// `/v2/_catalog`
    Catalog,
    /// `/v2/<name>/tags/list`
    Tags(String),
    /// `/v2/<name>/manifests/<tag or digest>`
    Manifest(String, Wanted),
    /// `/v2/<name>/blobs/<digest>`
    Blob(String, Digest),
    /// `/v2/<name>/blobs/uploads/`
    Uploads(String),
    /// `/v2/<name>/blobs/uploads/<id>`
    Upload(String, String),
    /// `/v2/<name>/referrers/<digest>`
    Referrers(String, Digest),
}

/// How a manifest is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    Tag(String),
    Digest(Digest),
}

impl Route {
    pub(crate) fn parse(path: &str) -> Result<Self, Problem> {
        let rest = match path.strip_prefix("/v2") {
            Some("" | "/") => return Ok(Self::Base),
            Some(rest) => rest.strip_prefix('/').ok_or_else(unknown)?,
            None => return Err(unknown()),
        };
        if rest.trim_end_matches('/') == "_catalog" {
            return Ok(Self::Catalog);
        }
        let parts: Vec<&str> = rest.split('/').collect();
        match parts.as_slice() {
            [name @ .., "tags", "list"] => Ok(Self::Tags(repository(name)?)),
            [name @ .., "blobs", "uploads"] | [name @ .., "blobs", "uploads", ""] => {
                Ok(Self::Uploads(repository(name)?))
            }
            [name @ .., "blobs", "uploads", id] => Ok(Self::Upload(repository(name)?, (*id).into())),
            [name @ .., "blobs", text] => Ok(Self::Blob(repository(name)?, digest(text)?)),
            [name @ .., "manifests", text] => Ok(Self::Manifest(repository(name)?, Wanted::parse(text)?)),
            [name @ .., "referrers", text] => Ok(Self::Referrers(repository(name)?, digest(text)?)),
            _ => Err(unknown()),
        }
    }
}

impl Wanted {
    fn parse(text: &str) -> Result<Self, Problem> {
        if text.contains(':') {
            return digest(text).map(Self::Digest);
        }
        if is_valid_tag(text) {
            return Ok(Self::Tag(text.into()));
        }
        // A tag that cannot be is one that is not there.
        Err(Problem::new(Code::ManifestUnknown, format!("`{text}` is not a tag")))
    }
}

fn unknown() -> Problem {
    Problem::new(Code::Unsupported, "there is nothing at this address")
        .with_status(http::StatusCode::NOT_FOUND)
}

fn digest(text: &str) -> Result<Digest, Problem> {
    text.parse().map_err(|_| Problem::new(Code::DigestInvalid, format!("`{text}` is not a digest")))
}

/// A repository name, valid under the grammar of references.
fn repository(parts: &[&str]) -> Result<String, Problem> {
    let name = parts.join("/");
    match format!("localhost/{name}").parse::<Reference>() {
        Ok(reference) if reference.repository() == name => Ok(name),
        _ => Err(Problem::new(Code::NameInvalid, format!("`{name}` is not a repository name"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DIGEST: &str = "sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";

    #[test]
    fn every_endpoint_of_the_specification_is_found() {
        let digest: Digest = DIGEST.parse().unwrap();
        for (path, expected) in [
            ("/v2", Route::Base),
            ("/v2/", Route::Base),
            ("/v2/_catalog", Route::Catalog),
            ("/v2/a/b/tags/list", Route::Tags("a/b".into())),
            ("/v2/a/manifests/v1", Route::Manifest("a".into(), Wanted::Tag("v1".into()))),
            (
                &format!("/v2/a/manifests/{DIGEST}"),
                Route::Manifest("a".into(), Wanted::Digest(digest.clone())),
            ),
            (&format!("/v2/a/b/c/blobs/{DIGEST}"), Route::Blob("a/b/c".into(), digest.clone())),
            ("/v2/a/blobs/uploads/", Route::Uploads("a".into())),
            ("/v2/a/blobs/uploads", Route::Uploads("a".into())),
            ("/v2/a/blobs/uploads/42", Route::Upload("a".into(), "42".into())),
            (&format!("/v2/a/referrers/{DIGEST}"), Route::Referrers("a".into(), digest.clone())),
            // Names made of the endpoints' own words.
            ("/v2/blobs/tags/list", Route::Tags("blobs".into())),
            ("/v2/tags/list/manifests/tags", Route::Manifest("tags/list".into(), Wanted::Tag("tags".into()))),
        ] {
            assert_eq!(Route::parse(path).unwrap(), expected, "{path}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (path, code) in [
            ("/", Code::Unsupported),
            ("/v3/", Code::Unsupported),
            ("/v2/a", Code::Unsupported),
            ("/v2/../etc/tags/list", Code::NameInvalid),
            ("/v2/A/tags/list", Code::NameInvalid),
            ("/v2//tags/list", Code::NameInvalid),
            ("/v2/a:b/tags/list", Code::NameInvalid),
            ("/v2/tags/list", Code::NameInvalid),
            ("/v2/a/blobs/nonsense", Code::DigestInvalid),
            ("/v2/a/manifests/sha256:12", Code::DigestInvalid),
            ("/v2/a/manifests/.x", Code::ManifestUnknown),
        ] {
            assert_eq!(Route::parse(path).unwrap_err().code(), code, "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_path_is_too_odd_and_no_name_leads_out(path in "(/v2|/|[a-z.]{0,3}|blobs|uploads|tags|list|\\PC){0,12}") {
            if let Ok(Route::Tags(name) | Route::Uploads(name) | Route::Blob(name, _) | Route::Manifest(name, _)) =
                Route::parse(&path)
            {
                prop_assert!(name.split('/').all(|part| !part.is_empty() && !part.starts_with('.')));
            }
        }
    }
}
