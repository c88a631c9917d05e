"""One loaded model: an ONNX session, its tensors, and whether its rows can be run together."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from mooring.entrypoints.gateway.tensors import Infer, RequestReader, Tensor, TensorSpec
from mooring.errors import RecordError, WorkflowError

__all__ = ["Engine"]

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]  # Any: shape and element type are the model's

_DATATYPES = {
    "tensor(bool)": ("BOOL", np.bool_),
    "tensor(int8)": ("INT8", np.int8),
    "tensor(int16)": ("INT16", np.int16),
    "tensor(int32)": ("INT32", np.int32),
    "tensor(int64)": ("INT64", np.int64),
    "tensor(uint8)": ("UINT8", np.uint8),
    "tensor(uint16)": ("UINT16", np.uint16),
    "tensor(uint32)": ("UINT32", np.uint32),
    "tensor(uint64)": ("UINT64", np.uint64),
    "tensor(float16)": ("FP16", np.float16),
    "tensor(float)": ("FP32", np.float32),
    "tensor(double)": ("FP64", np.float64),
    "tensor(string)": ("BYTES", np.object_),
}
_TRIAL_ROWS = 3
_TOLERANCE = 1e-3
_LEARNING = 0.1


class Engine:
    """A model that is ready to run; raises WorkflowError `model-load` if the bytes are no model that can be served."""

    def __init__(self, onnx: bytes, *, max_rows: int, threads: int = 1) -> None:
        self._session = _session(onnx, threads)
        self.inputs = tuple(_spec(node) for node in self._session.get_inputs())
        self.outputs = tuple(_spec(node) for node in self._session.get_outputs())
        self._names = [spec.name for spec in self.inputs]
        self._types = [_DATATYPES[node.type][1] for node in self._session.get_inputs()]
        self._floats = [spec.datatype.startswith("FP") for spec in self.inputs]
        self.reader = RequestReader(self.inputs, self.outputs, max_rows)
        self.cost_s = 0.0
        self.batchable = self._try_out()

    def arrays(self, requests: Sequence[Infer]) -> list[Array]:
        """Return one array per input with the rows of all requests, which must agree in every other dimension.

        A number beyond the range of a float type becomes an infinity: see `finite`.
        """
        with np.errstate(over="ignore"):
            return self._arrays(requests)

    def _arrays(self, requests: Sequence[Infer]) -> list[Array]:
        first = requests[0]
        if len(requests) == 1:
            return [
                np.array(data, kind).reshape(shape)
                for data, kind, shape in zip(first.data, self._types, first.shapes, strict=True)
            ]
        arrays: list[Array] = []
        for position, kind in enumerate(self._types):
            flat: list[Any] = []  # Any: elements of the input's datatype
            for request in requests:
                flat += request.data[position]
            arrays.append(np.array(flat, kind).reshape(-1, *first.shapes[position][1:]))
        return arrays

    def finite(self, arrays: Sequence[Array]) -> bool:
        """Return whether no float input is NaN or infinite once it has the model's width."""
        return all(bool(np.isfinite(array).all()) for array, floats in zip(arrays, self._floats, strict=True) if floats)

    def run(self, arrays: Sequence[Array]) -> list[Array]:
        """Run the model; raises WorkflowError `model-run`."""
        begun = time.perf_counter()
        try:
            found: list[Array] = self._session.run(None, dict(zip(self._names, arrays, strict=True)))
        except Exception as error:  # onnxruntime's exceptions share no class of their own
            raise WorkflowError(
                f"the model failed: {str(error)[:300]}", code="model-run", hint="compare the request with its metadata"
            ) from error
        self.cost_s += (time.perf_counter() - begun - self.cost_s) * _LEARNING
        return found

    def split(self, found: Sequence[Array], requests: Sequence[Infer]) -> list[list[Tensor]]:
        """Return each request's wanted outputs; raises RecordError `model-output` for NaN, infinities, lost rows."""
        total = sum(request.rows for request in requests)
        results: list[list[Tensor]] = [[] for _ in requests]
        for position, (spec, array) in enumerate(zip(self.outputs, found, strict=True)):
            self._check_output(spec, array, total if len(requests) > 1 else None)
            flat = array.reshape(-1).tolist()
            if len(requests) == 1:
                if position in requests[0].wanted:
                    results[0].append(Tensor(spec.name, array.shape, spec.datatype, flat))
                continue
            self._deal(position, array, flat, requests, results)
        return results

    def _deal(
        self,
        position: int,
        array: Array,
        flat: list[Any],  # Any: elements of the output's datatype
        requests: Sequence[Infer],
        results: list[list[Tensor]],
    ) -> None:
        """Cut one output of a shared run at the requests' borders."""
        spec, rest = self.outputs[position], array.shape[1:]
        width = len(flat) // len(array)
        begin = 0
        for request, result in zip(requests, results, strict=True):
            end = begin + request.rows * width
            if position in request.wanted:
                result.append(Tensor(spec.name, (request.rows, *rest), spec.datatype, flat[begin:end]))
            begin = end

    def _check_output(self, spec: TensorSpec, array: Array, rows: int | None) -> None:
        if rows is not None and (array.ndim == 0 or len(array) != rows):
            raise RecordError(
                f"output {spec.name!r} has shape {array.shape} for {rows} rows",
                code="model-output",
                hint="serve this model without batching",
            )
        if spec.datatype.startswith("FP") and not np.isfinite(array).all():
            raise RecordError(
                f"output {spec.name!r} holds NaN or an infinity, which JSON cannot carry",
                code="model-output",
                hint="check the input's range; the model is at fault if it is usual",
            )

    def _try_out(self) -> bool:
        """Run rows alone and together: learn the cost, and whether together gives the same as alone.

        A model whose free dimensions cannot be guessed is served without batching.
        """
        leads = all(spec.shape and spec.shape[0] is None for spec in (*self.inputs, *self.outputs))
        try:
            alone = [self.run(self._sample(row, row + 1)) for row in range(_TRIAL_ROWS if leads and self.inputs else 1)]
            self._warm_up()
            return len(alone) > 1 and _agree(alone, self.run(self._sample(0, _TRIAL_ROWS)))
        except WorkflowError:
            return False

    def _warm_up(self) -> None:
        begun = time.perf_counter()
        self.run(self._sample(0, 1))
        self.cost_s = time.perf_counter() - begun

    def _sample(self, begin: int, end: int) -> list[Array]:
        """Return rows `begin` to `end` of a fixed made-up input."""
        numbers = np.random.default_rng(0)
        arrays = []
        for spec, kind in zip(self.inputs, self._types, strict=True):
            shape = [1 if length is None else length for length in spec.shape]
            free = bool(spec.shape) and spec.shape[0] is None
            values = numbers.normal(size=[_TRIAL_ROWS, *shape[1:]] if free else shape)
            whole = np.full(values.shape, "", np.object_) if spec.kind is str else np.abs(values).astype(kind)
            arrays.append(whole[begin:end] if free else whole)
        return arrays


