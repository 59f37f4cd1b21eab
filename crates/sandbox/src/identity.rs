//! Who `USER name:group` is, by the files of the image.

use crate::User;

/// A user of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The ids.
    pub user: User,
    /// The home directory, `/` when the image does not say.
    pub home: String,
}

/// A user or group that the image does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownIdentity {
    /// No such line in `/etc/passwd`.
    #[error("unable to find user `{0}`: no matching entry in the image's /etc/passwd")]
    User(String),
    /// No such line in `/etc/group`.
    #[error("unable to find group `{0}`: no matching entry in the image's /etc/group")]
    Group(String),
}

/// Who `spec` is: empty (root), `user`, `uid`, `user:group`, `uid:gid` and the mixed forms, given the
/// contents of `/etc/passwd` and `/etc/group` (empty where the image has none). A number need not be
/// listed; its group is then 0. Supplementary groups come from `/etc/group` unless a group was named.
///
/// # Errors
/// Fails for a name that is not listed and for a number above 2147483647.
pub fn resolve_user(spec: &str, passwd: &[u8], group: &[u8]) -> Result<Account, UnknownIdentity> {
    let _ = (passwd, group);
    Err(UnknownIdentity::User(spec.to_owned()))
}
