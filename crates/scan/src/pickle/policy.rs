//! What a name in a pickle means: harmless, harmless with some arguments, dangerous, or not known.
//!
//! The list of what is harmless comes first, and is exact: module and name, no prefixes, no patterns. What is not
//! on it is reported; the other lists only decide how loudly, and with which words.

mod dangerous;
mod functions;
mod harmless;
mod libraries;

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

/// What a name means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// Models use it, and it does nothing but hold or rebuild values.
    Allowed,
    /// As harmless as its arguments.
    Special(Special),
    /// It executes code, imports, or reaches files or the network.
    Dangerous(&'static str),
    /// A way around: an attribute of something, or a name that Python itself gives its insides.
    Evasive,
    /// A class of a library that models are made with: harmless when it is restored, and not made of a path or an address.
    Restored,
    /// In Python's own library, and not on the list.
    Standard,
    /// In a library that models use, and not on the list.
    Unlisted { class: bool },
    /// In a module of which nothing is known.
    Unknown { class: bool },
}

/// Names that are as harmless as their arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Special {
    /// `getattr(object, name)`.
    GetAttribute,
    /// `attrgetter(names…)`, `methodcaller(name, …)`.
    AttributeNames,
    /// `f(module, name)` imports the name.
    Import,
    /// `f(name)` gives one of Python's own types.
    TypeByName,
    /// `f(bytes)` loads a pickle.
    Load,
    /// `encode(text, codec)`.
    Encode,
    /// A class that reaches files when it is made of something, and not when it is restored.
    Holder,
    /// A function or class that calls one of its arguments, now or later.
    Applies(usize),
    /// Calls its first argument with the ones in the tuple at this place, and gives what that made the state behind it.
    Calls(usize),
    /// A class that may evaluate a text that it is made of.
    Parses,
    /// `reduce(or_, types)`, which is how `int | None` is written down; of anything else it is a loop over calls.
    Union,
    /// `copyreg`'s ways to make an object of a class: `f(class, …)`.
    Makes,
    /// `getitem(generic, types)`, as in `Optional[int]`; of anything else the item is looked up, which may call what makes it.
    Generic,
    /// `type(object)` and `iter(object)`: with more arguments they make a class, or call the first one.
    OfOne,
}

/// What the global `name` of `module` means.
pub(crate) fn judge(module: &str, name: &str) -> Judgement {
    let (module, name) = modern(module, name);
    // Some of PyTorch's constants are found through the module that is imported there.
    if let Some(name) = name.strip_prefix("torch.").filter(|_| module.starts_with("torch.")) {
        return judge("torch", name);
    }
    if let Some(judgement) = harmless::lookup(&module, &name) {
        return judgement;
    }
    if is_plain_exception(&module, &name) {
        return Judgement::Allowed;
    }
    if is_listed_class(&module, &name) || is_harmless_elsewhere(&module, &name) {
        return Judgement::Allowed;
    }
    let root = module.split('.').next().unwrap_or_default();
    let is_of_models = libraries::MODELS.binary_search(&root).is_ok();
    if root == "sympy" && is_expression(&module, &name) {
        return Judgement::Special(Special::Parses);
    }
    // Keras pickles a model as the bytes of its own format.
    if matches!(root, "keras" | "tf_keras") && name.ends_with("._unpickle_model") {
        return Judgement::Special(Special::Load);
    }
    // Cython writes these: they make the class they are given, without calling it, and fill in its state.
    if name.starts_with("__pyx_unpickle_") && !name.contains('.') && is_of_models {
        return Judgement::Allowed;
    }
    // A module reached as an attribute of another one that imports it.
    if name.contains('.')
        && let Some(why) = name.split('.').find_map(dangerous::module_reason)
    {
        return Judgement::Dangerous(why);
    }
    if let Some(why) = dangerous::reason(&module, &name) {
        return Judgement::Dangerous(why);
    }
    if is_of_models && functions::is_of_numbers(&module, &name) {
        return Judgement::Allowed;
    }
    if let Some(judgement) = judge_member(&module, &name) {
        return judgement;
    }
    if name.contains('.') || is_dunder(&name) {
        return Judgement::Evasive;
    }
    if functions::is_restored_class(&module, &name) {
        return Judgement::Restored;
    }
    let class = is_class(&name);
    if libraries::STANDARD.binary_search(&root).is_ok() {
        Judgement::Standard
    } else if is_of_models {
        Judgement::Unlisted { class }
    } else {
        Judgement::Unknown { class }
    }
}

