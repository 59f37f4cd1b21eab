//! Runs tests one after another and prints what libtest would.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::fixture::Host;

/// A test by its name.
pub(crate) type Test = (&'static str, fn(&Host));

/// Runs the tests whose name holds one of the words among `arguments`; whether all of them passed.
pub(crate) fn run(arguments: &[String], modules: &[&[Test]]) -> bool {
    let words: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let selected: Vec<&Test> = modules
        .iter()
        .flat_map(|tests| tests.iter())
        .filter(|(name, _)| words.is_empty() || words.iter().any(|word| name.contains(word.as_str())))
        .collect();
    if arguments.iter().any(|argument| argument == "--list") {
        selected.iter().for_each(|(name, _)| println!("{name}: test"));
        return true;
    }
    let Some(host) = Host::enter() else {
        println!("no sandbox on this host: {} tests ignored", selected.len());
        return true;
    };
    let mut failed = 0;
    for (name, test) in selected {
        let passed = catch_unwind(AssertUnwindSafe(|| test(&host))).is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        failed += usize::from(!passed);
    }
    println!("\ntest result: {}. {failed} failed", if failed == 0 { "ok" } else { "FAILED" });
    failed == 0
}
