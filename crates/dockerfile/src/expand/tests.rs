//! Expansion, case by case. The values are those that BuildKit's lexer gives.

use super::*;

fn variables(name: &str) -> Option<String> {
    let value = match name {
        "v" => "plain",
        "empty" => "",
        "two" => "a b",
        "path" => "/usr/local/lib/libx.so.1",
        "star" => "a*b",
        "stars" => "a***yy*",
        "x" => "xxyy",
        "lines" => "a\nb",
        "é" => "accent",
        "needle" => "lib",
        "b2" => "back\\slash",
        _ => return None,
    };
    Some(value.into())
}

fn word(text: &str) -> String {
    Lexer::new('\\').word(text, variables).unwrap_or_else(|error| panic!("{text}: {error}")).text
}

fn error(text: &str) -> String {
    match Lexer::new('\\').word(text, variables) {
        Ok(expansion) => panic!("{text} gave {expansion:?}"),
        Err(error) => error.message,
    }
}

#[test]
fn names_quotes_and_escapes() {
    for (text, expected) in [
        ("$v", "plain"),
        ("${v}", "plain"),
        ("$v.b", "plain.b"),
        ("$v-b", "plain-b"),
        ("$v_b", ""),
        ("${v}_b", "plain_b"),
        ("$é", "accent"),
        ("$1x", "x"),
        ("$", "$"),
        ("$ x", "$ x"),
        ("a$", "a$"),
        ("$.", "$."),
        (r"\$v", "$v"),
        (r"\\$v", r"\plain"),
        (r"a\ b", "a b"),
        (r"a\", "a"),
        ("'$v'", "$v"),
        (r"'a\'", r"a\"),
        ("\"$v\"", "plain"),
        (r#""\$v""#, "$v"),
        (r#""a\"b""#, "a\"b"),
        (r#""a\\b""#, r"a\b"),
        (r#""a\nb""#, r"a\nb"),
        (r#""it's""#, "it's"),
        (r#"'say "x"'"#, "say \"x\""),
        ("a''b", "ab"),
        ("$two", "a b"),
        ("$b2", r"back\slash"),
        ("é$v→", "éplain→"),
    ] {
        assert_eq!(word(text), expected, "{text}");
    }
}

#[test]
fn defaults_and_alternatives() {
    for (text, expected) in [
        ("${v:-d}", "plain"),
        ("${empty:-d}", "d"),
        ("${empty-d}", ""),
        ("${none:-d}", "d"),
        ("${none-d}", "d"),
        ("${none:-}", ""),
        ("${none:-${other:-$v}}x", "plainx"),
        ("${none:-two words}", "two words"),
        ("${none:-\"a}b\"}", "a}b"),
        ("${none:-'a}b'}", "a}b"),
        (r"${none:-a\}b}", "a}b"),
        ("${v:+w}", "w"),
        ("${empty:+w}", ""),
        ("${empty+w}", "w"),
        ("${none+w}", ""),
        ("${v:?m}", "plain"),
        ("${empty?m}", ""),
        ("\"${none:-\"d\"}\"", "d"),
    ] {
        assert_eq!(word(text), expected, "{text}");
    }
}

#[test]
fn patterns_trim_and_replace() {
    for (text, expected) in [
        ("${path#*/}", "usr/local/lib/libx.so.1"),
        ("${path##*/}", "libx.so.1"),
        ("${path%.*}", "/usr/local/lib/libx.so"),
        ("${path%%.*}", "/usr/local/lib/libx"),
        ("${x#?}", "xyy"),
        ("${x#*x*y}", "y"),
        ("${x#*}", "xxyy"),
        ("${x##*}", ""),
        ("${x#}", "xxyy"),
        ("${x%y}", "xxy"),
        ("${x%%y*}", "xx"),
        (r"${star#a\*}", "b"),
        (r"${star%\*b}", "a"),
        (r"${stars%%\**\*}", "a"),
        ("${x#[xy]}", "xxyy"),
        ("${path/lib/LIB}", "/usr/local/LIB/libx.so.1"),
        ("${path//lib/LIB}", "/usr/local/LIB/LIBx.so.1"),
        ("${path/$needle/-}", "/usr/local/-/libx.so.1"),
        (r"${path//\//-}", "-usr-local-lib-libx.so.1"),
        ("${x/?/z}", "zxyy"),
        ("${x//y/}", "xx"),
        ("${x///}", "xxyy"),
        ("${x/none/z}", "xxyy"),
        ("${none/a/b}", ""),
        ("${none#a}", ""),
        ("${lines#*}", "a\nb"),
        ("${lines##*}", "\nb"),
    ] {
        assert_eq!(word(text), expected, "{text}");
    }
}

#[test]
fn errors_are_buildkits() {
    for (text, reason) in [
        ("${}", "syntax error: bad substitution"),
        ("${:-x}", "syntax error: bad substitution"),
        ("${{x}}", "syntax error: bad substitution"),
        ("${", "syntax error: missing '}'"),
        ("${v", "syntax error: missing '}'"),
        ("${v:-x", "syntax error: missing '}'"),
        ("${v:-$", "syntax error: missing '}'"),
        ("${v^^}", "unsupported modifier (^) in substitution"),
        ("${v:0}", "unsupported modifier (:0) in substitution"),
        ("${v:=x}", "unsupported modifier (:=) in substitution"),
        ("${v=x}", "unsupported modifier (=) in substitution"),
        ("${v:#x}", "unsupported modifier (:#) in substitution"),
        ("${v/x}", "syntax error: missing '/' in ${}"),
        ("${v/x/y", "syntax error: missing '}'"),
        (r"${v#\x}", r"invalid pattern (\x) in substitution: invalid escape '\x'"),
        ("${none?}", "none: is not allowed to be unset"),
        ("${none:?}", "none: is not allowed to be unset"),
        ("${empty:?}", "empty: is not allowed to be empty"),
        ("${none:?say $v}", "none: say plain"),
        ("'x", "unexpected end of statement while looking for matching single-quote"),
        ("\"x", "unexpected end of statement while looking for matching double-quote"),
    ] {
        assert_eq!(error(text), format!("failed to process {text:?}: {reason}"), "{text}");
    }
}

#[test]
fn the_escape_character_is_the_files() {
    let lexer = Lexer::new('`');
    assert_eq!(lexer.word(r"c:\a`$v\$v", variables).unwrap().text, r"c:\a$v\plain");
    assert_eq!(lexer.word(r#""c:\a`"b""#, variables).unwrap().text, "c:\\a\"b");
}

#[test]
fn words_split_where_a_quote_does_not_hold() {
    for (text, expected) in [
        ("a  b", vec!["a", "b"]),
        ("$two c", vec!["a", "b", "c"]),
        ("\"$two\" c", vec!["a b", "c"]),
        (r"a\ b", vec!["a b"]),
        ("x$two", vec!["xa", "b"]),
        ("$empty", vec![]),
        ("'' a", vec!["a"]),
        ("8${none:-0 9}0", vec!["80", "90"]),
    ] {
        assert_eq!(Lexer::new('\\').words(text, variables).unwrap(), expected, "{text}");
    }
}

#[test]
fn raw_text_keeps_its_quotes() {
    let text = "say \"$v\" and '$v' and \\$v and \\\\ \n";
    assert_eq!(Lexer::raw(text, variables).unwrap().text, "say \"plain\" and 'plain' and $v and \\ \n");
    assert_eq!(Lexer::raw("it's", variables).unwrap().text, "it's");
}

#[test]
fn a_title_shows_what_is_unset() {
    let lexer = Lexer::new('\\');
    assert_eq!(
        lexer.title("RUN echo \"$v\" $none ${none:-x}", variables),
        "RUN echo \"plain\" $none ${none:-x}"
    );
    assert_eq!(lexer.title("RUN echo '", variables), "RUN echo '");
}

#[test]
fn names_are_reported() {
    let expansion = Lexer::new('\\').word("$v ${empty:-$none} ${none2:-x} ${v:-$never}", variables).unwrap();
    assert_eq!(expansion.used.into_iter().collect::<Vec<_>>(), ["empty", "v"]);
    assert_eq!(expansion.unset.into_iter().collect::<Vec<_>>(), ["never", "none", "none2"]);
}

#[test]
fn hostile_texts_end_in_errors() {
    assert!(error(&"${v:-".repeat(100_000)).contains("nest deeper"));
    let long = |name: &str| (name == "long").then(|| "x".repeat(1 << 18));
    let text = "$long".repeat(100);
    assert!(Lexer::new('\\').word(&text, long).unwrap_err().message.contains("more than"));
    let text = "${long//x/$long}";
    assert!(Lexer::new('\\').word(text, long).unwrap_err().message.contains("more than"));
    let text = format!("${{long#{}}}", "*".repeat(1 << 20));
    assert!(Lexer::new('\\').word(&text, long).unwrap_err().message.contains("is longer than"));
}
