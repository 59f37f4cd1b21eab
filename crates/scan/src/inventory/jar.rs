//! Java archives: the Maven artifacts that a jar names, and those of the archives inside it.
//!
//! What Maven builds carries `pom.properties`; all else is known by its manifest and by what its file is called. The group is
//! taken from the manifest where that says one beyond doubt. Without it the artifact is listed, and no advisory is matched by guess.

use std::io::Read;

use super::{Found, System};
use crate::archive::ZipArchive;
use crate::blob::{self, Blob};

/// How deep archives are nested in one another.
const MAX_DEPTH: usize = 3;
const MAX_TEXT: u64 = 64 << 10;
const MAX_JAR: u64 = 512 << 20;

/// Whether a file of this name is a Java archive.
pub(crate) fn is_archive(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, extension)| {
        matches!(extension, "jar" | "war" | "ear" | "par" | "sar" | "nar" | "jpi" | "hpi")
    })
}

/// The artifacts in the archive at `path`.
pub(crate) fn parse(path: &str, blob: &Blob) -> Vec<Found> {
    let mut found = Vec::new();
    collect(path, blob, 0, &mut found);
    found.sort();
    found.dedup();
    found
}

fn collect(path: &str, blob: &Blob, depth: usize, found: &mut Vec<Found>) {
    let Ok(archive) = ZipArchive::read(blob) else { return };
    let mut manifest = String::new();
    let mut built = Vec::new();
    for member in archive.members.iter().filter(|member| !member.hidden) {
        let properties =
            member.name.starts_with("META-INF/maven/") && member.name.ends_with("/pom.properties");
        let is_manifest = member.name == "META-INF/MANIFEST.MF";
        let inner = is_archive(&member.name) && depth < MAX_DEPTH;
        if !properties && !is_manifest && !inner {
            continue;
        }
        let Ok(Some(stream)) = member.open(blob, member.method) else { continue };
        if inner {
            if let Ok(spooled) = blob::spool(stream, MAX_JAR) {
                collect(&member.name, &spooled.blob, depth + 1, found);
            }
            continue;
        }
        let mut text = String::new();
        match stream.take(MAX_TEXT).read_to_string(&mut text) {
            Ok(_) if is_manifest => manifest = text,
            Ok(_) => built.extend(of_properties(&text)),
            Err(_) => {}
        }
    }
    // What others are packed into names them beside itself, or instead.
    let own = of_manifest(path, &manifest);
    let is_built = |own: &Found| {
        let artifact = own.name.rsplit(':').next();
        built.iter().any(|built: &Found| built.name.rsplit(':').next() == artifact)
    };
    found.extend(own.filter(|own| !is_built(own)));
    found.append(&mut built);
}

fn of_properties(properties: &str) -> Option<Found> {
    let value = |key: &str| {
        let line =
            properties.lines().find_map(|line| line.split_once('=').filter(|(name, _)| name.trim() == key));
        line.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    };
    let name = format!("{}:{}", value("groupId")?, value("artifactId")?);
    Some(Found::new(System::Java, name, value("version")?))
}

/// The artifact that an archive itself is, by its manifest and its name, which is `artifact-version.jar` as a rule.
fn of_manifest(path: &str, manifest: &str) -> Option<Found> {
    // A line that begins with a space goes on with the one before.
    let manifest = manifest.replace("\r\n", "\n").replace("\n ", "");
    let value = |key: &str| {
        let mut lines = manifest.lines().take_while(|line| !line.is_empty());
        let (_, value) = lines.find_map(|line| line.split_once(": ").filter(|(name, _)| *name == key))?;
        Some(value.trim()).filter(|value| !value.is_empty())
    };
    let is_version = |version: &&str| version.starts_with(|c: char| c.is_ascii_digit());
    let stem = path.rsplit('/').next()?.rsplit_once('.')?.0;
    let named = stem.match_indices('-').find(|(at, _)| is_version(&&stem[at + 1..]));
    let (called, version) = named.map_or((stem, None), |(at, _)| (&stem[..at], Some(&stem[at + 1..])));
    let said = ["Implementation-Version", "Bundle-Version", "Specification-Version"];
    let version = version.or_else(|| said.iter().filter_map(|key| value(key)).find(is_version))?;
    // OSGi's name of a bundle, with directives behind a semicolon.
    let bundle = value("Bundle-SymbolicName").and_then(|name| name.split(';').next()).map(str::trim);
    let group = bundle
        .and_then(|bundle| bundle.rsplit_once('.'))
        .filter(|(group, last)| *last == called && group.contains('.'))
        .map(|(group, _)| group)
        .or_else(|| value("Implementation-Vendor-Id"));
    // Without a manifest any archive may be called anything.
    if manifest.trim().is_empty() || called.is_empty() {
        return None;
    }
    let name = group.map_or_else(|| called.to_owned(), |group| format!("{group}:{called}"));
    Some(Found::new(System::Java, name, version))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::test_zip;

    fn artifacts(path: &str, members: &[(&str, &[u8])]) -> Vec<String> {
        let found = parse(path, &Blob::from(test_zip(members)));
        found.into_iter().map(|found| format!("{}@{}", found.name, found.version)).collect()
    }

    #[test]
    fn artifacts_of_inner_jars_are_found() {
        let properties = |name: &str| format!("#x\nversion=1.2\ngroupId=org.own\nartifactId={name}\n");
        let inner = test_zip(&[("META-INF/maven/org.own/b/pom.properties", properties("b").as_bytes())]);
        let war = test_zip(&[("WEB-INF/lib/b.jar", &inner)]);
        let own = properties("a");
        let members: [(&str, &[u8]); 2] =
            [("META-INF/maven/org.own/a/pom.properties", own.as_bytes()), ("shop.war", &war)];
        assert_eq!(artifacts("app.ear", &members), ["org.own:a@1.2", "org.own:b@1.2"]);
    }

    #[test]
    fn what_maven_did_not_build_is_known_by_its_manifest_and_name() {
        let manifest = |lines: &str| format!("Manifest-Version: 1.0\r\n{lines}\r\n");
        for (path, lines, expected) in [
            (
                "lib/bar-3.4.5.jar",
                "Bundle-SymbolicName: com.foo.bar;singleton:=true\r\nBundle-Version: 3.4.5\r\n",
                "com.foo:bar@3.4.5",
            ),
            (
                "scala.jar",
                "Bundle-SymbolicName: org.scala-lang.scala\r\nBundle-Version: 2.1\r\n",
                "org.scala-lang:scala@2.1",
            ),
            ("lib/gradle-wrapper.jar", "Implementation-Version: 3.2\r\n", "gradle-wrapper@3.2"),
            ("tool-1.0-rc-1.jar", "Implementation-Vendor-Id: com.lo\r\n ng\r\n", "com.long:tool@1.0-rc-1"),
            ("no-version.jar", "Main-Class: x\r\n", ""),
        ] {
            let found = artifacts(path, &[("META-INF/MANIFEST.MF", manifest(lines).as_bytes())]);
            assert_eq!(found.join(" "), expected, "{path}");
        }
        assert!(artifacts("bare-1.0.jar", &[("a.class", b"x")]).is_empty());
        let shaded: [(&str, &[u8]); 2] = [
            ("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0\n"),
            ("META-INF/maven/g/a/pom.properties", b"groupId=g\nartifactId=a\nversion=2\n"),
        ];
        assert_eq!(artifacts("own-7.0.jar", &shaded), ["g:a@2", "own@7.0"]);
        assert_eq!(artifacts("a-2.jar", &shaded), ["g:a@2"]);
    }
}
