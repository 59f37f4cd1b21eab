//! `~/.aws/credentials` and `~/.aws/config`: sections of `name = value`.

use std::collections::BTreeMap;

/// The profiles of both files. What the credentials file says of a profile goes before the config file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profiles(BTreeMap<Section, BTreeMap<String, String>>);

/// What a section is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Section {
    Profile(String),
    /// A session of single sign-on, which several profiles may share.
    Session(String),
}

impl Profiles {
    /// Adds the config file, in which all profiles but `default` are called `[profile NAME]`.
    pub fn add_config(&mut self, text: &str) {
        self.add(text, |section| match section.split_once([' ', '\t']) {
            Some(("profile", name)) => Some(Section::Profile(name.trim().into())),
            Some(("sso-session", name)) => Some(Section::Session(name.trim().into())),
            _ => (section == "default").then(|| Section::Profile(section.into())),
        });
    }

    /// Adds the credentials file, in which a section is a profile.
    pub fn add_credentials(&mut self, text: &str) {
        self.add(text, |section| Some(Section::Profile(section.into())));
    }

    fn add(&mut self, text: &str, read: impl Fn(&str) -> Option<Section>) {
        let mut current: Option<Section> = None;
        for line in text.lines() {
            let trimmed = line.trim();
            if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
                continue;
            }
            if let Some(section) = trimmed.strip_prefix('[') {
                let section = section.split(']').next().unwrap_or_default().trim();
                current = read(section);
                continue;
            }
            // An indented line belongs to a nested value, none of which matters here.
            let nested = line.starts_with([' ', '\t']);
            if let (Some(section), Some((key, value)), false) = (&current, trimmed.split_once('='), nested) {
                let value = value.split(" #").next().unwrap_or_default().trim();
                let settings = self.0.entry(section.clone()).or_default();
                settings.insert(key.trim().to_ascii_lowercase(), value.into());
            }
        }
    }

    /// Whether the profile is there.
    pub fn has(&self, profile: &str) -> bool {
        self.0.contains_key(&Section::Profile(profile.into()))
    }

    /// A setting of a profile.
    pub fn get(&self, profile: &str, setting: &str) -> Option<&str> {
        self.of(&Section::Profile(profile.into()), setting)
    }

    /// A setting of a session of single sign-on.
    pub fn get_of_session(&self, session: &str, setting: &str) -> Option<&str> {
        self.of(&Section::Session(session.into()), setting)
    }

    fn of(&self, section: &Section, setting: &str) -> Option<&str> {
        self.0.get(section)?.get(setting).map(String::as_str).filter(|value| !value.is_empty())
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
        assert_eq!(profiles.get_of_session("x", "sso_region"), Some("y"));
        assert_eq!(profiles.get_of_session("ci", "role_arn"), None);
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