/// Whether it is a function that models only name: nothing that is restored is made by calling it.
pub(crate) fn is_only_named(module: &str, name: &str) -> bool {
    let (module, name) = modern(module, name);
    let root = module.split('.').next().unwrap_or_default();
    harmless::is_function(&module, &name)
        || (libraries::MODELS.binary_search(&root).is_ok() && functions::is_of_numbers(&module, &name))
}

/// Whether a method of that name acts on files or runs text, or an attribute leads into the interpreter.
pub(crate) fn acts(attribute: &str) -> bool {
    dangerous::METHODS.split_ascii_whitespace().any(|name| name == attribute)
}

/// Whether it is one of sympy's classes of expressions.
fn is_expression(module: &str, name: &str) -> bool {
    const NONE: [&str; 9] = [
        "parsing",
        "utilities",
        "printing",
        "plotting",
        "external",
        "interactive",
        "testing",
        "codegen",
        "benchmarks",
    ];
    let part = module.split('.').nth(1).unwrap_or_default();
    !name.contains('.')
        && !NONE.contains(&part)
        && module != "sympy.core.sympify"
        && (is_class(name) || part == "functions")
}

/// Whether it is an exception of Python's own library or of one of models, which holds what went wrong.
fn is_plain_exception(module: &str, name: &str) -> bool {
    // Importing these does something, or making one of theirs.
    const NONE: [&str; 9] = [
        "antigravity",
        "distutils",
        "ensurepip",
        "idlelib",
        "lib2to3",
        "test",
        "this",
        "traceback",
        "turtledemo",
    ];
    let root = module.split('.').next().unwrap_or_default();
    is_class(name)
        && !name.contains('.')
        && ["Error", "Warning", "Exception"].iter().any(|suffix| name.ends_with(suffix))
        && !NONE.contains(&root)
        && (libraries::STANDARD.binary_search(&root).is_ok()
            || libraries::MODELS.binary_search(&root).is_ok())
}

/// What a class holds under a name of its own: a member of an enumeration, or another class. Both are as harmless as it.
fn judge_member(module: &str, name: &str) -> Option<Judgement> {
    let (owner, member) = name.rsplit_once('.')?;
    if member == "__new__" {
        return is_harmless_class(&judge(module, owner)).then_some(Judgement::Special(Special::Makes));
    }
    // A method that is no object's, such as a static one: a function like others of the module.
    if is_class(owner) && !owner.contains('.') && !member.starts_with("__") && !acts(member) {
        let method = match judge(module, owner) {
            Judgement::Unknown { class: true } => Some(Judgement::Unknown { class: false }),
            Judgement::Unlisted { class: true } => Some(Judgement::Unlisted { class: false }),
            _ => None,
        };
        if method.is_some() && !is_class(member) {
            return method;
        }
    }
    let is_constant = member.starts_with(char::is_uppercase)
        && member.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    if !is_constant && !is_class(member) {
        return None;
    }
    match judge(module, owner) {
        Judgement::Allowed if !is_constant => Some(Judgement::Restored),
        judgement => is_harmless_class(&judgement).then_some(judgement),
    }
}

/// A class that at worst nothing is known of.
fn is_harmless_class(judgement: &Judgement) -> bool {
    matches!(
        judgement,
        Judgement::Allowed
            | Judgement::Restored
            | Judgement::Unlisted { class: true }
            | Judgement::Unknown { class: true }
    )
}

/// Whether a function's name says that it restores something of its library. What it is made of is looked at.
pub(crate) fn restores(module: &str, name: &str) -> bool {
    // Of these the exact names are known, and others of the kind read files or run code.
    const KNOWN: [&str; 10] = [
        "datasets",
        "gensim",
        "joblib",
        "keras",
        "mlflow",
        "ray",
        "statsmodels",
        "tensorflow",
        "tf_keras",
        "torch",
    ];
    if KNOWN.contains(&module.split('.').next().unwrap_or_default()) {
        return false;
    }
    const WAYS: [&str; 5] = ["unpickle", "reconstruct", "rebuild", "restore", "recreate"];
    let plain = name.trim_start_matches('_');
    WAYS.iter().any(|way| plain.starts_with(way))
}

