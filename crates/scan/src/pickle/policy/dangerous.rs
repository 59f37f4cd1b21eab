//! Table: names that execute code, import, or reach files or the network, with the words for each.

/// Why a name is dangerous, if it is known to be.
pub(super) fn reason(module: &str, name: &str) -> Option<&'static str> {
    let exact = NAMES.iter().find(|(m, names, _)| *m == module && has(names, name)).map(|(.., why)| *why);
    exact.or_else(|| module_reason(module))
}

/// Why everything in a module is dangerous.
pub(super) fn module_reason(module: &str) -> Option<&'static str> {
    let root = module.split('.').next().unwrap_or_default();
    // `_os` and `_sys` are how modules call the ones they import for themselves.
    let plain = root.trim_start_matches('_');
    ROOTS
        .iter()
        .find(|(names, _)| has(names, root) || has(names, plain))
        .map(|(_, why)| *why)
        .or_else(|| PARTS.iter().find(|(part, _)| is_below(module, part)).map(|(_, why)| *why))
}

fn has(names: &str, name: &str) -> bool {
    !name.is_empty() && names.split_ascii_whitespace().any(|n| n == name)
}

fn is_below(module: &str, part: &str) -> bool {
    module.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

const COMMANDS: &str = "runs commands";
const CODE: &str = "runs code";
const IMPORTS: &str = "imports modules";
const FILES: &str = "reads or writes files";
const NETWORK: &str = "reaches the network";
const MEMORY: &str = "reaches memory and native code";
const INSIDES: &str = "reaches the interpreter's insides";
const LOADS: &str = "loads further files that may run code";

/// Top-level modules of which nothing belongs into a model.
const ROOTS: &[(&str, &str)] = &[
    (
        "os posix nt subprocess commands popen2 pty pipes posixsubprocess winapi pexpect ptyprocess sh plumbum fabric invoke \
         psutil distutils setuptools pybind11 pkg_resources pip ensurepip venv idlelib lib2to3 test this antigravity turtledemo win32api win32com",
        COMMANDS,
    ),
    (
        "code codeop runpy bdb pdb cProfile profile timeit trace doctest cmd marshal dis sched cgitb unittest \
         yaml ruamel oyaml nose pytest py _pytest IPython ipykernel jupyter_client cffi numexpr sympy jinja2 mako chevron lsprof threading thread \
         concurrent multiprocessing asyncio atexit signal billiard celery dask distributed ray pyspark interpreters xxsubinterpreters",
        CODE,
    ),
    (
        "importlib imp pkgutil zipimport modulefinder frozen_importlib frozen_importlib_external six pyclbr compileall py_compile",
        IMPORTS,
    ),
    (
        "sys gc inspect builtins symtable tracemalloc site sitecustomize usercustomize faulthandler sysconfig",
        INSIDES,
    ),
    (
        "shutil tempfile glob fileinput linecache filecmp tarfile zipfile zipapp shelve dbm gdbm anydbm whichdb sqlite3 mailbox \
         mailcap netrc fsspec h5py tables pyarrow ntpath posixpath genericpath nturl2path pydoc pstats posix1e dumbdbm fcntl posixshmem codecs \
         gzip bz2 lzma csv configparser xml plistlib wave aifc sunau imghdr sndhdr tokenize tabnanny logging_tree rlcompleter readline",
        FILES,
    ),
    (
        "socket socketserver SocketServer ssl select selectors asyncore asynchat urllib urllib2 urllib3 urlparse httplib http ftplib smtplib \
         smtpd poplib imaplib nntplib telnetlib xmlrpc xmlrpclib webbrowser requests httpx aiohttp websocket websockets paramiko boto3 botocore \
         huggingface_hub wsgiref BaseHTTPServer SimpleHTTPServer uvicorn flask django tornado twisted grpc zmq redis pymongo ftputil curl pycurl onnxruntime google azure ansible kubernetes docker selenium playwright openai anthropic mlflow wandb comet_ml s3fs gcsfs smart_open pandas_datareader",
        NETWORK,
    ),
    ("ctypes mmap resource winreg _winreg msvcrt tkinter Tkinter turtle pyautogui", MEMORY),
];

/// Modules below others.
const PARTS: &[(&str, &str)] = &[
    ("logging.config", CODE),
    ("logging.handlers", NETWORK),
    ("encodings", CODE),
    ("numpy.testing", CODE),
    ("numpy.distutils", COMMANDS),
    ("numpy.f2py", COMMANDS),
    ("numpy.ctypeslib", MEMORY),
    ("numpy.lib.npyio", FILES),
    ("numpy.lib._npyio_impl", FILES),
    ("numpy.lib._datasource", NETWORK),
    ("numpy.lib.format", FILES),
    ("numpy.lib.utils", CODE),
    ("numpy.core.memmap", FILES),
    ("scipy.io", FILES),
    ("scipy.weave", CODE),
    ("scipy.datasets", NETWORK),
    ("sklearn.datasets", NETWORK),
    ("sklearn.utils._testing", CODE),
    ("pandas.io", FILES),
    ("pandas.core.computation", CODE),
    ("pandas.util", CODE),
    ("joblib.memory", CODE),
    ("joblib._store_backends", FILES),
    ("scipy._lib._ccallback", MEMORY),
    ("joblib.parallel", CODE),
    ("joblib.externals", CODE),
    ("joblib.func_inspect", CODE),
    ("torch.hub", NETWORK),
    ("torch.jit", CODE),
    ("torch.package", IMPORTS),
    ("torch.utils.cpp_extension", COMMANDS),
    ("torch.utils.collect_env", COMMANDS),
    ("torch.utils.bottleneck", CODE),
    ("torch.utils.model_zoo", NETWORK),
    ("torch.utils._config_module", LOADS),
    ("torch.utils.data.datapipes", FILES),
    ("torch.utils.show_pickle", LOADS),
    ("torch.utils.file_baton", FILES),
    ("torch.utils._content_store", FILES),
    ("torch.utils.tensorboard", FILES),
    ("torch.serialization", LOADS),
    ("torch.distributed", NETWORK),
    ("torch.multiprocessing", CODE),
    ("torch._inductor", COMMANDS),
    ("torch._dynamo", CODE),
    ("torch.fx", CODE),
    ("torch.onnx", FILES),
    ("torch.cuda._memory_viz", FILES),
    ("torch.ao.quantization", CODE),
    ("torch._library", CODE),
    ("torch.testing", CODE),
    ("torch.profiler", FILES),
    ("torch.autograd.profiler", FILES),
    ("tensorflow.python.ops.io_ops", FILES),
    ("tensorflow.io", FILES),
    ("keras.utils", NETWORK),
    ("keras.src.utils", NETWORK),
    ("keras.models", LOADS),
    ("keras.src.models", LOADS),
    ("keras.saving", LOADS),
    ("transformers.dynamic_module_utils", IMPORTS),
    ("transformers.pipelines", LOADS),
    ("transformers.utils.hub", NETWORK),
    ("xgboost.spark", CODE),
    ("xgboost.dask", CODE),
    ("numba.pycc", COMMANDS),
    ("torch.library", CODE),
    ("torch._ops", CODE),
    ("numba.core.serialize", CODE),
    ("numba.serialize", CODE),
    ("numba.cloudpickle", CODE),
    ("nltk.data", NETWORK),
    ("nltk.downloader", NETWORK),
    ("nltk.corpus", FILES),
    ("nltk.app", CODE),
    ("nltk.chat", CODE),
    ("nltk.draw", CODE),
    ("nltk.inference", COMMANDS),
    ("nltk.internals", COMMANDS),
    ("nltk.parse", COMMANDS),
    ("nltk.sem", COMMANDS),
    ("nltk.classify.megam", COMMANDS),
    ("nltk.classify.tadm", COMMANDS),
    ("nltk.classify.weka", COMMANDS),
    ("nltk.tag.hunpos", COMMANDS),
    ("nltk.tag.senna", COMMANDS),
    ("nltk.tag.stanford", COMMANDS),
    ("nltk.tokenize.repp", COMMANDS),
    ("nltk.tokenize.stanford", COMMANDS),
    ("nltk.twitter", NETWORK),
    ("cloudpickle", CODE),
    ("dill", CODE),
];

/// Methods of things that models are made of that touch files or run text, and attributes that lead into the interpreter.
pub(super) const METHODS: &str = "eval query pipe to_clipboard to_csv to_excel to_feather to_gbq to_hdf to_html to_json to_latex \
    to_markdown to_orc to_parquet to_pickle to_sql to_stata to_xml tofile dump touch unlink write_text write_bytes read_text read_bytes rmdir mkdir \
    symlink_to hardlink_to link_to chmod lchmod save_model dump_model load_model load_config save_weights load_weights \
    save_pretrained push_to_hub from_pretrained exec_module load_module addHandler runcode runsource system popen gi_frame \
    gi_code cr_frame cr_code ag_frame ag_code f_globals f_builtins f_locals f_back f_code tb_frame func_globals func_code im_func im_self";

/// Single names.
const NAMES: &[(&str, &str, &str)] = &[
    (
        "builtins",
        "eval exec execfile compile apply __import__ reload breakpoint globals locals vars dir setattr delattr hasattr open \
         file input raw_input help exit quit reduce next delattr __build_class__ credits license copyright",
        CODE,
    ),
    (
        "types",
        "FunctionType LambdaType CodeType MethodType ModuleType BuiltinFunctionType CellType new_class",
        CODE,
    ),
    ("functools", "partialmethod singledispatch wraps update_wrapper cached_property", CODE),
    ("operator", "call attrgetter methodcaller setitem delitem", CODE),
    ("_operator", "call attrgetter methodcaller setitem delitem", CODE),
    ("pickle", "load loads _load Unpickler _Unpickler dump Pickler whichmodule _getattribute", LOADS),
    ("joblib", "load dump Parallel delayed Memory", LOADS),
    ("joblib.numpy_pickle", "load dump _unpickle NumpyUnpickler", LOADS),
    ("copyreg", "add_extension constructor pickle", CODE),
    ("io", "open FileIO open_code TextIOWrapper BufferedReader", FILES),
    ("_io", "open FileIO open_code TextIOWrapper BufferedReader", FILES),
    ("_pyio", "open FileIO", FILES),
    (
        "pathlib",
        "Path.open Path.write_text Path.write_bytes Path.unlink Path.read_text Path.read_bytes",
        FILES,
    ),
    ("random", "_os", COMMANDS),
    ("platform", "popen system _syscmd_ver _syscmd_uname _syscmd_file processor", COMMANDS),
    ("uuid", "_get_command_stdout _popen getnode _ifconfig_getter", COMMANDS),
    ("base64", "b64decode decodebytes b32decode b16decode a85decode b85decode urlsafe_b64decode main", CODE),
    ("zlib", "decompress", CODE),
    ("collections", "namedtuple", CODE),
    ("typing", "get_type_hints ForwardRef _eval_type", CODE),
    ("ast", "parse literal_eval", CODE),
    ("contextlib", "ExitStack _GeneratorContextManager", CODE),
    ("gettext", "c2py", CODE),
    ("locale", "getpreferredencoding", COMMANDS),
    ("string", "_re", CODE),
    ("dataclasses", "make_dataclass _create_fn", CODE),
    ("weakref", "finalize", CODE),
    ("getpass", "getpass unix_getpass", COMMANDS),
    (
        "numpy",
        "load save savez savez_compressed savetxt loadtxt genfromtxt fromfile fromregex memmap DataSource source info \
         frompyfunc apply_along_axis apply_over_axes piecewise",
        FILES,
    ),
    ("numpy.core.multiarray", "fromfile", FILES),
    ("torch", "load save hub jit compile classes ops", LOADS),
    ("torch._C", "PyTorchFileReader PyTorchFileWriter import_ir_module", FILES),
    (
        "pandas",
        "eval read_pickle read_csv read_table read_json read_html read_excel read_sql read_sql_query read_hdf read_parquet read_feather \
         read_orc read_xml read_fwf read_stata read_sas read_spss read_clipboard to_pickle ExcelWriter HDFStore",
        FILES,
    ),
    (
        "pandas.core.frame",
        "DataFrame.to_pickle DataFrame.eval DataFrame.query DataFrame.apply DataFrame.pipe",
        CODE,
    ),
    ("nltk", "download data downloader app corpus load", NETWORK),
    ("tensorflow", "io load_op_library load_library py_function numpy_function", CODE),
];
