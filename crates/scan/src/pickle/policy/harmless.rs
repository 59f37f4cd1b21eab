//! Table: names beside the classes of `classes.txt` that pickles of models use and that do no harm.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::{Judgement, Special};

/// What is known of a name, if it is on the list.
pub(super) fn lookup(module: &str, name: &str) -> Option<Judgement> {
    if let Some((_, _, special)) = SPECIAL.iter().find(|(m, n, _)| *m == module && *n == name) {
        return Some(Judgement::Special(*special));
    }
    let listed = HARMLESS.get(module).is_some_and(|names| names.contains(&name));
    let builtin = module == "builtins" && (name.ends_with("Error") || name.ends_with("Warning"));
    (listed || builtin || is_function(module, name) || is_torch_constant(module, name))
        .then_some(Judgement::Allowed)
}

/// Whether it is a function that models name and that nothing calls while they are restored. Called, the harmless ones among
/// them are how others get called: `max` has a key, `%` looks items up, `sqrt` asks an object for its method of that name.
pub(super) fn is_function(module: &str, name: &str) -> bool {
    FUNCTIONS.get(module).is_some_and(|names| names.contains(&name))
        || (module == "builtins" && is_method(name))
}

/// Methods of plain values: `str.split`. Formatting is not among them, as it looks up attributes.
fn is_method(name: &str) -> bool {
    name.split_once('.').is_some_and(|(class, method)| {
        matches!(class, "str" | "bytes" | "int" | "float" | "list" | "dict" | "set" | "frozenset" | "tuple")
            && !method.contains(['.', '_'])
            && !method.starts_with("format")
    })
}

/// The element types and storages of PyTorch: `torch.float32`, `torch.FloatStorage`.
fn is_torch_constant(module: &str, name: &str) -> bool {
    const TYPES: [&str; 16] = [
        "Double",
        "Float",
        "Half",
        "BFloat16",
        "Long",
        "Int",
        "Short",
        "Char",
        "Byte",
        "Bool",
        "ComplexDouble",
        "ComplexFloat",
        "QInt8",
        "QUInt8",
        "QInt32",
        "Untyped",
    ];
    let of_type = |suffix: &str| name.strip_suffix(suffix).is_some_and(|kind| TYPES.contains(&kind));
    match module {
        "torch" | "torch.cuda" => of_type("Storage") || of_type("Tensor"),
        "torch.storage" => {
            matches!(name, "UntypedStorage" | "TypedStorage" | "_TypedStorage" | "_UntypedStorage")
        }
        _ => false,
    }
}

