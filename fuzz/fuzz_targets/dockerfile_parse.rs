//! A Dockerfile of any bytes: parsed, checked, its instructions expanded.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_dockerfile::{ExpandError, InstructionKind, Lexer, MountError, lint, parse, parse_trigger};

fuzz_target!(|bytes: &[u8]| {
    let Ok(dockerfile) = parse(bytes) else { return };
    let findings = [lint::check(&dockerfile), lint::check_instructions(&dockerfile)].concat();
    let _ = lint::select(findings, &dockerfile, &dockerfile.directives.check);
    let lexer = Lexer::new(dockerfile.directives.escape);
    let value = |name: &str| (name.len() % 2 == 0).then(|| "a b".to_string());
    for mut instruction in dockerfile.stages.into_iter().flat_map(|stage| stage.instructions) {
        let _ = instruction.run_program();
        let word = |text: &str| lexer.word(text, value).map(|expansion| expansion.text);
        let raw = |text: &str| Lexer::raw(text, value).map(|expansion| expansion.text);
        let _ = instruction.kind.expand::<ExpandError>(word, raw);
        match instruction.kind {
            InstructionKind::Run(run) => {
                for mount in run.mounts {
                    let _ = mount.resolve(|value| Ok::<_, MountError>(value.to_string()));
                }
            }
            InstructionKind::Onbuild(trigger) => {
                let _ = parse_trigger(&trigger);
            }
            _ => {}
        }
    }
});