fn is_class(name: &str) -> bool {
    name.trim_start_matches('_').starts_with(char::is_uppercase)
}

/// The names that the user allows.
#[derive(Debug, Default)]
pub(crate) struct Allowed {
    names: HashSet<String>,
    /// With the dot behind them.
    modules: Vec<String>,
}

impl Allowed {
    /// These: `module.Name`, or `module.*` for all of a module and of those below it.
    pub(crate) fn new(allow: &[String]) -> Self {
        let mut allowed = Self::default();
        for entry in allow {
            match entry.strip_suffix('*').filter(|module| module.ends_with('.')) {
                Some(module) => allowed.modules.push(module.to_owned()),
                None => drop(allowed.names.insert(entry.clone())),
            }
        }
        allowed
    }

    /// Whether a name is among them.
    pub(crate) fn allows(&self, name: &str) -> bool {
        self.names.contains(name) || self.modules.iter().any(|module| name.starts_with(module.as_str()))
    }
}

/// The name as Python 3 and current libraries have it.
fn modern(module: &str, name: &str) -> (String, String) {
    let module = match module {
        "__builtin__" | "__builtins__" => "builtins",
        "copy_reg" => "copyreg",
        "cPickle" | "_pickle" => "pickle",
        "UserDict" | "UserList" | "UserString" => "collections",
        "_abcoll" => "collections.abc",
        "exceptions" => "builtins",
        other => other,
    };
    let module = match module.strip_prefix("numpy._core") {
        Some(rest) => format!("numpy.core{rest}"),
        None => module.to_owned(),
    };
    if let Some(method) = name.strip_prefix("unicode.").filter(|_| module == "builtins") {
        return (module, format!("str.{method}"));
    }
    let builtin = match (module.as_str(), name) {
        ("itertools", "izip") => Some("zip"),
        ("itertools", "imap") => Some("map"),
        ("itertools", "ifilter") => Some("filter"),
        ("itertools", "ifilterfalse") => return ("itertools".to_owned(), "filterfalse".to_owned()),
        _ => None,
    };
    if let Some(name) = builtin {
        return ("builtins".to_owned(), name.to_owned());
    }
    let name = match (module.as_str(), name) {
        ("builtins", "unicode") => "str",
        ("builtins", "long") => "int",
        ("builtins", "xrange") => "range",
        ("builtins", "unichr") => "chr",
        ("collections", "IterableUserDict") => "UserDict",
        (_, name) => name,
    };
    (module, name.to_owned())
}

/// `src/pickle/policy/classes.txt`, by module.
static CLASSES: LazyLock<HashMap<&'static str, Vec<&'static str>>> = LazyLock::new(|| {
    let mut classes: HashMap<_, Vec<_>> = HashMap::new();
    for line in include_str!("policy/classes.txt").lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split(' ');
        if let Some(module) = words.next() {
            classes.entry(module).or_default().extend(words);
        }
    }
    classes
});

/// The classes of [`CLASSES`] in each part of a library.
static FAMILIES: LazyLock<HashSet<(&'static str, &'static str)>> = LazyLock::new(|| {
    let parts = CLASSES.iter().filter(|(module, _)| module.contains('.'));
    parts.flat_map(|(module, names)| names.iter().map(|name| (family(module), *name))).collect()
});

/// The part of a library that a module belongs to: `scipy.interpolate` of `scipy.interpolate._cubic`.
fn family(module: &str) -> &str {
    module.match_indices('.').nth(1).map_or(module, |(end, _)| &module[..end])
}

/// Whether the name is on the list of harmless ones in the module that `a.b` has become: `a._b`.
fn is_harmless_elsewhere(module: &str, name: &str) -> bool {
    let renamed = module.rsplit_once('.').map(|(parent, last)| format!("{parent}._{last}"));
    renamed.is_some_and(|module| harmless::lookup(&module, name) == Some(Judgement::Allowed))
}