const SPECIAL: &[(&str, &str, Special)] = &[
    ("builtins", "getattr", Special::GetAttribute),
    ("builtins", "type", Special::OfOne),
    ("builtins", "iter", Special::OfOne),
    ("operator", "getitem", Special::Generic),
    ("_operator", "getitem", Special::Generic),
    ("operator", "attrgetter", Special::AttributeNames),
    ("_operator", "attrgetter", Special::AttributeNames),
    ("operator", "methodcaller", Special::AttributeNames),
    ("_operator", "methodcaller", Special::AttributeNames),
    ("numpy.core", "_ufunc_reconstruct", Special::Import),
    ("dill._dill", "_load_type", Special::TypeByName),
    ("_codecs", "encode", Special::Encode),
    ("torch.storage", "_load_from_bytes", Special::Load),
    ("pickle", "loads", Special::Load),
    ("pickle", "_loads", Special::Load),
    ("dill", "loads", Special::Load),
    ("dill._dill", "loads", Special::Load),
    ("cloudpickle", "loads", Special::Load),
    ("cloudpickle.cloudpickle", "loads", Special::Load),
    ("builtins", "map", Special::Applies(0)),
    ("builtins", "filter", Special::Applies(0)),
    ("itertools", "starmap", Special::Applies(0)),
    ("itertools", "takewhile", Special::Applies(0)),
    ("itertools", "dropwhile", Special::Applies(0)),
    ("itertools", "filterfalse", Special::Applies(0)),
    ("itertools", "accumulate", Special::Applies(1)),
    ("itertools", "groupby", Special::Applies(1)),
    ("numpy", "vectorize", Special::Applies(0)),
    ("functools", "reduce", Special::Union),
    ("_functools", "reduce", Special::Union),
    ("torch._tensor", "_rebuild_from_type_v2", Special::Calls(2)),
    ("torch._tensor", "_rebuild_from_type", Special::Calls(2)),
    ("torch.tensor", "_rebuild_from_type", Special::Calls(2)),
    ("jax._src.array", "_reconstruct_array", Special::Calls(1)),
    ("fsspec.spec", "make_instance", Special::Calls(1)),
    ("copyreg", "_reconstructor", Special::Makes),
    ("copyreg", "__newobj__", Special::Makes),
    ("copyreg", "__newobj_ex__", Special::Makes),
    ("keras.saving.pickle_utils", "deserialize_model_from_bytecode", Special::Load),
    ("keras.src.saving.pickle_utils", "deserialize_model_from_bytecode", Special::Load),
    ("joblib.memory", "Memory", Special::Holder),
    ("joblib.memory", "MemorizedFunc", Special::Holder),
    ("joblib.memory", "NotMemorizedFunc", Special::Holder),
    ("joblib._store_backends", "FileSystemStoreBackend", Special::Holder),
    ("sentence_transformers.SentenceTransformer", "SentenceTransformer", Special::Holder),
    ("sentence_transformers.cross_encoder.CrossEncoder", "CrossEncoder", Special::Holder),
    ("xgboost.core", "Booster", Special::Holder),
    ("lightgbm.basic", "Booster", Special::Holder),
    ("joblib.externals.cloudpickle", "loads", Special::Load),
];

type Names = HashMap<&'static str, Vec<&'static str>>;

static HARMLESS: LazyLock<Names> = LazyLock::new(|| by_module(TABLE));
static FUNCTIONS: LazyLock<Names> = LazyLock::new(|| by_module(FUNCTION_TABLE));

fn by_module(table: &[(&'static str, &'static str)]) -> Names {
    table.iter().map(|(module, names)| (*module, names.split_whitespace().collect())).collect()
}

