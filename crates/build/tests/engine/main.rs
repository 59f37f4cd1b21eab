//! The engine at work on a busybox image: what it builds, what it does not build again, and what it survives.
//!
//! The sandbox is entered once, by the only thread there is; so this program has a `main` of its own, which
//! takes the names of tests (or parts of them) as `cargo test` passes them on.

#![allow(
    clippy::exit,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "these are tests, though libtest does not run them"
)]

mod cache;
mod fixture;
mod harness;
mod hostile;
mod image;
mod run;
mod survive;
mod witness;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [word, data, context] = arguments.as_slice()
        && word == survive::CHILD
    {
        return survive::build_as_child(data.as_ref(), context.as_ref());
    }
    if !harness::run(
        &arguments,
        &[cache::TESTS, hostile::TESTS, image::TESTS, run::TESTS, survive::TESTS, witness::TESTS],
    ) {
        std::process::exit(101);
    }
}