/// Whether the class is listed; libraries have renamed `a.b` to `a._b` over the years, and old files say the
/// former.
fn is_listed_class(module: &str, name: &str) -> bool {
    let listed = |module: &str| CLASSES.get(module).is_some_and(|names| names.contains(&name));
    if listed(module) {
        return true;
    }
    // Within one part of a library, classes move from file to file and keep their names.
    if FAMILIES.contains(&(family(module), name)) {
        return true;
    }
    let Some((parent, last)) = module.rsplit_once('.') else { return false };
    let renamed = match last {
        "classes" | "tree" if parent == "sklearn.tree" || parent == "sklearn.svm" => "_classes",
        "gradient_boosting" => "_gb",
        "k_means_" => "_kmeans",
        "stochastic_gradient" => "_stochastic_gradient",
        other => other.trim_end_matches('_'),
    };
    listed(&format!("{parent}.{renamed}")) || listed(&format!("{parent}._{renamed}"))
}

fn is_dunder(name: &str) -> bool {
    name.starts_with("__") && name.ends_with("__")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_models_use_is_allowed() {
        for (module, name) in [
            ("sklearn.ensemble._forest", "RandomForestClassifier"),
            ("sklearn.ensemble.forest", "RandomForestClassifier"),
            ("scipy.interpolate.interpolate", "RegularGridInterpolator"),
            ("scipy.interpolate.interpolate", "interp1d._call_linear_np"),
            ("sklearn.tree._tree", "Tree"),
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy._core.multiarray", "_reconstruct"),
            ("numpy", "ndarray"),
            ("collections", "OrderedDict"),
            ("__builtin__", "object"),
            ("__builtin__", "unicode.lower"),
            ("itertools", "izip"),
            ("UserDict", "IterableUserDict"),
            ("sklearn.metrics.cluster._supervised", "v_measure_score"),
            ("torch._utils", "_rebuild_tensor_v2"),
            ("torch.nn.modules.linear", "Linear"),
            ("xgboost.sklearn", "XGBClassifier"),
            ("pandas._libs.interval", "__pyx_unpickle_IntervalMixin"),
        ] {
            assert_eq!(judge(module, name), Judgement::Allowed, "{module}.{name}");
        }
    }

    #[test]
    fn what_runs_code_is_dangerous_by_any_name() {
        for (module, name) in [
            ("os", "system"),
            ("posix", "system"),
            ("nt", "system"),
            ("subprocess", "Popen"),
            ("builtins", "eval"),
            ("__builtin__", "exec"),
            ("importlib", "import_module"),
            ("runpy", "_run_code"),
            ("socket", "socket"),
            ("urllib.request", "urlopen"),
            ("shutil", "rmtree"),
            ("pty", "spawn"),
            ("webbrowser", "open"),
            ("numpy.testing._private.utils", "runstring"),
            ("torch.hub", "load"),
            ("random", "_os.system"),
            ("logging", "os.system"),
            ("collections", "_sys.modules"),
            ("types", "FunctionType"),
            ("cloudpickle.cloudpickle", "_make_function"),
        ] {
            assert!(
                matches!(judge(module, name), Judgement::Dangerous(_)),
                "{module}.{name}: {:?}",
                judge(module, name)
            );
        }
    }

    #[test]
    fn what_is_not_known_is_told_apart() {
        assert_eq!(judge("churn.features", "Scaler"), Judgement::Unknown { class: true });
        assert_eq!(judge("churn.features", "make"), Judgement::Unknown { class: false });
        assert_eq!(judge("sklearn.base", "clone"), Judgement::Unlisted { class: false });
        assert_eq!(judge("textwrap", "wrap"), Judgement::Standard);
        assert_eq!(judge("numpy", "ndarray.tofile"), Judgement::Evasive);
        assert_eq!(judge("scipy.fft", "RegularGridInterpolator"), Judgement::Unlisted { class: true });
        assert_eq!(judge("churn", "__reduce__"), Judgement::Evasive);
        assert_eq!(judge("churn", "Mode.FAST"), Judgement::Unknown { class: true });
        assert_eq!(judge("churn", "Mode.__class__"), Judgement::Evasive);
        assert_eq!(judge("churn", "tools.Mode"), Judgement::Evasive);
        assert_eq!(judge("churn", "Model.clean"), Judgement::Unknown { class: false });
        assert_eq!(judge("river.naive_bayes", "GaussianNB._make"), Judgement::Unlisted { class: false });
        assert_eq!(judge("churn", "Model.to_csv"), Judgement::Evasive);
        assert_eq!(judge("os", "Model.clean"), Judgement::Dangerous("runs commands"));
        assert_eq!(judge("torch.nn.modules.linear", "Linear.Inner"), Judgement::Restored);
    }

    #[test]
    fn classes_of_libraries_are_restored_and_functions_of_numbers_used() {
        for (module, name) in [
            ("transformers.models.bert.modeling_bert", "BertModel"),
            ("transformers.models.gpt2.configuration_gpt2", "GPT2Config"),
            ("transformers.generation.configuration_utils", "GenerationConfig"),
            ("torchvision.models.resnet", "ResNet"),
        ] {
            assert_eq!(judge(module, name), Judgement::Restored, "{module}.{name}");
        }
        for (module, name) in [
            ("scipy.special._special_ufuncs", "expit"),
            ("torch._C._nn", "gelu"),
            ("torch.nn.functional", "relu"),
            ("torch._C", "_VariableFunctionsClass.tanh"),
            ("numpy.matlib", "exp"),
            ("builtins", "StopIteration"),
            ("builtins", "print"),
        ] {
            assert_eq!(judge(module, name), Judgement::Allowed, "{module}.{name}");
        }
        for (module, name) in [
            ("torch._C._VariableFunctions", "from_file"),
            ("torch._C", "_VariableFunctionsClass.from_file"),
            ("transformers.models.bert.modeling_bert", "os"),
            ("transformers.models.bert.modeling_bert.os", "Popen"),
        ] {
            assert!(
                !matches!(judge(module, name), Judgement::Restored | Judgement::Allowed),
                "{module}.{name}"
            );
        }
    }

    #[test]
    fn names_that_are_harmless_with_some_arguments() {
        for (module, name, special) in [
            ("copy_reg", "_reconstructor", Special::Makes),
            ("itertools", "imap", Special::Applies(0)),
            ("itertools", "ifilterfalse", Special::Applies(0)),
            ("scipy.stats._stats_py", "LinregressResult.__new__", Special::Makes),
            ("keras.src.models.sequential", "Sequential._unpickle_model", Special::Load),
            ("sympy.core.add", "Add", Special::Parses),
            ("sympy.functions.elementary.trigonometric", "sin", Special::Parses),
        ] {
            assert_eq!(judge(module, name), Judgement::Special(special), "{module}.{name}");
        }
        for (module, name) in [
            ("sympy.parsing.sympy_parser", "T"),
            ("sympy.core.sympify", "CantSympify"),
            ("sympy.utilities.lambdify", "MODULES"),
            ("pyarrow.lib", "OSFile"),
            ("nltk.data", "PathPointer"),
            ("nltk", "download"),
            ("antigravity", "SomeError"),
            ("numba.core.serialize", "_unpickle__CustomPickled"),
            ("keras.src.models.cloning", "clone_model"),
        ] {
            assert!(matches!(judge(module, name), Judgement::Dangerous(_)), "{module}.{name}");
        }
        for (module, name) in [
            ("json.decoder", "JSONDecodeError"),
            ("decimal", "Overflow"),
            ("pyarrow.lib", "_restore_array"),
            ("torch._utils", "torch.channels_last"),
            ("inspect", "_empty"),
        ] {
            assert_eq!(judge(module, name), Judgement::Allowed, "{module}.{name}");
        }
    }

    #[test]
    fn users_allow_names_and_modules() {
        let allowed = Allowed::new(&["churn.features.*".into(), "own.Model".into()]);
        for (name, expected) in [
            ("churn.features.scale.Scaler", true),
            ("churn.features.Scaler", true),
            ("churn.featuresx.Scaler", false),
            ("own.Model", true),
            ("own.Other", false),
        ] {
            assert_eq!(allowed.allows(name), expected, "{name}");
        }
    }

    #[test]
    fn tables_are_sorted_for_binary_search() {
        assert!(libraries::STANDARD.is_sorted() && libraries::MODELS.is_sorted());
    }
}
