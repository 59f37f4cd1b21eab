//! The functions that bake files call: those of HCL's standard library that people use.

use hcl::Value;
use hcl::eval::{Context, FuncArgs, FuncDef, ParamType};

/// From arguments to a value, or to why there is none.
type Function = fn(FuncArgs) -> Result<Value, String>;

/// Declares them.
pub(super) fn declare(context: &mut Context<'_>) {
    let functions: [(&str, Function); 33] = [
        ("and", |arguments| both(arguments, |a, b| a && b)),
        ("basename", |arguments| text(arguments, |text| text.rsplit('/').next().unwrap_or_default().into())),
        ("chomp", |arguments| text(arguments, |text| text.trim_end_matches(['\r', '\n']).into())),
        ("coalesce", coalesce),
        ("compact", |arguments| {
            lists(arguments, |items| items.into_iter().filter(|v| !is_empty(v)).collect())
        }),
        ("concat", |arguments| lists(arguments, |items| items)),
        ("contains", contains),
        ("dirname", |arguments| {
            text(arguments, |text| text.rsplit_once('/').map_or(".".to_owned(), |(head, _)| head.to_owned()))
        }),
        ("distinct", |arguments| {
            lists(arguments, |items| {
                let mut seen: Vec<Value> = Vec::new();
                items.into_iter().for_each(|item| {
                    if !seen.contains(&item) {
                        seen.push(item)
                    }
                });
                seen
            })
        }),
        ("equal", |arguments| pair(arguments, |a, b| Ok((a == b).into()))),
        ("format", format),
        ("greaterthan", |arguments| numbers(arguments, |a, b| a > b)),
        ("lessthan", |arguments| numbers(arguments, |a, b| a < b)),
        ("index", |arguments| pair(arguments, index)),
        ("join", join),
        ("keys", |arguments| match arguments.into_values().into_iter().next() {
            Some(Value::Object(map)) => Ok(map.into_iter().map(|(key, _)| Value::from(key)).collect()),
            _ => Err("expected a map".into()),
        }),
        ("length", |arguments| match arguments.into_values().first() {
            Some(Value::Array(items)) => Ok(items.len().into()),
            Some(Value::Object(map)) => Ok(map.len().into()),
            Some(Value::String(text)) => Ok(text.chars().count().into()),
            _ => Err("expected a list, a map or a text".into()),
        }),
        ("lower", |arguments| text(arguments, |text| text.to_lowercase())),
        ("notequal", |arguments| pair(arguments, |a, b| Ok((a != b).into()))),
        ("not", |arguments| match arguments.into_values().as_slice() {
            [Value::Bool(value)] => Ok((!value).into()),
            _ => Err("expected true or false".into()),
        }),
        ("or", |arguments| both(arguments, |a, b| a || b)),
        ("regex_replace", |arguments| {
            let [text, pattern, with] = texts(arguments)?;
            let pattern = regex::Regex::new(&pattern).map_err(|error| error.to_string())?;
            Ok(pattern.replace_all(&text, with).into_owned().into())
        }),
        ("replace", |arguments| {
            let [text, what, with] = texts(arguments)?;
            Ok(text.replace(&what, &with).into())
        }),
        ("split", |arguments| {
            let [separator, text] = texts(arguments)?;
            Ok(text.split(&separator).map(Value::from).collect())
        }),
        ("strlen", |arguments| {
            let [text] = texts(arguments)?;
            Ok(text.chars().count().into())
        }),
        ("substr", substr),
        ("timestamp", |_| Ok(crate::world::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into())),
        ("title", |arguments| {
            text(arguments, |text| {
                let mut characters = text.chars();
                characters.next().map_or_else(String::new, |c| c.to_uppercase().chain(characters).collect())
            })
        }),
        ("trimprefix", |arguments| {
            let [text, prefix] = texts(arguments)?;
            Ok(text.strip_prefix(prefix.as_str()).unwrap_or(&text).into())
        }),
        ("trimspace", |arguments| text(arguments, |text| text.trim().into())),
        ("trimsuffix", |arguments| {
            let [text, suffix] = texts(arguments)?;
            Ok(text.strip_suffix(suffix.as_str()).unwrap_or(&text).into())
        }),
        ("upper", |arguments| text(arguments, |text| text.to_uppercase())),
        ("values", |arguments| match arguments.into_values().into_iter().next() {
            Some(Value::Object(map)) => Ok(map.into_iter().map(|(_, value)| value).collect()),
            _ => Err("expected a map".into()),
        }),
    ];
    for (name, function) in functions {
        context.declare_func(name, FuncDef::builder().variadic_param(ParamType::Any).build(function));
    }
}

