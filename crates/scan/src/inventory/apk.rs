//! apk's database: `lib/apk/db/installed`, one letter per field.

use super::{Found, SourcePackage, System};

/// The installed packages, and what is wrong with the file.
pub(crate) fn parse(text: &str) -> (Vec<Found>, Option<String>) {
    let blocks = || text.split("\n\n").filter(|block| !block.trim().is_empty());
    let packages: Vec<Found> = blocks().filter_map(read).collect();
    let broken = blocks().count() - packages.len();
    let damage =
        (broken > 0).then(|| format!("of {} paragraphs, {broken} are no packages", blocks().count()));
    (packages, damage)
}

fn read(block: &str) -> Option<Found> {
    let field = |letter: &str| block.lines().find_map(|line| line.strip_prefix(letter)?.strip_prefix(':'));
    let (name, version) = (field("P")?, field("V")?);
    let source = field("o").filter(|origin| *origin != name);
    Some(Found {
        source: source.map(|origin| SourcePackage { name: origin.to_owned(), version: version.to_owned() }),
        architecture: field("A").map(str::to_owned),
        licences: field("L").map(str::to_owned).into_iter().collect(),
        ..Found::new(System::Apk, name, version)
    })
}

/// The files of all packages: `F:` names a directory, and `R:` a file in it.
pub(crate) fn files(text: &str) -> impl Iterator<Item = String> {
    let mut directory = "";
    text.lines().filter_map(move |line| match line.split_once(':')? {
        ("F", path) => {
            directory = path;
            None
        }
        ("R", name) if directory.is_empty() => Some(name.to_owned()),
        ("R", name) => Some(format!("{directory}/{name}")),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_sources() {
        let (found, damage) = parse(
            "C:Q1x=\nP:libcrypto3\nV:3.1.4-r1\nA:x86_64\no:openssl\nF:lib\nR:x\n\nP:musl\nV:1.2.4-r2\no:musl\n\n",
        );
        assert_eq!(files("F:lib\nR:x\nF:\nR:y\n").collect::<Vec<_>>(), ["lib/x", "y"]);
        assert!(damage.is_none() && parse("P:musl\n\nP:x\nV:1\n\n").1.is_some());
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].source.as_ref().unwrap().name, "openssl");
        assert_eq!((found[1].name.as_str(), found[1].source.is_none()), ("musl", true));
    }
}
