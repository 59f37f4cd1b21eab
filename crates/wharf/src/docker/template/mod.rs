//! Go templates, as people write them after `--format`: fields, pipelines, `if`, `range`, `with`, variables,
//! and the functions that Go and docker define. Values are JSON.
//!
//! What Go says of a value's type is not known here. An object is taken for a structure, in which a missing
//! field is an error, when its keys begin with capital letters; otherwise for a map, in which it is
//! `<no value>`.

mod eval;
mod functions;
mod lex;
mod parse;
mod print;
mod printf;

use serde_json::Value;

pub(crate) use print::json;

/// A template that does not read, or that cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TemplateError {
    /// It does not read.
    #[error("template parsing error: template: :1: {0}")]
    Parse(String),
    /// It does not fit the value.
    #[error("template: :1: executing \"\" {0}")]
    Execute(String),
}

/// A template, read.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    nodes: Vec<parse::Node>,
}

impl Template {
    /// Reads a template.
    pub(crate) fn parse(text: &str) -> Result<Self, TemplateError> {
        parse::parse(text).map(|nodes| Self { nodes }).map_err(TemplateError::Parse)
    }

    /// Carries it out on `value`.
    pub(crate) fn render(&self, value: &Value) -> Result<String, TemplateError> {
        eval::render(&self.nodes, value).map_err(TemplateError::Execute)
    }

    /// The names of the fields that are printed, in order: what the headings of a table are made of.
    pub(crate) fn fields(&self) -> Vec<String> {
        parse::fields(&self.nodes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn value() -> Value {
        json!({
            "Id": "abc",
            "Count": 3,
            "On": true,
            "Off": false,
            "Args": ["a", "b", "c"],
            "Empty": [],
            "State": { "Status": "running", "Health": null, "ExitCode": 0 },
            "Config": { "Labels": { "z": "26", "a.b": "x<y" }, "Env": ["A=1", "B=2"] },
            "Ports": { "8000/tcp": [{ "HostIp": "0.0.0.0", "HostPort": "8000" }], "9/tcp": null },
            "Labels": "one=1,two=2=2",
        })
    }

    fn render(text: &str) -> Result<String, TemplateError> {
        Template::parse(text)?.render(&value())
    }

    #[test]
    fn templates_give_what_go_gives() {
        for (template, expected) in [
            ("{{.Id}} {{ .State.Status }}", "abc running"),
            ("{{.Count}} {{.On}} {{.Args}}", "3 true [a b c]"),
            (
                "{{json .Args}} {{json .Id}} {{.Args | json}}",
                "[\"a\",\"b\",\"c\"] \"abc\" [\"a\",\"b\",\"c\"]",
            ),
            ("{{json .Config.Labels}}", "{\"a.b\":\"x\\u003cy\",\"z\":\"26\"}"),
            ("{{range .Args}}<{{.}}>{{end}}", "<a><b><c>"),
            ("{{range $i, $e := .Args}}{{$i}}={{$e}};{{end}}", "0=a;1=b;2=c;"),
            ("{{range $k, $v := .Config.Labels}}{{$k}}:{{$v}} {{end}}", "a.b:x<y z:26 "),
            ("{{range .Empty}}x{{else}}none{{end}}", "none"),
            (
                "{{range $p, $c := .Ports}}{{$p}} -> {{(index $c 0).HostPort}}{{break}}{{end}}",
                "8000/tcp -> 8000",
            ),
            ("{{(index (index .Ports \"8000/tcp\") 0).HostPort}}", "8000"),
            ("{{(index .Ports \"8000/tcp\" 0).HostPort}}", "8000"),
            ("{{index .Config.Labels \"a.b\"}}{{index .Config.Labels \"nope\"}}", "x<y"),
            ("{{.Config.Labels.nope}}", "<no value>"),
            ("{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}", "none"),
            ("{{if and .On (eq .State.ExitCode 0)}}yes{{else if .Off}}no{{end}}", "yes"),
            ("{{if or .Off (not .On)}}a{{else if eq .Id \"x\" \"abc\"}}b{{end}}", "b"),
            ("{{with .State}}{{.Status}} {{$.Id}}{{end}}", "running abc"),
            ("{{$x := .Id}}{{$x = \"new\"}}{{$x}}", "new"),
            ("a {{- \" b \" -}} c", "a b c"),
            ("{{/* nothing */}}x{{- /* trim */ -}} y", "xy"),
            (
                "{{printf \"%-5s|%3d|%05d|%q|%v|%.1f%%\" .Id .Count 7 \"q\" .Args 2.55}}",
                "abc  |  3|00007|\"q\"|[a b c]|2.5%",
            ),
            ("{{len .Args}} {{upper .Id}} {{title \"ab cd\"}} {{join .Args \"-\"}}", "3 ABC Ab Cd a-b-c"),
            ("{{index (split \"a:b\" \":\") 1}} {{truncate \"abcdef\" 3}}[{{pad \"x\" 1 2}}]", "b abc[ x  ]"),
            ("{{println \"a\" 1}}{{print \"a\" 1 2 \"b\"}}", "a 1\na1 2b"),
            ("{{.Label \"two\"}}{{.Label \"three\"}}", "2=2"),
            ("{{slice .Id 1 2}} {{ne 1 2}} {{lt 1 2}} {{ge \"b\" \"a\"}}", "b true true true"),
            ("{{ `raw\\n` }}{{\"tab\\t.\"}}{{'a'}}", "raw\\ntab\t.97"),
            ("{{range $i, $e := .Args}}{{if eq $i 1}}{{continue}}{{end}}{{$e}}{{end}}", "ac"),
            ("{{.Config.Env}} {{.State}}", "[A=1 B=2] map[ExitCode:0 Health:<nil> Status:running]"),
        ] {
            assert_eq!(render(template).as_deref(), Ok(expected), "{template}");
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error_with_go_s_words() {
        for (template, part) in [
            ("{{.Nope}}", "map has no entry for key \"Nope\""),
            ("{{.State.Health.Status}}", "nil pointer evaluating"),
            ("{{.Id.X}}", "can't evaluate field X"),
            ("{{index .Args 7}}", "index out of range: 7"),
            ("{{nope .Id}}", "function \"nope\" not defined"),
            ("{{.Id", "unclosed action"),
            ("{{if .Id}}x", "unexpected EOF"),
            ("{{end}}", "unexpected {{end}}"),
            ("{{$x}}", "undefined variable \"$x\""),
            ("{{\"a}}", "unterminated quoted string"),
            ("{{range 3}}{{end}}", "can't iterate over 3"),
            ("{{}}", "missing value for command"),
            ("{{eq}}", "wrong number of args for eq"),
            ("{{.Id | }}", "missing value for command"),
        ] {
            let error = render(template).unwrap_err().to_string();
            assert!(error.contains(part), "{template}: {error}");
        }
    }

    #[test]
    fn a_table_s_headings_come_from_its_fields() {
        let fields =
            Template::parse("{{.ID}}\t{{upper .Names}}\t{{if .X}}{{.Status}}{{end}}").unwrap().fields();
        assert_eq!(fields, ["ID", "Names", "X", "Status"]);
    }

    proptest! {
        #[test]
        fn any_text_is_read_and_carried_out_without_panic(text in "[{}.$a-zA-Z0-9\"'`|()%:=, \\-\\\\]{0,60}") {
            let _ = render(&text);
            let _ = render(&format!("{{{{{text}}}}}"));
            let _ = render(&format!("{{{{printf \"{text}\" .Id .Count}}}}"));
        }
    }
}