const TABLE: &[(&str, &str)] = &[
    // Python's own containers and values.
    (
        "builtins",
        "object set frozenset list dict tuple bytes bytearray complex slice range int float bool str memoryview \
         Ellipsis NotImplemented None reversed enumerate zip BaseException Exception StopIteration StopAsyncIteration \
         GeneratorExit KeyboardInterrupt SystemExit BaseExceptionGroup ExceptionGroup property staticmethod classmethod super",
    ),
    ("collections", "OrderedDict defaultdict deque Counter ChainMap UserDict UserList UserString"),
    (
        "collections.abc",
        "Mapping MutableMapping Sequence MutableSequence Set MutableSet Iterable Iterator Hashable Callable Sized Container \
         Collection Generator KeysView ValuesView ItemsView",
    ),
    ("http", "HTTPStatus HTTPMethod"),
    ("statistics", "NormalDist"),
    ("datetime", "datetime date time timedelta timezone tzinfo timezone.utc"),
    (
        "decimal",
        "Decimal DecimalTuple Context Clamped DivisionByZero FloatOperation Inexact InvalidOperation Overflow Rounded Subnormal \
         Underflow",
    ),
    ("fractions", "Fraction"),
    ("uuid", "UUID SafeUUID"),
    ("pathlib", "Path PosixPath WindowsPath PurePath PurePosixPath PureWindowsPath"),
    ("pathlib._local", "Path PosixPath WindowsPath PurePath PurePosixPath PureWindowsPath"),
    ("ipaddress", "IPv4Address IPv6Address IPv4Network IPv6Network IPv4Interface IPv6Interface"),
    ("re", "_compile Pattern RegexFlag"),
    ("regex._regex", "compile"),
    ("regex", "Pattern"),
    ("regex._regex_core", "RegexFlag"),
    ("zoneinfo", "ZoneInfo ZoneInfo._unpickle"),
    ("zoneinfo._common", "ZoneInfo"),
    ("functools", "partial"),
    ("operator", "itemgetter"),
    ("_operator", "itemgetter"),
    ("types", "SimpleNamespace MappingProxyType GenericAlias NoneType EllipsisType NotImplementedType"),
    ("argparse", "Namespace"),
    ("array", "array _array_reconstructor"),
    ("_io", "BytesIO StringIO"),
    ("io", "BytesIO StringIO"),
    ("random", "Random"),
    ("_random", "Random"),
    ("string", "Template Formatter"),
    ("time", "struct_time"),
    ("dataclasses", "_MISSING_TYPE MISSING Field _FIELD_BASE"),
    ("enum", "Enum IntEnum Flag IntFlag StrEnum auto"),
    (
        "logging",
        "getLogger Logger RootLogger Formatter LogRecord PercentStyle StrFormatStyle StringTemplateStyle Filter \
         Filterer BufferingFormatter NullHandler",
    ),
    (
        "typing",
        "Any Union Optional List Dict Tuple Set FrozenSet Callable Generic TypeVar NamedTuple OrderedDict DefaultDict Deque \
         Counter ChainMap Type Iterable Iterator Sequence Mapping MutableMapping MutableSequence MutableSet AbstractSet Hashable \
         Sized Collection Container Literal ClassVar Final Annotated Generator NoReturn Text AnyStr Protocol TypedDict Self Never \
         KeysView ValuesView ItemsView SupportsInt SupportsFloat Required NotRequired Unpack ParamSpec",
    ),
    (
        "itertools",
        "count cycle repeat chain islice zip_longest izip_longest compress pairwise product permutations combinations \
         combinations_with_replacement tee _tee _tee_dataobject _grouper batched",
    ),
    ("inspect", "_empty Signature Parameter _ParameterKind BoundArguments FullArgSpec ArgSpec"),
    ("calendar", "Calendar TextCalendar HTMLCalendar LocaleTextCalendar LocaleHTMLCalendar Day Month"),
    ("json.encoder", "JSONEncoder"),
    ("json.decoder", "JSONDecoder"),
    ("contextlib", "nullcontext suppress"),
    ("queue", "Full Empty"),
    ("abc", "ABC ABCMeta"),
    ("fsspec.implementations.local", "LocalFileSystem"),
    ("numbers", "Number Complex Real Rational Integral"),
    ("signal", "Signals Handlers SIGTERM SIGINT SIGHUP SIGKILL SIGUSR1 SIGUSR2"),
    ("weakref", "WeakValueDictionary WeakKeyDictionary WeakSet"),
    ("pickle", "PickleBuffer"),
    ("__future__", "_Feature"),
    ("pytz", "_UTC _p utc UTC"),
    ("pytz.tzinfo", "DstTzInfo StaticTzInfo"),
    ("dateutil.tz.tz", "tzutc tzlocal tzoffset"),
    ("dateutil.relativedelta", "relativedelta"),
    // NumPy.
    ("numpy.char", "chararray"),
    ("numpy.core.defchararray", "chararray"),
    ("numpy.core.getlimits", "finfo iinfo"),
    ("dill._dill", "_create_array"),
    (
        "numpy",
        "ndarray dtype generic number integer inexact floating complexfloating flexible character bool_ bool int8 int16 int32 \
         int64 uint8 uint16 uint32 uint64 int_ uint intc uintc intp uintp byte ubyte short ushort longlong ulonglong float16 \
         float32 float64 float128 half single double longdouble float_ complex64 complex128 complex256 csingle cdouble \
         clongdouble str_ bytes_ string_ unicode_ object_ void datetime64 timedelta64 matrix recarray record poly1d nan inf \
         finfo iinfo newaxis pi e",
    ),
    ("numpy.core.multiarray", "_reconstruct scalar ndarray dtype correlate"),
    ("numpy.core.numeric", "_frombuffer"),
    ("numpy.core", "_internal"),
    ("numpy.core._internal", "_convert_to_stringdtype_kwargs _reconstruct"),
    (
        "numpy.core._multiarray_umath",
        "_reconstruct scalar sqrt square log log2 log10 log1p exp exp2 expm1 sin cos tan absolute maximum minimum",
    ),
    ("numpy.core.umath", "sqrt square log log2 log10 log1p exp expm1 absolute"),
    ("numpy.core.records", "recarray record"),
    (
        "numpy.core.fromnumeric",
        "mean sum std var amax amin max min median clip round ravel sort argsort prod",
    ),
    ("numpy.rec", "recarray record"),
    ("numpy.matrixlib.defmatrix", "matrix"),
    ("numpy.lib.polynomial", "poly1d"),
    ("numpy.lib._polynomial_impl", "poly1d"),
    ("numpy.lib.function_base", "median percentile quantile"),
    ("numpy.lib._function_base_impl", "median percentile quantile"),
    ("numpy.polynomial.polynomial", "Polynomial"),
    ("numpy.polynomial.chebyshev", "Chebyshev"),
    ("numpy.polynomial.legendre", "Legendre"),
    ("numpy.polynomial.hermite", "Hermite"),
    ("numpy.polynomial.hermite_e", "HermiteE"),
    ("numpy.polynomial.laguerre", "Laguerre"),
    ("numpy.ma.core", "_mareconstruct MaskedArray MaskedConstant mvoid"),
    ("numpy.ma", "_mareconstruct MaskedArray"),
    ("numpy.dtypes", "StringDType Float64DType Float32DType Int64DType Int32DType BoolDType ObjectDType"),
    ("numpy.random", "RandomState Generator mtrand _pickle __RandomState_ctor"),
    ("numpy.random.mtrand", "RandomState __RandomState_ctor _rand"),
    ("numpy.random._pickle", "__randomstate_ctor __generator_ctor __bit_generator_ctor"),
    ("numpy.random._generator", "Generator"),
    ("numpy.random._mt19937", "MT19937 __pyx_unpickle_MT19937"),
    ("numpy.random._pcg64", "PCG64 PCG64DXSM"),
    ("numpy.random._philox", "Philox"),
    ("numpy.random._sfc64", "SFC64"),
    (
        "numpy.random.bit_generator",
        "SeedSequence SeedlessSeedSequence __pyx_unpickle_SeedSequence __pyx_unpickle_SeedlessSeedSequence BitGenerator",
    ),
    // SciPy.
    (
        "scipy.interpolate._interpolate",
        "interp1d._call_linear_np interp1d._call_linear interp1d._call_nearest interp1d._call_previousnext \
         interp1d._call_spline interp1d._call_nan_spline",
    ),
    ("scipy.sparse._csr", "csr_matrix csr_array"),
    ("scipy.sparse._csc", "csc_matrix csc_array"),
    ("scipy.sparse._coo", "coo_matrix coo_array"),
    ("scipy.sparse._lil", "lil_matrix lil_array"),
    ("scipy.sparse._dok", "dok_matrix dok_array"),
    ("scipy.sparse._dia", "dia_matrix dia_array"),
    ("scipy.sparse._bsr", "bsr_matrix bsr_array"),
    ("scipy.spatial._ckdtree", "cKDTree cKDTreeNode"),
    ("scipy.spatial.ckdtree", "cKDTree"),
    ("scipy.spatial._kdtree", "KDTree.node KDTree.leafnode KDTree.innernode"),
    ("scipy.special._ufuncs", "expit logit xlogy gammaln psi erf erfinv ndtr ndtri boxcox inv_boxcox"),
    ("scipy.special", "expit logit"),
    (
        "scipy.signal._ltisys",
        "TransferFunctionContinuous TransferFunctionDiscrete ZerosPolesGainContinuous ZerosPolesGainDiscrete \
         StateSpaceContinuous StateSpaceDiscrete TransferFunction ZerosPolesGain StateSpace lti dlti",
    ),
    ("scipy.cluster.hierarchy", "ClusterNode"),
    ("scipy._lib.array_api_compat.numpy._aliases", "asarray"),
    ("scipy._external.array_api_compat.numpy._aliases", "asarray"),
    // scikit-learn beyond its classes.
    ("sklearn.neighbors._kd_tree", "newObj"),
    ("hdbscan.dist_metrics", "newObj"),
    ("sklearn.neighbors._ball_tree", "newObj"),
    ("sklearn.neighbors.kd_tree", "newObj KDTree"),
    ("sklearn.neighbors.ball_tree", "newObj BallTree"),
    ("sklearn.neighbors._dist_metrics", "newObj EuclideanDistance"),
    ("sklearn.neighbors.dist_metrics", "newObj EuclideanDistance"),
    (
        "sklearn.metrics._dist_metrics",
        "newObj DistanceMetric DistanceMetric32 DistanceMetric64 EuclideanDistance EuclideanDistance32 \
         EuclideanDistance64 ManhattanDistance ManhattanDistance32 ManhattanDistance64 MinkowskiDistance \
         MinkowskiDistance32 MinkowskiDistance64 ChebyshevDistance64 HaversineDistance64 HammingDistance64",
    ),
    // The extension's name in the builds of scikit-learn 1.4 to 1.6.
    (
        "_loss",
        "__pyx_unpickle_CyHalfBinomialLoss __pyx_unpickle_CyHalfSquaredError __pyx_unpickle_CyHalfMultinomialLoss \
         CyHalfBinomialLoss CyHalfMultinomialLoss CyHalfSquaredError CyAbsoluteError CyPinballLoss CyHuberLoss \
         CyHalfPoissonLoss CyHalfGammaLoss CyHalfTweedieLoss CyHalfTweedieLossIdentity CyExponentialLoss",
    ),
    ("sklearn.cluster._kmeans", "_kmeans_single_lloyd _kmeans_single_elkan"),
    (
        "sklearn.ensemble._gb_losses",
        "BinomialDeviance MultinomialDeviance ExponentialLoss LeastSquaresError LeastAbsoluteError HuberLossFunction \
         QuantileLossFunction",
    ),
    (
        "sklearn._loss._loss",
        "__pyx_unpickle_CyHalfBinomialLoss __pyx_unpickle_CyHalfSquaredError __pyx_unpickle_CyHalfMultinomialLoss \
         __pyx_unpickle_CyAbsoluteError __pyx_unpickle_CyPinballLoss __pyx_unpickle_CyHuberLoss \
         __pyx_unpickle_CyHalfPoissonLoss __pyx_unpickle_CyHalfGammaLoss __pyx_unpickle_CyHalfTweedieLoss \
         __pyx_unpickle_CyHalfTweedieLossIdentity __pyx_unpickle_CyExponentialLoss",
    ),
    ("sklearn.tree._splitter", "BestSplitter RandomSplitter BestSparseSplitter"),
    ("sklearn.tree._criterion", "Gini Entropy MSE MAE FriedmanMSE Poisson"),
    (
        "sklearn.linear_model.sgd_fast",
        "Hinge Log SquaredHinge SquaredLoss Huber ModifiedHuber EpsilonInsensitive",
    ),
    (
        "sklearn.linear_model._sgd_fast",
        "Hinge Log SquaredHinge SquaredLoss Huber ModifiedHuber EpsilonInsensitive SquaredEpsilonInsensitive",
    ),
    ("sklearn.utils", "Bunch"),
    ("sklearn.feature_selection._univariate_selection", "f_classif f_regression chi2 r_regression f_oneway"),
    ("sklearn.feature_selection.univariate_selection", "f_classif f_regression chi2"),
    ("sklearn.feature_selection._mutual_info", "mutual_info_classif mutual_info_regression"),
    (
        "sklearn.metrics.pairwise",
        "euclidean_distances cosine_similarity rbf_kernel linear_kernel polynomial_kernel",
    ),
    (
        "sklearn.metrics._classification",
        "accuracy_score f1_score precision_score recall_score log_loss matthews_corrcoef cohen_kappa_score \
         balanced_accuracy_score fbeta_score jaccard_score brier_score_loss hamming_loss zero_one_loss hinge_loss \
         class_likelihood_ratios classification_report confusion_matrix multilabel_confusion_matrix \
         precision_recall_fscore_support d2_log_loss_score d2_brier_score",
    ),
    (
        "sklearn.metrics._ranking",
        "roc_auc_score average_precision_score ndcg_score dcg_score top_k_accuracy_score auc roc_curve \
         precision_recall_curve det_curve coverage_error label_ranking_loss label_ranking_average_precision_score",
    ),
    (
        "sklearn.metrics._regression",
        "mean_squared_error mean_absolute_error r2_score explained_variance_score max_error median_absolute_error \
         mean_squared_log_error root_mean_squared_error root_mean_squared_log_error mean_absolute_percentage_error \
         mean_pinball_loss mean_tweedie_deviance mean_poisson_deviance mean_gamma_deviance d2_absolute_error_score \
         d2_pinball_score d2_tweedie_score",
    ),
    ("sklearn.metrics._scorer", "_passthrough_scorer positive_likelihood_ratio negative_likelihood_ratio"),
    (
        "sklearn.metrics.cluster._supervised",
        "adjusted_mutual_info_score adjusted_rand_score completeness_score fowlkes_mallows_score homogeneity_score \
         homogeneity_completeness_v_measure mutual_info_score normalized_mutual_info_score rand_score v_measure_score entropy \
         contingency_matrix pair_confusion_matrix",
    ),
    (
        "sklearn.metrics.cluster._unsupervised",
        "silhouette_score silhouette_samples calinski_harabasz_score davies_bouldin_score",
    ),
    ("sklearn.metrics._plot.confusion_matrix", "ConfusionMatrixDisplay"),
    ("sklearn.metrics._plot.roc_curve", "RocCurveDisplay"),
    ("sklearn.metrics._plot.precision_recall_curve", "PrecisionRecallDisplay"),
    ("sklearn.metrics._plot.det_curve", "DetCurveDisplay"),
    ("sklearn.metrics._plot.regression", "PredictionErrorDisplay"),
    ("sklearn.calibration", "CalibrationDisplay"),
    ("sklearn.inspection._plot.partial_dependence", "PartialDependenceDisplay"),
    ("sklearn.inspection._plot.decision_boundary", "DecisionBoundaryDisplay"),
    ("sklearn.model_selection._plot", "LearningCurveDisplay ValidationCurveDisplay"),
    ("sklearn.preprocessing._function_transformer", "_identity"),
    ("sklearn.utils.extmath", "softmax"),
    ("sklearn.linear_model._logistic", "_logistic_regression_path"),
    ("sklearn.decomposition._fastica", "_logcosh _exp _cube"),
    // joblib.
    ("joblib.numpy_pickle", "NumpyArrayWrapper NDArrayWrapper ZNDArrayWrapper"),
    ("joblib.numpy_pickle_compat", "NDArrayWrapper ZNDArrayWrapper"),
    ("sklearn.externals.joblib.numpy_pickle", "NumpyArrayWrapper NDArrayWrapper ZNDArrayWrapper"),
    // pandas beyond its classes.
    (
        "pandas",
        "DataFrame Series Index RangeIndex MultiIndex DatetimeIndex Timestamp Timedelta Categorical NaT NA",
    ),
    ("pandas.core.frame", "DataFrame"),
    ("pandas.core.series", "Series"),
    ("pandas.core.indexes.range", "RangeIndex"),
    ("pandas.core.indexes.multi", "MultiIndex"),
    ("pandas.core.indexes.category", "CategoricalIndex"),
    ("pandas.core.indexes.timedeltas", "TimedeltaIndex _new_TimedeltaIndex"),
    ("pandas.core.indexes.frozen", "FrozenList"),
    ("pandas.core.arrays.categorical", "Categorical"),
    ("pandas.core.arrays.datetimes", "DatetimeArray"),
    ("pandas.core.arrays.string_", "StringArray StringDtype"),
    ("pandas.core.dtypes.dtypes", "CategoricalDtype DatetimeTZDtype PeriodDtype IntervalDtype"),
    (
        "pandas.core.internals.blocks",
        "new_block Block NumericBlock ObjectBlock ExtensionBlock FloatBlock IntBlock",
    ),
    ("pandas.core.internals.managers", "BlockManager SingleBlockManager _unpickle_block"),
    ("pandas.core.indexes.base", "Index _new_Index"),
    ("pandas.core.indexes.datetimes", "DatetimeIndex _new_DatetimeIndex"),
    ("pandas.core.indexes.period", "PeriodIndex _new_PeriodIndex"),
    ("pandas.core.indexes.interval", "IntervalIndex _new_IntervalIndex"),
    ("pandas.core.indexes.numeric", "Int64Index Float64Index UInt64Index NumericIndex"),
    ("pandas._libs.internals", "_unpickle_block BlockPlacement BlockManager"),
    ("pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked NDArrayBacked"),
    ("pandas._libs.tslibs.timestamps", "_unpickle_timestamp Timestamp"),
    ("pandas._libs.tslibs.timedeltas", "_timedelta_unpickle Timedelta"),
    ("pandas._libs.tslibs.nattype", "_nat_unpickle __nat_unpickle NaTType"),
    ("pandas._libs.tslibs.offsets", "_offset"),
    ("pandas._libs.tslibs.period", "Period"),
    ("pandas._libs.missing", "NAType _NAType NA"),
    ("pandas.core.arrays.sparse.dtype", "SparseDtype"),
    ("pandas.core.arrays.integer", "Int64Dtype Int32Dtype Int16Dtype Int8Dtype UInt8Dtype IntegerArray"),
    ("statsmodels.tools.decorators", "ResettableCache"),
    ("statsmodels.tools.tools", "Bunch"),
    // Boosting libraries beyond their classes.
    ("xgboost.sklearn", "XGBClassifier XGBRegressor XGBModel XGBRanker"),
    ("lightgbm.compat", "LGBMNotFittedError"),
    ("catboost.core", "CatBoostClassifier CatBoostRegressor CatBoostRanker CatBoost _CatBoostBase"),
    ("_catboost", "_CatBoost"),
    ("gensim.models.keyedvectors", "KeyedVectors Vocab"),
    ("gensim.models.word2vec", "Word2Vec Word2VecVocab Word2VecTrainables"),
    ("gensim.corpora.dictionary", "Dictionary"),
    // Arrow's tables, and what pandas keeps its texts in.
    (
        "pyarrow.lib",
        "type_for_alias _restore_array _reconstruct_table _reconstruct_record_batch chunked_array field schema struct list_ \
         large_list list_view large_list_view fixed_size_list map_ dictionary timestamp time32 time64 duration decimal32 decimal64 decimal128 decimal256 \
         union sparse_union dense_union run_end_encoded binary py_buffer scalar DataType Field Schema KeyValueMetadata Buffer Table \
         RecordBatch ChunkedArray Array DictionaryType StructType ListType TimestampType",
    ),
    ("shapely.io", "from_wkb from_wkt from_geojson"),
    ("shapely", "from_wkb from_wkt"),
    // Keras: a method of the class restores the model.
    ("keras.src.models.model", "Model"),
    ("keras.src.models.sequential", "Sequential"),
    ("keras.src.models.functional", "Functional"),
    // PyTorch.
    (
        "torch",
        "Size device dtype layout Tensor memory_format float16 float32 float64 float half double bfloat16 uint8 int8 \
         int16 int32 int64 short int long bool complex64 complex128 quint8 qint8 qint32 float8_e4m3fn float8_e5m2 strided \
         sparse_coo preserve_format contiguous_format channels_last per_tensor_affine per_channel_affine Generator \
         relu tanh sigmoid softmax",
    ),
    (
        "torch._utils",
        "_rebuild_tensor _rebuild_tensor_v2 _rebuild_tensor_v3 _rebuild_parameter _rebuild_parameter_with_state \
         _rebuild_qtensor _rebuild_sparse_tensor _rebuild_sparse_csr_tensor _rebuild_nested_tensor \
         _rebuild_device_tensor_from_numpy _rebuild_device_tensor_from_cpu_tensor _rebuild_meta_tensor_no_storage \
         _rebuild_wrapper_subclass _rebuild_xla_tensor",
    ),
    ("torch._tensor", "Tensor"),
    ("torch.serialization", "_get_layout"),
    ("torch.nn.functional", "relu gelu silu tanh sigmoid softmax leaky_relu elu mish hardtanh softplus"),
    ("torch.nn.init", "xavier_uniform_ kaiming_uniform_ normal_ zeros_ ones_"),
    (
        "torch.jit._pickle",
        "build_intlist build_tensorlist build_doublelist build_boollist build_tensor_from_id restore_type_tag",
    ),
    ("torch._C", "_distributed_c10d.ReduceOp"),
    ("torch.utils.data.dataset", "TensorDataset Subset"),
    ("torch.autograd.grad_mode", "no_grad"),
    // Hugging Face's training records.
    ("transformers.training_args", "TrainingArguments OptimizerNames"),
    (
        "transformers.trainer_utils",
        "IntervalStrategy SchedulerType HubStrategy SaveStrategy EvaluationStrategy FSDPOption",
    ),
    ("transformers.trainer_pt_utils", "AcceleratorConfig"),
    ("accelerate.state", "PartialState AcceleratorState"),
    ("accelerate.utils.dataclasses", "DistributedType DeepSpeedPlugin"),
];

