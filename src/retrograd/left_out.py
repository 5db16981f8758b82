"""What PyTorch has and this library has not, with the reason and what to use instead.

One table of names. A name that is asked for and found here is refused by it, and
``docs/coverage.md`` is made from it. Patterns are those of ``fnmatch``; one with a dot
is about the qualified name (``Tensor.stft``), any other about the last part.
"""

from __future__ import annotations

import fnmatch
import functools
import re
from typing import NamedTuple


class LeftOutError(NotImplementedError, AttributeError):
    """A name of PyTorch's that is knowingly left out; the message says what to use.

    It is an AttributeError too, so that ``hasattr`` answers no.
    """


class Reason(NamedTuple):
    """Why some names are not there, and what to use instead of them."""

    title: str
    advice: str
    names: str
    #: whether they concern dense real tensors on one CPU, and so are really missing
    missing: bool = False


#: In this order: the first that fits gives the reason.
TABLE = (
    Reason(
        "settings of autocast from outside of its block",
        "write: with rg.autocast('cpu', dtype=rg.bfloat16, enabled=True)",
        """autocast_*crement_nesting *_autocast_cache *_autocast_cache_enabled
        set_autocast_* *_autocast_[cgix]pu_* *_autocast_xla_*""",
        missing=True,
    ),
    Reason(
        "iterative eigenvalues",
        "use linalg.eigh, which computes all of them",
        "lobpcg",
        missing=True,
    ),
    Reason(
        "a step traced on stand-ins for its tensors",
        "make a second optimizer, and give it the state with load_state_dict",
        "swap_in_optimizer_params_and_state",
    ),
    Reason(
        "Fourier transforms",
        "use numpy.fft on x.numpy(); where a derivative is wanted, multiply with the "
        "matrices of cosines and sines",
        "torch.fft",
    ),
    Reason(
        "distributions as objects",
        "draw with rg.randn, rg.normal, rg.bernoulli, rg.multinomial, rg.poisson or "
        "Tensor.exponential_, and take likelihoods from the losses in rg.nn.functional",
        "torch.distributions",
    ),
    Reason(
        "a second place for what is elsewhere",
        "rg itself has the functions, rg.save and rg.load the files, rg.__version__ the "
        "version, and rg.hann_window and its kin the windows",
        """torch.functional torch.serialization torch.version torch.torch_version
        torch.signal torch.return_types torch.types""",
    ),
    Reason(
        "tests and measurements",
        "use numpy.testing.assert_allclose on x.numpy(), rg.allclose, rg.explain, "
        "rg.watch and rg.autograd.gradcheck",
        "torch.testing torch.profiler torch.monitor",
    ),
    Reason(
        "points that fill a cube evenly",
        "use scipy.stats.qmc",
        "torch.quasirandom",
    ),
    Reason(
        "tensors with a mask of their own",
        "keep the mask as a second tensor, and use rg.where",
        "torch.masked",
    ),
    Reason(
        "complex numbers",
        "tensors are real: keep real and imaginary part as two tensors",
        """*complex* Complex* cdouble cfloat chalf polar view_as_real* stft istft
        Tensor.stft Tensor.istft has_spectral linalg.eig linalg.eigvals""",
    ),
    Reason(
        "sparse and nested tensors",
        "tensors are dense: keep positions and values as two tensors, and add with "
        "index_add",
        """*sparse* *Sparse* *_csr* *_csc* *_bsr* *_bsc* *_coo* ccol_indices*
        col_indices* crow_indices* row_indices* indices_copy values_copy Tensor.indices
        torch.nested
        Tensor.values coalesce is_coalesced dense_dim dsmm hsmm hspmm saddmm smm spmm
        sspaddmm to_dense to_padded_tensor is_nested jagged""",
    ),
    Reason(
        "quantization, and numbers of 8 bits and fewer",
        "the smallest types are int8, uint8, float16 and bfloat16",
        """*quant* qint* quint* QInt* QUInt* q_* qscheme per_channel_* per_tensor_*
        int_repr fbgemm_* choose_qparams_optimized float8_* float4_* bit bits* int[1-7] uint[1-7] scaled_mm
        scaled_grouped_mm ScalingType SwizzleType""",
    ),
    Reason(
        "unsigned numbers of 16 bits and more",
        "use int32 or int64",
        "uint16 uint32 uint64",
    ),
    Reason(
        "other devices",
        "everything runs on the CPU: leave the call out",
        """*cuda* *cudnn* *miopen* *mkldnn* *vulkan* *ipu* *xpu* *xla* *mtia* *maia*
        *mps* Stream Event StreamObjType record_stream pin_memory get_device_module
        has_mkl has_openmp has_lapack AcceleratorError OutOfMemoryError kineto_available
        DeviceType DeviceObjType grouped_mm Tensor.module_load torch.accelerator
        torch.backends torch.cpu torch.numa""",
    ),
    Reason(
        "several processes",
        "one process trains; the workers of a DataLoader share memory by themselves",
        """*istributed* DataParallel SyncBatchNorm batch_norm_*_stats*
        batch_norm_*elemt batch_norm_stats batch_norm_backward_* batch_norm_gather*
        torch.multiprocessing torch.futures is_shared prepare_multiprocessing_environment AVG SUM""",
    ),
    Reason(
        "scripts, exported graphs and symbolic shapes",
        "rg.compile makes machine code of plain Python",
        """AggregationType AliasDb *Type Argument ArgumentSpec BenchmarkConfig
        BenchmarkExecutionStats Block CallStack Capsule Code CompilationUnit
        CompleteArgumentSpec ConcreteModuleTypeBuilder DeepCopyMemoTable DispatchKey*
        ErrorReport ExecutionPlan FileCheck FunctionSchema Future Graph
        GraphExecutorState Gradient IODescriptor JITException LiteScriptModule
        LockingLogger LoggerBase Node NoopLogger OperatorInfo Script* StaticModule Sym*
        Tag ThroughputBenchmark TracingState Type Use Value sym_* import_ir_module*
        parse_ir parse_schema parse_type_comment merge_type_from_type_comment
        unify_type_list classproperty torch.fork torch.wait torch.cond torch.while_loop
        torch.jit torch.fx torch.export torch.onnx torch.compiler torch.library
        torch.package torch.hub torch.nativert torch.classes torch.contrib
        boolean_dispatch BroadcastingList* ExcludeDispatchKeyGuard
        torch.BufferDict torch.ModuleDict torch.ParameterDict is_view_replay_enabled FatalError""",
    ),
    Reason(
        "pipelines of data, of which PyTorch has given up the development",
        "write a Dataset, or an IterableDataset",
        """*DataPipe* DataChunk functional_datapipe guaranteed_datapipes_determinism
        runtime_validation* argument_validation non_deterministic""",
    ),
    Reason(
        "hooks into PyTorch's own machinery",
        "there is nothing here that they would act on",
        """*Storage *Storage* storage_type untyped_storage is_storage
        PyTorchFileReader PyTorchFileWriter SerializationStorageContext
        DeserializationStorageContext compiled_with_cxx11_abi get_file_path USE_*
        PRIVATE_OPS Profiler* NestedIOFunction SavedTensor handle_torch_function
        has_torch_function* DisableTorchFunction* is_tensor_like *_notes
        assert_int_or_pair init_num_threads thread_safe_generator common_args
        enforce_grad_layout_policy EPOCH_DEPRECATION_WARNING GRID_SAMPLE_*
        torch.overrides torch.ao torch.cpp
        _DatasetKind func.rearrange *hash_tensor factory_kwargs const_data_ptr dim_order
        output_nr grad_dtype slice_inverse multi_dim_common *_multithreading_enabled
        torch.from_file autograd.variable Tensor.index Tensor.map2_
        RNNCellBase LinearCrossEntropyOptions""",
    ),
    Reason(
        "undocumented names below documented ones",
        "use the documented function, mostly of nn.functional",
        """native_batch_norm native_dropout native_group_norm native_layer_norm native_norm
        embedding_renorm_ torch.embedding_bag
        nn.functional.*_with_indices""",
    ),
    Reason(
        "deprecated in PyTorch",
        "use the newer name",
        """BoolTensor ByteTensor CharTensor DoubleTensor FloatTensor HalfTensor IntTensor
        LongTensor ShortTensor BFloat16Tensor set_default_tensor_type upsample
        upsample_bilinear upsample_nearest UpsamplingBilinear2d UpsamplingNearest2d
        clip_grad_norm nn.init.*[!_] Tensor.reinforce Tensor.new Tensor.volatile
        Tensor.name legacy_contiguous_format CrossMapLRN2d Container NLLLoss2d eig""",
    ),
)