fn is_empty(value: &Value) -> bool {
    matches!(value, Value::Null) || value.as_str() == Some("")
}

fn coalesce(arguments: FuncArgs) -> Result<Value, String> {
    Ok(arguments.into_values().into_iter().find(|value| !is_empty(value)).unwrap_or(Value::Null))
}

fn contains(arguments: FuncArgs) -> Result<Value, String> {
    pair(arguments, |list, item| match list {
        Value::Array(items) => Ok(items.contains(&item).into()),
        _ => Err("expected a list".into()),
    })
}

fn index(list: Value, at: Value) -> Result<Value, String> {
    match (list, &at) {
        (Value::Array(items), Value::Number(number)) => {
            let at = number.as_u64().and_then(|at| usize::try_from(at).ok());
            at.and_then(|at| items.get(at).cloned()).ok_or_else(|| "no such element".into())
        }
        (Value::Object(map), Value::String(key)) => map.get(key).cloned().ok_or_else(|| "no such key".into()),
        _ => Err("expected a list and a number, or a map and a key".into()),
    }
}

fn join(arguments: FuncArgs) -> Result<Value, String> {
    let mut values = arguments.into_values().into_iter();
    let Some(Value::String(separator)) = values.next() else { return Err("expected a separator".into()) };
    let mut parts = Vec::new();
    for value in values {
        let Value::Array(items) = value else { return Err("expected lists".into()) };
        parts.extend(items.iter().map(plain));
    }
    Ok(parts.join(&separator).into())
}

fn substr(arguments: FuncArgs) -> Result<Value, String> {
    let values = arguments.into_values();
    let [Value::String(text), Value::Number(from), Value::Number(count)] = values.as_slice() else {
        return Err("expected a text and two numbers".into());
    };
    let length = text.chars().count();
    let from = from.as_i64().unwrap_or(0);
    let from = usize::try_from(from).unwrap_or_else(|_| length.saturating_sub(from.unsigned_abs() as usize));
    let count = count.as_i64().and_then(|count| usize::try_from(count).ok()).unwrap_or(usize::MAX);
    Ok(text.chars().skip(from).take(count).collect::<String>().into())
}

/// Go's `Sprintf` with `%s`, `%d`, `%v` and `%%`.
fn format(arguments: FuncArgs) -> Result<Value, String> {
    let mut values = arguments.into_values().into_iter();
    let Some(Value::String(format)) = values.next() else { return Err("expected a format".into()) };
    let mut text = String::new();
    let mut characters = format.chars();
    while let Some(c) = characters.next() {
        match c {
            '%' => match characters.next() {
                Some('%') => text.push('%'),
                Some('s' | 'd' | 'v') => text.push_str(&plain(&values.next().ok_or("too few arguments")?)),
                other => return Err(format!("the verb {other:?} is not known here")),
            },
            c => text.push(c),
        }
    }
    Ok(text.into())
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn text(arguments: FuncArgs, change: impl Fn(&str) -> String) -> Result<Value, String> {
    let [text] = texts(arguments)?;
    Ok(change(&text).into())
}

fn texts<const N: usize>(arguments: FuncArgs) -> Result<[String; N], String> {
    let texts: Vec<String> = arguments.into_values().iter().map(plain).collect();
    <[String; N]>::try_from(texts).map_err(|texts| format!("expected {N} arguments, got {}", texts.len()))
}

fn pair(arguments: FuncArgs, what: impl Fn(Value, Value) -> Result<Value, String>) -> Result<Value, String> {
    match <[Value; 2]>::try_from(arguments.into_values()) {
        Ok([a, b]) => what(a, b),
        Err(values) => Err(format!("expected two arguments, got {}", values.len())),
    }
}

fn both(arguments: FuncArgs, what: impl Fn(bool, bool) -> bool) -> Result<Value, String> {
    pair(arguments, |a, b| match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => Ok(what(a, b).into()),
        _ => Err("expected true or false".into()),
    })
}

fn numbers(arguments: FuncArgs, what: impl Fn(f64, f64) -> bool) -> Result<Value, String> {
    pair(arguments, |a, b| match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            Ok(what(a.as_f64().unwrap_or(0.0), b.as_f64().unwrap_or(0.0)).into())
        }
        _ => Err("expected numbers".into()),
    })
}

fn lists(arguments: FuncArgs, change: impl Fn(Vec<Value>) -> Vec<Value>) -> Result<Value, String> {
    let mut all = Vec::new();
    for value in arguments.into_values() {
        let Value::Array(items) = value else { return Err("expected lists".into()) };
        all.extend(items);
    }
    Ok(Value::Array(change(all)))
}
