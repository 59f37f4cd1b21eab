//! The language, by examples.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

struct Names(Value);

impl Scope for Names {
    fn context(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }
    fn hash_files(&self, patterns: &[String]) -> Result<String, String> {
        Ok(patterns.join("+"))
    }
}

fn scope() -> Names {
    Names(json!({
        "github": {"ref": "refs/heads/main", "Event_Name": "push", "event": {"commits": [
            {"id": "a", "author": {"name": "Ann"}}, {"id": "b", "author": {"name": "Bo"}}, {"other": 1}
        ]}},
        "steps": {"meta": {"outputs": {"tags": "x:1"}}},
        "matrix": {"n": 3, "os": ["linux", "mac"]},
        "env": {"EMPTY": ""},
    }))
}

fn value(text: &str) -> Value {
    evaluate(&parse(text).unwrap_or_else(|fault| panic!("{text}: {}", fault.message)), &scope()).unwrap()
}

#[test]
fn operators_and_coercions() {
    for (text, expected) in [
        ("1 == '1'", json!(true)),
        ("null == 0", json!(true)),
        ("null == ''", json!(true)),
        ("true == 1", json!(true)),
        ("'true' == true", json!(false)),
        ("'a' == 'A'", json!(true)),
        ("'' == 0", json!(true)),
        ("'x' == 0", json!(false)),
        ("'x' != 0", json!(true)),
        ("'0x10' == 16", json!(true)),
        ("' 12 ' == 12", json!(true)),
        ("0x1F", json!(31)),
        ("-2.5e1", json!(-25)),
        ("1 < 2 && 'b' > 'A'", json!(true)),
        ("'x' < 1", json!(false)),
        ("'x' >= 1", json!(false)),
        ("null || 'default'", json!("default")),
        ("'a' && 'b'", json!("b")),
        ("'' && 'b'", json!("")),
        ("!'' && !0 && !null", json!(true)),
        ("!(1 == 2)", json!(true)),
        ("1 == 1 == true", json!(true)),
        ("2 > 1 == true", json!(true)),
        ("false || false && true", json!(false)),
        ("'it''s'", json!("it's")),
        ("github.REF", json!("refs/heads/main")),
        ("github['event_name']", json!("push")),
        ("github.nope.deeper", json!(null)),
        ("matrix.os[1]", json!("mac")),
        ("matrix.os[7]", json!(null)),
        ("github.event.commits.*.author.name", json!(["Ann", "Bo"])),
        ("github.event.commits[*].id", json!(["a", "b"])),
        ("join(github.event.commits.*.id, '-')", json!("a-b")),
        ("steps.meta.outputs.*", json!(["x:1"])),
        ("matrix.n == 3", json!(true)),
        ("env.EMPTY || 'none'", json!("none")),
    ] {
        assert_eq!(value(text), expected, "{text}");
    }
}

#[test]
fn functions() {
    for (text, expected) in [
        ("contains('Hello', 'ELL')", json!(true)),
        ("contains(matrix.os, 'LINUX')", json!(true)),
        ("contains(fromJSON('[1, 2]'), '2')", json!(true)),
        ("contains(github.ref, 'refs/tags')", json!(false)),
        ("startsWith(github.ref, 'REFS/heads/')", json!(true)),
        ("endsWith('abc', 'BC')", json!(true)),
        ("format('{0}-{1}-{0}{{0}}', 'a', 2)", json!("a-2-a{0}")),
        ("join(matrix.os)", json!("linux,mac")),
        ("join('x', '-')", json!("x")),
        ("toJSON(matrix.os)", json!("[\n  \"linux\",\n  \"mac\"\n]")),
        ("tojson(1.0)", json!("1")),
        ("fromJson('{\"a\": {\"b\": 1.5}}').a.b", json!(1.5)),
        ("hashFiles('a', '**/b')", json!("a+**/b")),
        ("case(1 == 2, 'a', true, 'b', 'c')", json!("b")),
        ("case(false, 'a', 'c')", json!("c")),
        ("success() && !failure() && always() && !cancelled()", json!(true)),
    ] {
        assert_eq!(value(text), expected, "{text}");
    }
}

#[test]
fn what_does_not_read_says_where() {
    for (text, position, words) in [
        ("github.ref ==", 13, "Unexpected end of expression"),
        ("github.ref = 'x'", 11, "Unexpected symbol: '='"),
        ("contian('a', 'b')", 0, "Unrecognized function: 'contian'"),
        ("contains('a')", 0, "Too few parameters"),
        ("success(1)", 0, "Too many parameters"),
        ("'open", 0, "not closed"),
        ("a b", 2, "Unexpected symbol: 'b'"),
        ("\"x\"", 0, "Unexpected symbol"),
        ("(a", 2, "Unexpected end"),
        ("", 0, "expected"),
        ("1.2.3", 0, "Unexpected symbol"),
    ] {
        let fault = parse(text).unwrap_err();
        assert_eq!(fault.span.start, position, "{text}: {}", fault.message);
        assert!(fault.message.contains(words), "{text}: {}", fault.message);
    }
    assert_eq!(parse("contian(1,1)").unwrap_err().hint.as_deref(), Some("did you mean `contains`?"));
}

#[test]
fn what_cannot_be_done_is_an_error() {
    for text in ["fromJSON('{')", "format('{1}', 'a')", "format('{', 'a')", "case('x', 1, 2)"] {
        assert!(evaluate(&parse(text).unwrap(), &scope()).is_err(), "{text}");
    }
}

#[test]
fn nesting_has_a_limit() {
    assert!(parse(&format!("{}1{}", "(".repeat(5000), ")".repeat(5000))).is_err());
    assert!(parse(&"!".repeat(5000)).is_err());
    assert!(parse(&format!("a{}", ".b".repeat(5000))).is_err());
}

#[test]
fn chains_are_found() {
    let expr = parse("steps.meta.outputs.tags && contains(needs.a.result, secrets['X'])").unwrap();
    let paths: Vec<String> = expr.paths().iter().map(|path| path.join(".")).collect();
    assert_eq!(paths, ["steps.meta.outputs.tags", "needs.a.result", "secrets.x"]);
}

proptest! {
    #[test]
    fn no_text_panics(text in "([a-z.*!<>=&|()',\\[\\] 0-9é+-]|github|fromJSON\\(|'x'|format\\('\\{0\\}'){0,40}") {
        if let Ok(expr) = parse(&text) {
            let _ = evaluate(&expr, &scope());
        }
    }
}
