//! `~/.aws/credentials` and `~/.aws/config`: sections of `name = value`.

use std::collections::BTreeMap;

/// The profiles of both files. What the credentials file says of a profile goes before the config file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Profiles(BTreeMap<String, BTreeMap<String, String>>);

impl Profiles {
    /// Adds the config file, in which all profiles but `default` are called `[profile NAME]`.
    pub(super) fn add_config(&mut self, text: &str) {
        self.add(text, |section| match section.strip_prefix("profile") {
            Some(rest) if rest.starts_with([' ', '\t']) => Some(rest.trim()),
            _ => (section == "default").then_some(section),
        });
    }

    /// Adds the credentials file, in which a section is a profile.
    pub(super) fn add_credentials(&mut self, text: &str) {
        fn itself(section: &str) -> Option<&str> {
            Some(section)
        }
        self.add(text, itself);
    }

    fn add(&mut self, text: &str, profile: impl Fn(&str) -> Option<&str>) {
        let mut current: Option<String> = None;
        for line in text.lines() {
            let trimmed = line.trim();
            if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
                continue;
            }
            if let Some(section) = trimmed.strip_prefix('[') {
                let section = section.split(']').next().unwrap_or_default().trim();
                current = profile(section).map(str::to_owned);
                continue;
            }
            // An indented line belongs to a nested value, none of which matters here.
            let nested = line.starts_with([' ', '\t']);
            if let (Some(name), Some((key, value)), false) = (&current, trimmed.split_once('='), nested) {
                let value = value.split(" #").next().unwrap_or_default().trim();
                let settings = self.0.entry(name.clone()).or_default();
                settings.insert(key.trim().to_ascii_lowercase(), value.into());
            }
        }
    }

    /// Whether the profile is there.
    pub(super) fn has(&self, profile: &str) -> bool {
        self.0.contains_key(profile)
    }

    /// A setting of a profile.
    pub(super) fn get(&self, profile: &str, setting: &str) -> Option<&str> {
        self.0.get(profile)?.get(setting).map(String::as_str).filter(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_files_make_one_set_of_profiles() {
        let mut profiles = Profiles::default();
        profiles.add_config(
            "[default]\nregion = eu-central-1\n[profile ci]\nrole_arn=arn:aws:iam::1:role/x\nsource_profile = default # why\n\
             s3 =\n  addressing_style = path\n[sso-session x]\nsso_region = y\n",
        );
        profiles
            .add_credentials("[default]\naws_access_key_id = AKIA\nAWS_SECRET_ACCESS_KEY = a=b/c\n; no\n");
        assert_eq!(profiles.get("default", "region"), Some("eu-central-1"));
        assert_eq!(profiles.get("default", "aws_secret_access_key"), Some("a=b/c"));
        assert_eq!(profiles.get("ci", "source_profile"), Some("default"));
        assert_eq!(profiles.get("ci", "addressing_style"), None);
        assert!(!profiles.has("x"));
    }

    proptest! {
        #[test]
        fn no_file_is_too_odd(text in "(\\[|\\]|profile|=|\n|\\PC){0,30}") {
            let mut profiles = Profiles::default();
            profiles.add_config(&text);
            profiles.add_credentials(&text);
        }
    }
}
