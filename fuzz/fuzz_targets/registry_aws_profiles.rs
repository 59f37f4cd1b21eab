//! AWS's files of profiles with any text: whatever they say, a profile that has a setting is one that is there.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_registry::AwsProfiles;

fuzz_target!(|files: (&str, &str)| {
    let mut profiles = AwsProfiles::default();
    profiles.add_config(files.0);
    profiles.add_credentials(files.1);
    for profile in ["default", "ci"] {
        for setting in ["aws_access_key_id", "role_arn", "sso_session"] {
            assert!(profiles.get(profile, setting).is_none() || profiles.has(profile));
        }
    }
    let _ = profiles.get_of_session("corp", "sso_region");
});
