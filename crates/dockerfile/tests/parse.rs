//! Whole Dockerfiles: what they become, and what is wrong with those that become nothing.

use wharf_dockerfile::*;

fn read(text: &str) -> Dockerfile {
    parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The instructions of the only stage.
fn instructions(text: &str) -> Vec<Instruction> {
    read(&format!("FROM base\n{text}")).stages.remove(0).instructions
}

fn kind(text: &str) -> InstructionKind {
    let mut instructions = instructions(text);
    assert_eq!(instructions.len(), 1, "{text}");
    instructions.remove(0).kind
}

/// The message, and line and column after the `FROM`.
fn error(text: &str) -> (String, u32, u32) {
    match parse(format!("FROM base\n{text}").as_bytes()) {
        Ok(dockerfile) => panic!("{text} became {dockerfile:?}"),
        Err(error) => (error.message, error.line - 1, error.column),
    }
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

fn pairs(pairs: &[(&str, &str)], legacy: bool) -> Vec<KeyValue> {
    pairs.iter().map(|(key, value)| KeyValue { key: (*key).into(), value: (*value).into(), legacy }).collect()
}

#[test]
fn stages_have_bases_names_and_platforms() {
    let dockerfile =
        read("ARG V=1 W\nFROM --platform=$BUILDPLATFORM go:$V AS Build\nRUN x\nfrom build as two\nFROM 0\n");
    assert_eq!(dockerfile.global_args[0].args.len(), 2);
    assert_eq!(dockerfile.global_args[0].args[0].default.as_deref(), Some("1"));
    let stages: Vec<_> = dockerfile.stages.iter().map(|s| (s.base.as_str(), s.name.as_deref())).collect();
    assert_eq!(stages, [("go:$V", Some("build")), ("build", Some("two")), ("0", None)]);
    let build = &dockerfile.stages[0];
    assert_eq!(build.platform.as_deref(), Some("$BUILDPLATFORM"));
    assert_eq!(build.alias, Some(("AS".into(), "Build".into())));
    assert_eq!(build.text, "FROM --platform=$BUILDPLATFORM go:$V AS Build");
    assert_eq!(build.instructions.len(), 1);
}

#[test]
fn environments_and_labels_in_both_forms() {
    assert_eq!(
        kind("ENV A=1 B=\"x y\" C=a\\ b"),
        InstructionKind::Env(pairs(&[("A", "1"), ("B", "\"x y\""), ("C", "a\\ b")], false))
    );
    assert_eq!(kind("ENV A  the rest=of it"), InstructionKind::Env(pairs(&[("A", "the rest=of it")], true)));
    assert_eq!(kind("LABEL a.b=1"), InstructionKind::Label(pairs(&[("a.b", "1")], false)));
    assert_eq!(kind("label a \"b\""), InstructionKind::Label(pairs(&[("a", "\"b\"")], true)));
}

#[test]
fn arguments_may_be_several_and_described() {
    let InstructionKind::Arg(args) = kind("# A is the first\n# B is next\nARG A=\"x y\" B C=") else {
        panic!()
    };
    let args: Vec<_> =
        args.iter().map(|a| (a.name.as_str(), a.default.as_deref(), a.description.as_deref())).collect();
    assert_eq!(
        args,
        [("A", Some("\"x y\""), Some("is the first")), ("B", None, Some("is next")), ("C", Some(""), None)]
    );
}

#[test]
fn commands_have_two_forms() {
    let shell = |text: &str| CommandLine::Shell(text.into());
    assert_eq!(kind("CMD echo $HOME"), InstructionKind::Cmd(shell("echo $HOME")));
    assert_eq!(kind("CMD [\"a\", \"b c\"]"), InstructionKind::Cmd(CommandLine::Exec(strings(&["a", "b c"]))));
    assert_eq!(kind("CMD []"), InstructionKind::Cmd(CommandLine::Exec(vec![])));
    assert_eq!(kind("CMD"), InstructionKind::Cmd(shell("")));
    assert_eq!(kind("CMD ['a']"), InstructionKind::Cmd(shell("['a']")));
    assert_eq!(kind("ENTRYPOINT a  b"), InstructionKind::Entrypoint(shell("a  b")));
    assert_eq!(kind("SHELL [\"/bin/bash\", \"-c\"]"), InstructionKind::Shell(strings(&["/bin/bash", "-c"])));
}

#[test]
fn copy_and_add_take_flags() {
    let text = "COPY --from=b --chown=1:2 --chmod=u+x --link --parents --exclude=*.md --exclude=x a 'b' /c/";
    let InstructionKind::Copy(copy) = kind(text) else { panic!() };
    assert_eq!(
        copy,
        Copy {
            sources: Sources { paths: strings(&["a", "'b'"]), inline: vec![], destination: "/c/".into() },
            from: Some("b".into()),
            chown: Some("1:2".into()),
            chmod: Some("u+x".into()),
            link: true,
            parents: true,
            exclude: strings(&["*.md", "x"]),
        }
    );
    let text = "ADD --checksum=sha256:x --keep-git-dir=false --unpack --link=false [\"a b\", \"/c\"]";
    let InstructionKind::Add(add) = kind(text) else { panic!() };
    assert_eq!(add.sources.paths, ["a b"]);
    assert_eq!((add.keep_git_dir, add.unpack, add.link), (Some(false), Some(true), false));
    assert_eq!(add.checksum.as_deref(), Some("sha256:x"));
}

#[test]
fn run_takes_flags() {
    let text = "RUN --mount=type=cache,target=/c --mount=from=x --network=none --security=insecure --device=a/b=c,required make -j";
    let InstructionKind::Run(run) = kind(text) else { panic!() };
    assert_eq!(run.command, CommandLine::Shell("make -j".into()));
    assert_eq!(run.mounts.len(), 2);
    assert_eq!(run.mounts[1].from(), Some("x"));
    assert_eq!((run.network, run.security), (Network::None, Security::Insecure));
    assert_eq!(run.devices, [Device { name: "a/b=c".into(), required: true }]);
}

#[test]
fn healthchecks() {
    let InstructionKind::Healthcheck(check) = kind(
        "HEALTHCHECK --interval=1m30s --timeout=3s --start-period=5s --start-interval=1ms --retries=4 cmd curl x",
    ) else {
        panic!()
    };
    assert_eq!(check.test, Some(strings(&["CMD-SHELL", "curl x"])));
    assert_eq!((check.interval, check.timeout, check.retries), (90_000_000_000, 3_000_000_000, 4));
    assert_eq!((check.start_period, check.start_interval), (5_000_000_000, 1_000_000));
    let InstructionKind::Healthcheck(check) = kind("HEALTHCHECK CMD [\"a\", \"b\"]") else { panic!() };
    assert_eq!(check.test, Some(strings(&["CMD", "a", "b"])));
    let InstructionKind::Healthcheck(check) = kind("HEALTHCHECK none") else { panic!() };
    assert_eq!(check.test, Some(strings(&["NONE"])));
}

#[test]
fn the_small_ones() {
    assert_eq!(kind("EXPOSE 90/udp  80 $P"), InstructionKind::Expose(strings(&["$P", "80", "90/udp"])));
    assert_eq!(kind("VOLUME /a /b"), InstructionKind::Volume(strings(&["/a", "/b"])));
    assert_eq!(kind("VOLUME [\"/a b\"]"), InstructionKind::Volume(strings(&["/a b"])));
    assert_eq!(kind("WORKDIR /a b"), InstructionKind::Workdir("/a b".into()));
    assert_eq!(kind("USER a:b"), InstructionKind::User("a:b".into()));
    assert_eq!(kind("STOPSIGNAL --x TERM"), InstructionKind::StopSignal("TERM".into()));
    assert_eq!(kind("MAINTAINER a <b@c>"), InstructionKind::Maintainer("a <b@c>".into()));
}

#[test]
fn triggers_are_recorded_as_they_stand() {
    for (text, expected) in [
        ("ONBUILD COPY . /app", "COPY . /app"),
        ("ONBUILD   RUN make   all  ", "RUN make   all  "),
        ("onbuild env A=\"b c\"", "env A=\"b c\""),
        ("ONBUILD NOSUCH thing", "NOSUCH thing"),
        ("ONBUILD COPY <<E /x\nbody\nE", "COPY <<E /x\nbody\nE"),
        ("ONBUILD RUN a \\\n  b", "RUN a   b"),
    ] {
        assert_eq!(kind(text), InstructionKind::Onbuild(expected.into()), "{text}");
    }
    let trigger = parse_trigger("COPY <<E /x\nbody\nE").unwrap();
    assert_eq!(trigger.heredocs[0].content, "body\n");
    assert!(matches!(trigger.kind, InstructionKind::Copy(_)));
    for wrong in ["", "RUN a\nRUN b", "FROM x", "NOSUCH"] {
        assert!(parse_trigger(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn heredocs_become_programs() {
    let program = |text: &str| instructions(text)[0].run_program().unwrap();
    let shell = |text: &str| RunProgram::Shell(text.into());
    assert_eq!(program("RUN <<EOF\na\nb\nEOF"), shell("a\nb\n"));
    assert_eq!(program("RUN <<-EOF\n\ta\n\t\tb\n\tEOF"), shell("a\nb\n"));
    assert_eq!(program("RUN <<EOF\nEOF"), shell(""));
    assert_eq!(program("RUN <<  EOF\na\nEOF"), shell("a\n"));
    assert_eq!(program("RUN <<  EOF cat\na\nEOF"), shell("<<  EOF cat\na\nEOF"));
    assert_eq!(program("RUN <<'X Y'\n$a\nX Y"), shell("$a\n"));
    assert_eq!(
        program("RUN cat <<A > /a; cat <<B\nin a\nA\nin b\nB"),
        shell("cat <<A > /a; cat <<B\nin a\nA\nin b\nB")
    );
    assert_eq!(program("RUN <<-A cat\n\tx\n\tA"), shell("<<-A cat\n\tx\nA"));
    assert_eq!(
        program("RUN --network=none <<-X\n\t#!/bin/awk\n\tx\n\tX"),
        RunProgram::Script { name: "X".into(), data: "#!/bin/awk\nx\n".into() }
    );
    assert_eq!(program("RUN [\"echo\", \"<<EOF\"]"), RunProgram::Exec(strings(&["echo", "<<EOF"])));
    assert_eq!(program("RUN echo '<<EOF'"), shell("echo '<<EOF'"));
    let after = instructions("RUN <<EOF\nRUN no\n# no\nEOF\nUSER me");
    assert_eq!(after.len(), 2);
    assert_eq!((after[0].span.line, after[0].span.end_line), (2, 5));
}

#[test]
fn heredocs_become_files() {
    let text = "COPY --chmod=600 <<a <<-\"b\" c /d/\nx $y\r\na\n\t\tz $y\n\tb\n";
    let InstructionKind::Copy(copy) = kind(text) else { panic!() };
    assert_eq!(copy.sources.paths, ["c"]);
    assert_eq!(
        copy.sources.inline,
        [
            InlineFile { path: "a".into(), data: "x $y\r\n".into(), expand: true },
            InlineFile { path: "b".into(), data: "z $y\n".into(), expand: false },
        ]
    );
}

#[test]
fn variables_are_replaced_where_they_may_be() {
    let expanded = |text: &str| {
        let mut kind = kind(text);
        let value = |name: &str| (name == "v").then(|| "x y".to_string());
        let lexer = Lexer::new('\\');
        let word = |text: &str| lexer.word(text, value).map(|expansion| expansion.text);
        let raw = |text: &str| Lexer::raw(text, value).map(|expansion| expansion.text);
        kind.expand::<ExpandError>(word, raw).unwrap();
        kind
    };
    assert_eq!(expanded("ENV A$v=\"$v\""), InstructionKind::Env(pairs(&[("Ax y", "x y")], false)));
    assert_eq!(expanded("WORKDIR /$v"), InstructionKind::Workdir("/x y".into()));
    assert_eq!(expanded("VOLUME [\"$v\"]"), InstructionKind::Volume(strings(&["x y"])));
    assert_eq!(expanded("EXPOSE $v"), InstructionKind::Expose(strings(&["$v"])));
    assert_eq!(expanded("CMD $v"), InstructionKind::Cmd(CommandLine::Shell("$v".into())));
    let InstructionKind::Copy(copy) =
        expanded("COPY --chown=$v --chmod=$v --from=$v --exclude=$v $v <<e <<'q' /$v\n'$v'\ne\n$v\nq")
    else {
        panic!()
    };
    assert_eq!((copy.chown.as_deref(), copy.chmod.as_deref()), (Some("x y"), Some("x y")));
    assert_eq!((copy.from.as_deref(), copy.exclude[0].as_str()), (Some("$v"), "$v"));
    assert_eq!((copy.sources.paths[0].as_str(), copy.sources.destination.as_str()), ("x y", "/x y"));
    assert_eq!(
        (copy.sources.inline[0].data.as_str(), copy.sources.inline[1].data.as_str()),
        ("'x y'\n", "$v\n")
    );
}

#[test]
fn directives_say_how_to_read() {
    let dockerfile = read(
        "# syntax = docker/dockerfile:1 x\n#ESCAPE=`\n# check=skip=A;error=true\nFROM a\nRUN b `\n c\\\nRUN d",
    );
    let directives = &dockerfile.directives;
    assert_eq!(directives.syntax.as_deref(), Some("docker/dockerfile:1"));
    assert_eq!(directives.escape, '`');
    assert_eq!(
        (directives.check.skip.as_slice(), directives.check.error),
        (["A".to_string()].as_slice(), true)
    );
    assert_eq!(dockerfile.stages[0].instructions[0].text, "RUN b  c\\");
    let late = read("#!/usr/bin/env x\n# check=error=true\nFROM a");
    assert!(late.directives.check.error);
    assert_eq!(late.directives.escape, '\\');
}

#[test]
fn spans_point_into_the_text() {
    let text = "\u{feff}FROM a\r\n\r\n  RUN é \\\r\n   b\r\nUSER c";
    let dockerfile = read(text);
    let stage = &dockerfile.stages[0];
    let slice = |span: Span| &text[span.start..span.end];
    assert_eq!(slice(stage.span), "FROM a");
    assert_eq!(slice(stage.instructions[0].span), "RUN é \\\r\n   b");
    let span = stage.instructions[0].span;
    assert_eq!((span.line, span.column, span.end_line), (3, 3, 4));
    assert_eq!(slice(stage.instructions[1].span), "USER c");
}

#[test]
fn errors_have_buildkits_words_and_a_place() {
    for (text, message, line, column) in [
        ("RUN --nosuch true", "unknown flag: --nosuch", 1, 5),
        ("COPY \\\n  --form=x a b", "unknown flag: --form (did you mean from?)", 2, 3),
        ("CPOY a b", "unknown instruction: CPOY (did you mean COPY?)", 1, 1),
        ("cpoy a b", "unknown instruction: cpoy (did you mean copy?)", 1, 1),
        ("  BOGUS", "unknown instruction: BOGUS", 1, 3),
        (
            "COPY",
            "COPY requires at least two arguments, but only one was provided. Destination could not be determined",
            1,
            1,
        ),
        ("COPY --link=perhaps a b", "expecting boolean value for flag --link, not: perhaps", 1, 6),
        ("COPY a <<E\nx\nE", "COPY cannot accept a heredoc as a destination", 1, 8),
        ("ENV A", "ENV must have two arguments", 1, 5),
        ("ENV A=1 B", "Syntax error - can't find = in \"B\". Must be of the form: name=value", 1, 9),
        ("ENV", "ENV requires at least one argument", 1, 1),
        ("LABEL =x", "LABEL names can not be blank", 1, 1),
        ("ARG", "ARG requires at least one argument", 1, 1),
        ("ARG a =x", "ARG names can not be blank", 1, 7),
        ("CMD [\"a\", 1]", "when using JSON array syntax, arrays must be comprised of strings only", 1, 5),
        ("SHELL bash", "SHELL requires the arguments to be in JSON form", 1, 1),
        ("SHELL []", "SHELL requires at least one argument", 1, 1),
        ("VOLUME [\" \"]", "VOLUME specified can not be an empty string", 1, 1),
        ("WORKDIR", "WORKDIR requires exactly one argument", 1, 1),
        ("USER --x y", "unknown flag: --x", 1, 6),
        ("HEALTHCHECK", "HEALTHCHECK requires at least one argument", 1, 1),
        ("HEALTHCHECK NONE x", "HEALTHCHECK NONE takes no arguments", 1, 1),
        ("HEALTHCHECK EXEC x", "Unknown type \"EXEC\" in HEALTHCHECK (try CMD)", 1, 13),
        ("HEALTHCHECK CMD", "Missing command after HEALTHCHECK CMD", 1, 1),
        ("HEALTHCHECK --interval=5 CMD x", "time: missing unit in duration \"5\"", 1, 24),
        ("HEALTHCHECK --timeout=1us CMD x", "Interval \"timeout\" cannot be less than 1ms", 1, 23),
        ("HEALTHCHECK --retries=-1 CMD x", "--retries cannot be negative (-1)", 1, 23),
        ("ONBUILD", "ONBUILD requires at least one argument", 1, 1),
        ("ONBUILD onbuild RUN x", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed", 1, 9),
        ("ONBUILD FROM x", "FROM isn't allowed as an ONBUILD trigger", 1, 9),
        ("ONBUILD ENV A", "ENV must have two arguments", 1, 13),
        (
            "FROM a AS 9x",
            "invalid name for build stage: \"9x\", name can't start with a number or contain symbols",
            1,
            11,
        ),
        ("FROM a b", "FROM requires either one or three arguments", 1, 1),
        ("FROM --platfrom=x a", "unknown flag: --platfrom (did you mean platform?)", 1, 6),
        ("RUN --network=bogus true", "invalid network mode \"bogus\"", 1, 15),
        ("RUN --security=x true", "security \"x\" is not valid", 1, 16),
        (
            "RUN --mount=from=$x true",
            "'from' doesn't support variable expansion, define alias stage instead",
            1,
            13,
        ),
        ("RUN a\nRUN <<EOF\nx", "unterminated heredoc", 2, 5),
        ("MAINTAINER --boo me", "unknown flag: --boo", 1, 12),
    ] {
        assert_eq!(error(text), (message.into(), line, column), "{text}");
    }
}

#[test]
fn files_without_stages_are_errors() {
    for (text, message) in [
        ("", "the Dockerfile cannot be empty"),
        ("\n# x\n", "file with no instructions"),
        ("ARG a", "dockerfile contains no stages to build"),
        ("LABEL a=1", "no build stage in current context"),
        ("# check=nosuch=1\nFROM a", "failed to parse check options: invalid check option \"nosuch\""),
        ("# escape=x\nFROM a", "invalid escape token 'x' does not match ` or \\"),
        ("# escape=`\n# escape=`\nFROM a", "only one escape parser directive can be used"),
    ] {
        assert_eq!(parse(text.as_bytes()).unwrap_err().message, message, "{text}");
    }
    let error = parse(b"FROM a\nRUN x \\\n --y\nCPOY").unwrap_err();
    assert_eq!(
        error.to_string(),
        "dockerfile parse error on line 4: unknown instruction: CPOY (did you mean COPY?)"
    );
    assert_eq!(error.suggestion.as_deref(), Some("COPY"));
    assert_eq!(error.line_text, "CPOY");
}

#[test]
fn the_form_of_all_lines_is_looked_at_first() {
    assert_eq!(error("BOGUS\nENV A").0, "ENV must have two arguments");
    assert_eq!(error("BOGUS\nRUN <<EOF").0, "unterminated heredoc");
}

#[test]
fn lines_have_a_longest_length_and_instructions_have_not() {
    let longest = "x".repeat((64 << 10) - "LABEL a=\n".len());
    assert!(parse(format!("FROM a\nLABEL a={longest}\nUSER b").as_bytes()).is_ok());
    let error = parse(format!("FROM a\nLABEL a=x{longest}\n").as_bytes()).unwrap_err();
    assert_eq!(error.message, "dockerfile line greater than max allowed size of 65535");
    assert_eq!((error.line, error.line_text.len()), (2, 80));
    let InstructionKind::Run(run) = kind(&format!("RUN true{}", " \\\n && true".repeat(100_000))) else {
        panic!()
    };
    assert!(matches!(run.command, CommandLine::Shell(text) if text.len() > 900_000));
}

#[test]
fn bytes_that_are_no_text() {
    let labels = parse(b"FROM a\n# \xff\nLABEL a=\xff\xfe\nRUN b\n").unwrap();
    let InstructionKind::Label(pairs) = &labels.stages[0].instructions[0].kind else { panic!() };
    assert_eq!(pairs[0].value, "\u{fffd}\u{fffd}");
    assert_eq!(parse(b"FROM a\nRUN \xff\n").unwrap_err().message, "RUN contains invalid UTF-8");
    assert_eq!(parse(b"FROM a\nCOPY <<E /x\n\xff\nE\n").unwrap_err().message, "COPY contains invalid UTF-8");
    let null = parse(b"FROM a\nBAD\0\n").unwrap_err();
    assert_eq!(null.message, "unknown instruction: BAD\0 (did you mean ADD?)");
    let utf16: Vec<u8> = "FROM a\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(parse(&utf16).is_err());
}