def _agree(alone: Sequence[Sequence[Array]], together: Sequence[Array]) -> bool:
    for position, array in enumerate(together):
        if array.ndim == 0 or len(array) != _TRIAL_ROWS:
            return False
        stacked = np.concatenate([row[position] for row in alone])
        if stacked.shape != array.shape:
            return False
        if array.dtype == np.object_ or not np.issubdtype(array.dtype, np.floating):
            if not np.array_equal(stacked, array):
                return False
        elif not np.allclose(stacked, array, rtol=_TOLERANCE, atol=_TOLERANCE, equal_nan=True):
            return False
    return True


def _runtime() -> Any:  # Any: onnxruntime ships no types
    """Return ONNX Runtime, told before its import to send nothing and keep no device id: it does both by default."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    return onnxruntime


def _session(onnx: bytes, threads: int) -> Any:  # Any: onnxruntime ships no types
    ort = _runtime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return ort.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no class of their own
        raise WorkflowError(
            f"the model does not load: {str(error)[:300]}", code="model-load", hint="register an ONNX model in one file"
        ) from error


def _spec(node: Any) -> TensorSpec:  # Any: onnxruntime ships no types
    if node.type not in _DATATYPES:
        raise WorkflowError(
            f"tensor {node.name!r} of the model has type {node.type}",
            code="model-load",
            hint="export plain tensors (with skl2onnx: options={'zipmap': False})",
        )
    shape = tuple(length if isinstance(length, int) and length > 0 else None for length in node.shape)
    return TensorSpec(node.name, _DATATYPES[node.type][0], shape)