/// Functions that models name.
const FUNCTION_TABLE: &[(&str, &str)] = &[
    (
        "builtins",
        "len abs min max sum sorted round any all repr ord chr hash print id isinstance issubclass callable divmod pow hex oct bin \
         ascii format",
    ),
    ("statistics", "mean fmean median mode stdev pstdev variance pvariance quantiles"),
    ("functools", "cmp_to_key"),
    ("copy", "copy deepcopy"),
    (
        "operator",
        "add sub mul truediv floordiv mod pow neg pos abs eq ne lt le gt ge and_ or_ xor not_ invert matmul concat contains \
         countOf index lshift rshift truth is_ is_not",
    ),
    (
        "_operator",
        "add sub mul truediv floordiv mod pow neg pos abs eq ne lt le gt ge and_ or_ xor not_ invert matmul concat contains \
         countOf index lshift rshift truth is_ is_not",
    ),
    ("math", "sqrt log log2 log10 log1p exp expm1 sin cos tan floor ceil fabs pow isnan isfinite"),
    (
        "datetime",
        "date.fromisoformat date.fromordinal date.fromtimestamp date.today datetime.combine datetime.fromisoformat \
         datetime.fromordinal datetime.fromtimestamp datetime.now datetime.strptime datetime.today datetime.utcfromtimestamp \
         datetime.utcnow time.fromisoformat",
    ),
    ("collections", "OrderedDict.fromkeys Counter.fromkeys"),
    (
        "numpy",
        "mean median std var sum prod min max amin amax argmin argmax abs absolute sqrt square log log2 log10 log1p exp exp2 \
         expm1 sin cos tan arcsin arccos arctan arctan2 sinh cosh tanh power maximum minimum clip round rint floor ceil trunc \
         sign add subtract multiply divide true_divide floor_divide mod remainder negative reciprocal isnan isfinite isinf \
         where dot ravel reshape array asarray nan_to_num nanmean degrees radians deg2rad rad2deg heaviside sinc i0 fabs \
         positive conjugate conj angle real imag isreal iscomplex arcsinh arccosh arctanh float_power gcd lcm ldexp frexp modf \
         ptp average cov corrcoef histogram digitize bincount interp tile repeat roll flip fliplr flipud rot90 atleast_1d \
         atleast_2d atleast_3d column_stack full_like zeros_like ones_like empty_like meshgrid outer inner matmul einsum \
         tensordot cross kron trace argpartition partition lexsort searchsorted unwrap convolve correlate polyfit polyval \
         vander nanargmin nanargmax nanpercentile nanquantile nanprod nancumsum logaddexp logaddexp2 fmax fmin fmod invert \
         left_shift right_shift bitwise_and bitwise_or bitwise_xor isclose allclose array_equal nonzero flatnonzero take \
         choose select extract delete insert append gradient trapz trapezoid ediff1d split array_split moveaxis swapaxes \
         rollaxis broadcast_to tri tril triu eye diag diagflat diagonal indices isscalar iterable result_type can_cast \
         promote_types min_scalar_type nanmedian nanstd nansum nanmin nanmax cumsum cumprod diff unique sort argsort linspace \
         arange zeros ones full concatenate stack hstack vstack cbrt hypot logical_and logical_or logical_not equal not_equal \
         less greater less_equal greater_equal percentile quantile any all count_nonzero squeeze transpose expand_dims \
         identity",
    ),
];
