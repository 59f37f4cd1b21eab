//! Maven artifacts: the `pom.properties` that a jar carries, and those of the jars inside it.

use std::io::Read;

use super::{Found, System};
use crate::archive::ZipArchive;
use crate::blob::{self, Blob};

/// How deep jars are nested in jars.
const MAX_DEPTH: usize = 3;
const MAX_PROPERTIES: u64 = 64 << 10;
const MAX_JAR: u64 = 512 << 20;

/// The artifacts in a jar.
pub(crate) fn parse(blob: &Blob) -> Vec<Found> {
    let mut found = Vec::new();
    collect(blob, 0, &mut found);
    found.sort();
    found.dedup();
    found
}

fn collect(blob: &Blob, depth: usize, found: &mut Vec<Found>) {
    let Ok(archive) = ZipArchive::read(blob) else { return };
    for member in archive.members.iter().filter(|member| !member.hidden) {
        let properties =
            member.name.starts_with("META-INF/maven/") && member.name.ends_with("/pom.properties");
        let inner = member.name.ends_with(".jar") && depth < MAX_DEPTH;
        if !properties && !inner {
            continue;
        }
        let Ok(Some(stream)) = member.open(blob, member.method) else { continue };
        if inner {
            if let Ok(spooled) = blob::spool(stream, MAX_JAR) {
                collect(&spooled.blob, depth + 1, found);
            }
            continue;
        }
        let mut text = String::new();
        if stream.take(MAX_PROPERTIES).read_to_string(&mut text).is_ok() {
            found.extend(read(&text));
        }
    }
}

fn read(properties: &str) -> Option<Found> {
    let value = |key: &str| {
        let line =
            properties.lines().find_map(|line| line.split_once('=').filter(|(name, _)| name.trim() == key));
        line.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    };
    let name = format!("{}:{}", value("groupId")?, value("artifactId")?);
    Some(Found::new(System::Java, name, value("version")?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::test_zip;

    #[test]
    fn artifacts_of_inner_jars_are_found() {
        let properties = |name: &str| format!("#x\nversion=1.2\ngroupId=org.own\nartifactId={name}\n");
        let inner = test_zip(&[("META-INF/maven/org.own/b/pom.properties", properties("b").as_bytes())]);
        let jar = test_zip(&[
            ("META-INF/maven/org.own/a/pom.properties", properties("a").as_bytes()),
            ("BOOT-INF/lib/b.jar", &inner),
        ]);
        let names: Vec<_> = parse(&Blob::from(jar)).into_iter().map(|found| found.name).collect();
        assert_eq!(names, ["org.own:a", "org.own:b"]);
    }
}
