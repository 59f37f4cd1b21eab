//! Expressions, rendered as the action renders them.

use super::*;

fn host(call: &Call<'_>) -> Result<Value, TemplateError> {
    match call.name {
        "greet" => match call.params {
            [who] => Ok(Value::text(&format!("hello {}", who.to_text()))),
            _ => Err(TemplateError::new("one name")),
        },
        "branch" => Ok(Value::text("feature/a&b")),
        "empty" => Ok(Value::text("")),
        other => Err(TemplateError::new(other)),
    }
}

fn context() -> Value {
    Value::object(vec![
        ("branch", Value::Function(Function { name: "branch", arity: 0 })),
        ("empty", Value::Function(Function { name: "empty", arity: 0 })),
        ("greet", Value::Function(Function { name: "greet", arity: 0 })),
        ("zero", Value::Number(0.0)),
        ("list", Value::List(std::rc::Rc::new(vec![Value::text("rc"), Value::Number(1.0)]))),
        ("inner", Value::object(vec![("name", Value::text("x"))])),
    ])
}

fn expanded(source: &str) -> String {
    expand(source, context(), &host).unwrap_or_else(|error| format!("error: {error}"))
}

#[test]
fn mustaches_escape_unless_told_otherwise() {
    assert_eq!(expanded("v{{branch}}"), "vfeature/a&amp;b");
    assert_eq!(expanded("{{{branch}}} {{&branch}}"), "feature/a&b feature/a&b");
    assert_eq!(expanded("{{greet \"you\"}} {{greet 'it\\'s'}}"), "hello you hello it&#x27;s");
    assert_eq!(expanded("{{unknown}}{{unknown key=1}}{{inner.name.first}}|"), "|");
    assert_eq!(
        expanded("{{list}} {{list.[1]}} {{list.length}} {{zero}} {{inner}}"),
        "rc,1 1 2 0 [object Object]"
    );
    assert_eq!(expanded("{{this.branch}}"), "feature/a&amp;b");
    assert_eq!(expanded("{{\"branch\"}}"), "feature/a&amp;b");
}

#[test]
fn blocks_choose_repeat_and_enter() {
    assert_eq!(expanded("{{#if zero}}a{{else}}b{{/if}}{{#if zero includeZero=true}}c{{/if}}"), "bc");
    assert_eq!(expanded("{{#unless empty}}none{{/unless}}"), "none");
    assert_eq!(expanded("{{#if nope}}a{{else if branch}}b{{else}}c{{/if}}"), "b");
    assert_eq!(expanded("{{#each list}}{{@index}}{{this}}{{#unless @last}},{{/unless}}{{/each}}"), "0rc,11");
    assert_eq!(expanded("{{#each inner as |value key|}}{{key}}={{value}}{{/each}}"), "name=x");
    assert_eq!(expanded("{{#with inner}}{{name}} {{../zero}} {{@root.zero}}{{/with}}"), "x 0 0");
    assert_eq!(expanded("{{#inner}}{{name}}{{/inner}}{{^nope}}!{{/nope}}"), "x!");
    assert_eq!(expanded("{{#> nowhere}}instead{{/nowhere}}"), "instead");
    assert_eq!(expanded("{{lookup list 0}} {{greet (lookup inner 'name')}}"), "rc hello x");
}

#[test]
fn escapes_comments_and_tildes() {
    assert_eq!(expanded("\\{{branch}} \\\\{{zero}}"), "{{branch}} \\0");
    assert_eq!(expanded("a{{! not }}b{{!-- }} --}}c"), "abc");
    assert_eq!(expanded("a {{~zero~}} b"), "a0b");
    assert_eq!(expanded("x\n  {{#if list}}  \n  y\n  {{/if}}\nz"), "x\n  y\nz");
    assert_eq!(expanded("{{{{if list}}}} {{zero}} {{{{/if}}}}"), " {{zero}} ");
}

#[test]
fn what_handlebars_js_refuses_is_refused() {
    for source in [
        "{{branch",
        "{{",
        "{{#if x}}",
        "{{#if}}{{/if}}",
        "{{#if x}}{{/each}}",
        "{{else}}",
        "{{nope 'x'}}",
        "{{zero 1}}",
        "{{> partial}}",
        "{{* decorator}}",
        "{{version}}}",
        "{{{{branch}}}}",
        "{{if x}}",
        "{{greet}}",
        "{{a.this}}",
        "{{!-- }}",
        "{{inner 1}}",
    ] {
        let result = expanded(source);
        let refused = result.starts_with("error: ");
        // Closing braces that close nothing are text.
        assert!(refused || source == "{{version}}}", "{source} gave {result}");
    }
}

#[test]
fn lone_mustaches_are_told_from_more() {
    for source in ["{{raw}}", "{{{raw}}}", "{{this.raw}}", "{{ raw }}", "{{raw x=1}}"] {
        assert!(is_lone_mustache(source, "raw"), "{source}");
    }
    for source in ["{{raw}} ", "v{{raw}}", "{{version}}", "{{raw.x}}", "{{'raw'}}", "{{"] {
        assert!(!is_lone_mustache(source, "raw"), "{source}");
    }
}

#[test]
fn deep_nesting_is_refused_not_overflowed() {
    let source = "{{#if list}}".repeat(5000);
    assert!(expanded(&source).starts_with("error: nested"));
    let source = format!("{{{{greet {}", "(greet ".repeat(5000));
    assert!(expanded(&source).starts_with("error: "));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(512))]

    #[test]
    fn no_template_panics(source in "[{}#/^!&>~*@.|a-c\\\\\"'\\[\\]()= \n-]{0,40}") {
        let _ = expand(&source, context(), &host);
        let _ = is_lone_mustache(&source, "raw");
    }
}