@functools.cache
def _patterns() -> tuple[tuple[re.Pattern[str], re.Pattern[str], Reason], ...]:
    found = []
    for reason in TABLE:
        words = reason.names.split()
        both = [[w for w in words if "." not in w], [w for w in words if "." in w]]
        last, whole = (
            re.compile("|".join(fnmatch.translate(w) for w in ws) or "(?!)")
            for ws in both
        )
        found.append((last, whole, reason))
    return tuple(found)


def reason_for(namespace: str, name: str) -> Reason | None:
    """Why *name* of PyTorch's *namespace* ("torch", "nn.functional", …) is left out."""
    for last, whole, reason in _patterns():
        if last.match(name) or whole.match(f"{namespace}.{name}"):
            return reason
    return None


def error(namespace: str, name: str) -> AttributeError:
    """What to raise where *name* is asked for and not there."""
    place = "retrograd" if namespace == "torch" else f"retrograd.{namespace}"
    reason = None if name.startswith("_") else reason_for(namespace, name)
    if reason is None:
        if namespace == "Tensor":
            return AttributeError(f"'Tensor' object has no attribute {name!r}")
        return AttributeError(f"module {place!r} has no attribute {name!r}")
    return LeftOutError(f"{place}.{name} is left out ({reason.title}): {reason.advice}")
