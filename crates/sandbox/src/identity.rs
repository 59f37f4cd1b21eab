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

/// Docker takes no id that would be negative as a signed number.
const HIGHEST_ID: u32 = i32::MAX.unsigned_abs();

/// Who `spec` is: empty (root), `user`, `uid`, `user:group`, `uid:gid` and the mixed forms, given the
/// contents of `/etc/passwd` and `/etc/group` (empty where the image has none). A number need not be
/// listed; its group is then 0. Supplementary groups come from `/etc/group` unless a group was named.
///
/// # Errors
/// Fails for a name that is not listed and for a number above 2147483647.
pub fn resolve_user(spec: &str, passwd: &[u8], group: &[u8]) -> Result<Account, UnknownIdentity> {
    let (who, which) = spec.split_once(':').unwrap_or((spec, ""));
    let who = if who.is_empty() { "0" } else { who };
    let listed = lines(passwd).filter_map(PasswdLine::parse).find(|line| is(who, line.name, line.uid));
    let (uid, mut gid) = match &listed {
        Some(line) => (line.uid, line.gid),
        None => (id(who).ok_or_else(|| UnknownIdentity::User(who.to_owned()))?, 0),
    };
    let mut groups = Vec::new();
    if !which.is_empty() {
        let listed = lines(group).filter_map(GroupLine::parse).find(|line| is(which, line.name, line.gid));
        let named = listed.map(|line| line.gid).or_else(|| id(which));
        gid = named.ok_or_else(|| UnknownIdentity::Group(which.to_owned()))?;
    } else if let Some(line) = &listed {
        let member = lines(group).filter_map(GroupLine::parse).filter(|group| group.has(line.name));
        groups = member.map(|group| group.gid).collect();
    }
    let home = listed.map(|line| line.home).filter(|home| !home.is_empty()).unwrap_or("/");
    Ok(Account { user: User { uid, gid, groups }, home: home.to_owned() })
}

/// Whether a user wrote `asked` and meant the one with this name and id.
fn is(asked: &str, name: &str, number: u32) -> bool {
    asked == name || id(asked) == Some(number)
}

fn id(text: &str) -> Option<u32> {
    text.parse().ok().filter(|id| *id <= HIGHEST_ID)
}

/// Lines that are text, without comments.
fn lines(file: &[u8]) -> impl Iterator<Item = &str> {
    let lines = file.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok());
    lines.map(str::trim).filter(|line| !line.starts_with('#'))
}

/// `name:password:uid:gid:comment:home:shell`
struct PasswdLine<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

impl<'a> PasswdLine<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.split(':');
        let (name, _, uid, gid) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        let home = fields.nth(1).unwrap_or_default();
        Some(Self { name, uid: id(uid)?, gid: id(gid)?, home })
    }
}

/// `name:password:gid:member,member`
struct GroupLine<'a> {
    name: &'a str,
    gid: u32,
    members: &'a str,
}

impl<'a> GroupLine<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.split(':');
        let (name, _, gid) = (fields.next()?, fields.next()?, fields.next()?);
        Some(Self { name, gid: id(gid)?, members: fields.next().unwrap_or_default() })
    }

    fn has(&self, user: &str) -> bool {
        self.members.split(',').any(|member| member == user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/sh\n# comment:x:9:9::/:\n\
        app:x:1000:1001:App:/home/app:/bin/sh\nbroken:x:many:0::/:\n5000:x:77:78::/srv:\n\xff\xfe:x:8:8::/:\n";
    const GROUP: &[u8] = b"root:x:0:root\nstaff:x:50:app,root\napp:x:1001:\naudio:x:29:other,app\n77:x:88:\n";

    fn ids(spec: &str) -> (u32, u32, Vec<u32>) {
        let user = resolve_user(spec, PASSWD, GROUP).unwrap().user;
        (user.uid, user.gid, user.groups)
    }

    #[test]
    fn nothing_means_root_with_its_groups() {
        assert_eq!(ids(""), (0, 0, vec![0, 50]));
        assert_eq!(resolve_user("", b"", b"").unwrap().home, "/");
    }

    #[test]
    fn a_listed_user_brings_its_groups_and_home() {
        assert_eq!(ids("app"), (1000, 1001, vec![50, 29]));
        assert_eq!(ids("1000"), (1000, 1001, vec![50, 29]));
        assert_eq!(resolve_user("app", PASSWD, GROUP).unwrap().home, "/home/app");
    }

    #[test]
    fn a_named_group_replaces_all_others() {
        assert_eq!(ids("app:staff"), (1000, 50, vec![]));
        assert_eq!(ids("app:4242"), (1000, 4242, vec![]));
        assert_eq!(ids(":staff"), (0, 50, vec![]));
    }

    #[test]
    fn a_number_need_not_be_listed() {
        assert_eq!(ids("4711"), (4711, 0, vec![]));
        assert_eq!(ids("4711:4712"), (4711, 4712, vec![]));
        assert_eq!(resolve_user("1000", b"", b"").unwrap().user, User { uid: 1000, gid: 0, groups: vec![] });
    }

    #[test]
    fn a_name_of_digits_is_a_name_first() {
        assert_eq!(ids("5000"), (77, 78, vec![]));
        assert_eq!(ids("app:77"), (1000, 88, vec![]));
    }

    #[test]
    fn unknown_names_and_impossible_numbers_are_refused() {
        let refused = |spec| resolve_user(spec, PASSWD, GROUP).unwrap_err();
        assert_eq!(refused("nobody"), UnknownIdentity::User("nobody".into()));
        assert_eq!(refused("app:nobody"), UnknownIdentity::Group("nobody".into()));
        assert_eq!(refused("2147483648"), UnknownIdentity::User("2147483648".into()));
        assert_eq!(refused("-1"), UnknownIdentity::User("-1".into()));
        assert_eq!(refused("broken"), UnknownIdentity::User("broken".into()));
    }

    proptest! {
        #[test]
        fn any_files_are_read_without_panic(spec in ".{0,20}", file: Vec<u8>) {
            let _ = resolve_user(&spec, &file, &file);
        }
    }
}
