//! The command line itself: help, versions, mistakes.

use crate::world::World;

#[test]
fn help_and_version_are_answers() {
    let world = World::new();
    let help = world.wharf_ok(&["--help"]);
    for verb in ["ship", "build", "meta", "smoke", "scan", "status", "push", "registry", "doctor"] {
        assert!(help.stdout.contains(&format!("  {verb} ")), "{verb} is missing from the help");
    }
    assert_eq!(world.wharf_ok(&["--version"]).stdout, format!("wharf {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_mistyped_verb_or_flag_comes_with_the_nearest() {
    let world = World::new();
    let verb = world.wharf(&["biuld"]);
    assert_eq!(verb.code, 2);
    assert!(verb.stderr.contains("'build'"), "{}", verb.stderr);
    let flag = world.wharf(&["build", "--taget", "x", "."]);
    assert_eq!(flag.code, 2);
    assert!(flag.stderr.contains("--target"), "{}", flag.stderr);
}

#[test]
fn completions_know_the_verbs() {
    let world = World::new();
    let script = world.wharf_ok(&["completions", "bash"]).stdout;
    assert!(script.contains("wharf__ship") || script.contains("wharf__subcmd__ship"), "{script}");
}

#[test]
fn a_settings_file_with_an_unknown_key_is_shown_in_place() {
    let world = World::new();
    std::fs::write(world.path("config.toml"), "[registries.\"docker.io\"]\nmirors = []\n").unwrap();
    let ran = world.wharf(&["images"]);
    assert_eq!(ran.code, 2);
    let said = world.scrub(&ran.stderr);
    // The keys between are those of the day.
    assert!(
        said.starts_with("error: [WORLD]/config.toml:2:1: unknown field `mirors`, expected one of `"),
        "{said}"
    );
    assert!(said.ends_with("\n    2 | mirors = []\n  hint: did you mean `mirrors`?\n"), "{said}");
}

#[test]
fn images_of_an_empty_store_are_a_heading() {
    let world = World::new();
    assert_eq!(world.wharf_ok(&["images"]).stdout, "REPOSITORY  TAG  DIGEST  IMAGE ID  CREATED  SIZE\n");
    assert_eq!(world.wharf_ok(&["images", "--json"]).stdout, "[]\n");
}
