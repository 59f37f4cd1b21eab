//! `--provenance`, `--sbom` and `--attest` as docker takes them.

use std::collections::BTreeMap;

use wharf_build::{Attestations, ProvenanceOptions};

use super::fields::Fields;
use crate::exit::Failure;

/// The flags.
#[derive(Debug, clap::Args)]
pub(crate) struct AttestFlags {
    /// Say how the image was built: `true`, `mode=min` or `mode=max`; off unless asked for
    #[arg(long, value_name = "SPEC", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    provenance: Option<String>,
    /// Say what is in the image; off unless asked for
    #[arg(long, value_name = "SPEC", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    sbom: Option<String>,
    /// The same in one flag: `type=provenance,mode=max` or `type=sbom`
    #[arg(long, value_name = "SPEC")]
    attest: Vec<String>,
}

/// What is to be attested; the inventory is made by whoever knows how.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) attestations: Attestations,
    pub(super) inventory: bool,
}

impl AttestFlags {
    /// What they ask for. The flags of their own count more than `--attest`.
    pub(super) fn asked(&self, warnings: &mut Vec<String>) -> Result<Asked, Failure> {
        let mut asked = Asked::default();
        for spec in &self.attest {
            let fields = Fields::read("--attest", spec)?;
            match fields.need("type", "type=provenance")? {
                "provenance" => asked.attestations.provenance = provenance(&fields, warnings)?,
                "sbom" => asked.inventory = inventory(&fields, warnings)?,
                other => return Err(fields.wrong(&format!("`{other}` is none of provenance, sbom"))),
            }
        }
        if let Some(spec) = &self.provenance {
            asked.attestations.provenance = match switch(spec) {
                Some(true) => provenance(&Fields::of("--provenance", spec, &[]), warnings)?,
                Some(false) => None,
                None => provenance(&Fields::read("--provenance", spec)?, warnings)?,
            };
        }
        if let Some(spec) = &self.sbom {
            asked.inventory = match switch(spec) {
                Some(on) => on,
                None => inventory(&Fields::read("--sbom", spec)?, warnings)?,
            };
        }
        Ok(asked)
    }
}

impl AttestFlags {
    /// What a builder elsewhere is told of them: kind and options.
    pub(super) fn verbatim(&self) -> Result<BTreeMap<String, String>, Failure> {
        let mut said = BTreeMap::new();
        for spec in &self.attest {
            let fields = Fields::read("--attest", spec)?;
            let kind = fields.need("type", "type=provenance")?.to_owned();
            let rest: Vec<&str> =
                spec.split(',').filter(|part| !part.trim_start().starts_with("type=")).collect();
            said.insert(kind, rest.join(","));
        }
        for (kind, spec) in [("provenance", &self.provenance), ("sbom", &self.sbom)] {
            let Some(spec) = spec else { continue };
            match switch(spec) {
                Some(false) => drop(said.remove(kind)),
                Some(true) if kind == "provenance" => drop(said.insert(kind.into(), "mode=max".into())),
                Some(true) => drop(said.insert(kind.into(), String::new())),
                None => drop(said.insert(kind.into(), spec.clone())),
            }
        }
        said.retain(|_, options| !options.split(',').any(|option| option == "disabled=true"));
        Ok(said)
    }
}

fn switch(text: &str) -> Option<bool> {
    match text {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

fn provenance(fields: &Fields<'_>, warnings: &mut Vec<String>) -> Result<Option<ProvenanceOptions>, Failure> {
    if fields.flag("disabled", false)? {
        return Ok(None);
    }
    let max = match fields.get("mode") {
        None | Some("max" | "") => true,
        Some("min") => false,
        Some(other) => return Err(fields.wrong(&format!("`mode` is `{other}`: expected min or max"))),
    };
    let v02 = match fields.get("version") {
        None | Some("v1") => false,
        Some("v0.2") => true,
        Some(other) => return Err(fields.wrong(&format!("`version` is `{other}`: expected v1 or v0.2"))),
    };
    let known =
        ["type", "mode", "version", "builder-id", "reproducible", "inline-only", "filename", "disabled"];
    warnings.extend(fields.unknown(&known));
    Ok(Some(ProvenanceOptions {
        max,
        v02,
        builder_id: fields.get("builder-id").unwrap_or_default().to_owned(),
        reproducible: fields.flag("reproducible", false)?,
    }))
}

fn inventory(fields: &Fields<'_>, warnings: &mut Vec<String>) -> Result<bool, Failure> {
    if fields.get("generator").is_some() {
        warnings.push("`generator` is passed over: wharf looks into the image itself".into());
    }
    warnings.extend(fields.unknown(&["type", "generator", "disabled"]));
    Ok(!fields.flag("disabled", false)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(provenance: Option<&str>, attest: &[&str]) -> Result<Asked, Failure> {
        let flags = AttestFlags {
            provenance: provenance.map(str::to_owned),
            sbom: None,
            attest: attest.iter().map(|spec| (*spec).to_owned()).collect(),
        };
        flags.asked(&mut Vec::new())
    }

    #[test]
    fn nothing_is_attested_unless_asked() {
        let none = asked(None, &[]).unwrap();
        assert!(none.attestations.is_empty() && !none.inventory);
        assert!(asked(Some("false"), &["type=provenance"]).unwrap().attestations.is_empty());
    }

    #[test]
    fn modes_and_versions_are_buildkits() {
        let options = |spec| asked(Some(spec), &[]).unwrap().attestations.provenance.unwrap();
        assert!(options("true").max && !options("true").v02);
        assert!(!options("mode=min").max);
        assert!(options("mode=max,version=v0.2").v02);
        assert_eq!(options("builder-id=https://ci/1").builder_id, "https://ci/1");
        let both = asked(None, &["type=provenance,mode=min", "type=sbom"]).unwrap();
        assert!(both.inventory && both.attestations.provenance.is_some());
        for bad in ["mode=all", "version=v2", "maybe"] {
            assert!(asked(Some(bad), &[]).is_err(), "{bad}");
        }
        assert!(asked(None, &["type=vex"]).is_err());
    }
}
