//! Chat templates: Jinja programs that come with a model and run for every conversation.
//!
//! Text between expressions is inert, so only expressions and statements are judged.

use std::sync::LazyLock;

use regex::Regex;

use super::Issue;
use crate::blob::Blob;
use crate::findings::Severity;

const MAX_TEMPLATE: usize = 4 << 20;

static EXPRESSIONS: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?s)\{\{.*?\}\}|\{%.*?%\}"));
/// Names that Python gives its insides, whole or in pieces to be joined.
static DUNDER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"__[a-z]|[a-z]__\b|\b(?:func_globals|f_globals|gi_frame|cr_frame|f_builtins|tb_frame|mro)\b")
});
/// Escapes that spell an underscore.
static ESCAPED: LazyLock<Regex> = LazyLock::new(|| pattern(r"\\x5[fF]|\\u005[fF]|\\137"));
/// Objects of Jinja's own that lead to Python's insides, and calls that end there.
static INSIDES: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"\b(?:lipsum|cycler|joiner|get_flashed_messages|url_for|self\._|request\.application)\b|\.\s*(?:popen|system|subprocess|exec|eval|check_output)\s*\(|\b(?:os|sys|subprocess|builtins|importlib)\s*\.\s*\w+\s*\(|\b(?:eval|exec|open|compile|getattr)\s*\(|\|\s*attr\s*\(",
    )
});
/// The names of Python's insides without their underscores, which are joined to them by other means.
static PIECES: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"['"](?:%c|_)*(?:class|globals|builtins|subclasses|mro|bases|popen|getitem|ssalc|slabolg|snitliub)(?:%c|_)*['"]"#,
    )
});
/// Texts that are only shown or compared: whatever they say, nothing is looked up by them.
static INERT: LazyLock<Regex> =
    LazyLock::new(|| pattern(r#"(\braise_exception\s*\(\s*|[=!]=\s*)(?:'[^'\\]*'|"[^"\\]*")"#));
/// The function of loaders that ends a conversation with a message, where the name cannot be a macro of the template's own.
static RAISE: LazyLock<Regex> = LazyLock::new(|| pattern(r#"\braise_exception\s*\(\s*['"]"#));
/// Other files.
static INCLUDES: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^\{%[-+]?\s*(?:include|import|from|extends)\b"));

/// The patterns are constants, so they compile.
fn pattern(text: &str) -> Regex {
    match Regex::new(text) {
        Ok(regex) => regex,
        Err(error) => unreachable!("{error}"),
    }
}

/// What is wrong with a template.
pub(super) fn check(template: &str) -> Vec<Issue> {
    let mut issues: Vec<Issue> = Vec::new();
    let raises = template.matches("raise_exception").count() == RAISE.find_iter(template).count();
    for found in EXPRESSIONS.find_iter(template) {
        let code = found.as_str();
        let code = match raises {
            true => INERT.replace_all(code, "$1"),
            false => code.into(),
        };
        let issue = if DUNDER.is_match(&code) || ESCAPED.is_match(&code) {
            Issue::new(
                "template-code",
                Severity::Critical,
                "it has a chat template that reaches Python's insides",
            )
        } else if INSIDES.is_match(&code) || PIECES.is_match(&code) {
            Issue::new(
                "template-code",
                Severity::High,
                "it has a chat template that calls what templates need not",
            )
        } else if INCLUDES.is_match(&code) {
            Issue::new(
                "template-include",
                Severity::High,
                "it has a chat template that loads other templates",
            )
        } else {
            continue;
        };
        if !issues.contains(&issue) {
            issues.push(issue);
        }
    }
    issues
}

/// What is wrong with a template file.
pub(super) fn check_file(blob: &Blob) -> Vec<Issue> {
    let bytes = blob.bytes(0, MAX_TEMPLATE).unwrap_or_default();
    check(&String::from_utf8_lossy(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_into_python_are_seen() {
        for template in [
            "{{ ''.__class__.__mro__[1].__subclasses__() }}",
            "{% set x = cycler.__init__.__globals__.os.popen('id').read() %}",
            "{{ lipsum|attr('\\x5f\\x5fglobals\\x5f\\x5f') }}",
            "{{ messages|attr('__cl' ~ 'ass__') }}",
            "{{ self._TemplateReference__context }}",
            "{{ joiner|attr('x') }}",
            "{{ x[('a' == 'a' and '__class__')] }}",
            "{{ x['a' == '__cl' ~ 'ass__'] }}",
            "{{ ''['%c%cclass%c%c'|format(95, 95, 95, 95)] }}",
            "{{ messages[('_' * 2) ~ 'class' ~ ('_' * 2)] }}",
            "{{ [x]|map(attribute=('_' * 2) ~ 'globals' ~ ('_' * 2)) }}",
            "{% macro raise_exception(a) %}{{ x[a] }}{% endmacro %}{{ raise_exception('__class__') }}",
        ] {
            assert!(!check(template).is_empty(), "{template}");
        }
    }

    #[test]
    fn real_templates_are_quiet() {
        let template = "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}\
            {% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] | trim + '<|im_end|>' }}{% endfor %}\
            {%- set ns = namespace(is_first=false, system_prompt='') -%}{{ raise_exception('Only __user__ and __assistant__') }}\
            {% if message['role'] == \"__system__\" %}{% endif %}\
            {{ strftime_now('%d %b %Y') }} You may call open('file') and use __init__ and os.system() in the tools environment.\
            {% if message['kind'] == 'class' %}{% endif %}{{ 'a class of its own' }}{{- tool | tojson(indent=4) }}{{ content.split('</think>')[-1].lstrip('\\n') }}";
        assert_eq!(check(template), []);
    }
}
