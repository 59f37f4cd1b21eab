//! The host's certificate authorities in `RUN`, for the time of a step and without a trace.
//!
//! Where traffic passes an inspecting proxy, only the host knows its authority. For the step we lay a *veil*
//! between the image and the step's writes: a directory in overlayfs's form that holds the common bundles
//! with the host's certificates added. It is no part of the layer: what the step does not touch never
//! leaves the veil, and what it copies or writes anew is searched for these certificates afterwards, which
//! are cut out again ([`clean`]).

mod clean;
mod host;
mod pem;
mod veil;

pub(crate) use clean::clean;
pub(crate) use host::HostTrust;
pub(crate) use veil::Veil;

/// Where bundles are, by distribution: Debian and Alpine, Red Hat, BSD and Alpine, SUSE.
const BUNDLES: [&str; 5] = [
    "etc/ssl/certs/ca-certificates.crt",
    "etc/pki/tls/certs/ca-bundle.crt",
    "etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "etc/ssl/cert.pem",
    "etc/ssl/ca-bundle.pem",
];

/// The variables that say where the bundle is, to clients that bring their own.
pub(crate) const VARIABLES: [&str; 5] =
    ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"];

/// What the variables say, and where the veil has a bundle whatever the image has.
pub(crate) const BUNDLE: &str = "/run/wharf/ca-certificates.crt";
