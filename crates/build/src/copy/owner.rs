//! Who `--chown` and a `WORKDIR` under `USER` mean, by the files of the image.
//!
//! This differs from who a process runs as: a number alone is user and group at once, and a name that the
//! image does not know is root, or where it is a group, the user's own.

use std::io::Read;
use std::path::Path;

use crate::tree::Tree;

/// The most that is read of `/etc/passwd`.
const FILE_MAX: u64 = 16 << 20;

/// A name that the image does not know; it counts as 0, as in BuildKit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnknownName(pub(crate) String);

/// A name given where there are no files to look it up in. The sentence is BuildKit's.
#[derive(Debug, thiserror::Error)]
#[error("invalid user index: -1")]
pub(crate) struct OwnerError;

/// The ids that `spec` (`user[:group]`, names or numbers) means in `root`, and the names that are unknown.
/// Without a root, names are an error.
pub(crate) fn resolve_owner(
    spec: &str,
    root: Option<&Tree>,
) -> Result<((u32, u32), Vec<UnknownName>), OwnerError> {
    let (user, group) = spec.split_once(':').map_or((spec, None), |(user, group)| (user, Some(group)));
    let mut unknown = Vec::new();
    let mut owner = (0, 0);
    if let Some(number) = number(user) {
        owner = (number, number);
    } else if !user.is_empty() {
        let passwd = read(root.ok_or(OwnerError)?, "etc/passwd");
        match fields(&passwd, user).and_then(|line| Some((number(line.get(2)?)?, number(line.get(3)?)?))) {
            Some(found) => owner = found,
            None => unknown.push(UnknownName(user.to_owned())),
        }
    }
    match group.map(|group| (group, number(group))) {
        None => {}
        Some(("", _)) => owner.1 = 0,
        Some((_, Some(number))) => owner.1 = number,
        Some((group, None)) => {
            let groups = read(root.ok_or(OwnerError)?, "etc/group");
            match fields(&groups, group).and_then(|line| number(line.get(2)?)) {
                Some(number) => owner.1 = number,
                None => unknown.push(UnknownName(group.to_owned())),
            }
        }
    }
    Ok((owner, unknown))
}

/// What is too large for a signed number is a name.
fn number(text: &str) -> Option<u32> {
    text.parse::<i32>().ok().map(i32::cast_unsigned)
}

/// The fields of the line that starts with `name:`.
fn fields<'a>(file: &'a str, name: &str) -> Option<Vec<&'a str>> {
    file.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields.first() == Some(&name))
}

/// A file of the image; none is empty.
fn read(root: &Tree, path: &str) -> String {
    let mut bytes = Vec::new();
    if let Ok(file) = root.open_file(Path::new(path)) {
        // A file that cannot be read knows nobody, as one that is not there.
        let _ = file.take(FILE_MAX).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Owners;

    #[test]
    fn names_numbers_and_their_mixtures() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir(temp.path().join("etc")).unwrap();
        std::fs::write(temp.path().join("etc/passwd"), "root:x:0:0::/:\napp:x:1000:1001::/home:\n").unwrap();
        std::fs::write(temp.path().join("etc/group"), "staff:x:50:app\n").unwrap();
        let root = Tree::open(temp.path(), Owners::Kept).unwrap();
        let owner = |spec| resolve_owner(spec, Some(&root)).unwrap();
        assert_eq!(owner("app").0, (1000, 1001));
        assert_eq!(owner("app:staff").0, (1000, 50));
        assert_eq!(owner("12").0, (12, 12));
        assert_eq!(owner("12:staff").0, (12, 50));
        assert_eq!(owner(":7").0, (0, 7));
        assert_eq!(owner("nobody:staff"), ((0, 50), vec![UnknownName("nobody".into())]));
        assert_eq!(owner("app:").0, (1000, 0));
        assert_eq!(owner("app:nobody"), ((1000, 1001), vec![UnknownName("nobody".into())]));
        assert!(resolve_owner("app", None).is_err() && resolve_owner("4294967294", None).is_err());
        assert_eq!(resolve_owner("5:6", None).unwrap().0, (5, 6));
    }
}
