"""A SavedModel becomes an ONNX file, by tf2onnx.

Not by Keras' own `format="onnx"`, which gives tf2onnx a function instead: of that it makes inputs out of
constants, such as the mean of a Normalization, and the file can't be run.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tf2onnx import convert
from tf2onnx.handler import tf_op

from jobyard.shared.errors import WorkError
from jobyard.workers.exports.reasons import no_operation

MUST_COMPILE: Final = "_XlaMustCompile"


@tf_op("Erfc")
class _Erfc:
    """1 − erf(x), of which an exact GELU is made; tf2onnx knows erf only."""

    @classmethod
    def version_9(cls, ctx: Any, node: Any, **_: Any) -> None:
        dtype = ctx.get_dtype(node.output[0])
        known = {"shapes": [ctx.get_shape(node.output[0])], "dtypes": [dtype]}
        inputs, outputs = list(node.input), list(node.output)
        ctx.remove_node(node.name)
        erf = ctx.make_node("Erf", inputs, **known)
        one = ctx.make_const(f"{node.name}_one", np.ones((), onnx.helper.tensor_dtype_to_np_dtype(dtype)))
        ctx.make_node("Sub", [one.output[0], erf.output[0]], outputs=outputs, name=node.name, **known)


def _let_all_be_inlined(graph: Path) -> None:
    """Keras has XLA compile convolutions with groups, in functions that are not inlined for that reason."""
    saved = SavedModel.FromString(graph.read_bytes())
    for meta_graph in saved.meta_graphs:
        for function in meta_graph.graph_def.library.function:
            for holder in (function, *function.node_def):
                if MUST_COMPILE in holder.attr:
                    del holder.attr[MUST_COMPILE]
    graph.write_bytes(saved.SerializeToString())


def write(folder: Path, target: Path, opset: int, properties: Mapping[str, str]) -> None:
    """Convert the SavedModel in `folder`. Raises WorkError where ONNX has nothing for an operation of it."""
    _let_all_be_inlined(folder / "saved_model.pb")
    sys.argv = [
        "tf2onnx",
        *("--saved-model", str(folder)),
        *("--tag", "serve"),
        *("--signature_def", "serving_default"),
        *("--opset", str(opset)),
        *("--output", str(target)),
    ]
    convert.main()
    model = onnx.load(target)
    # What it can't convert, tf2onnx leaves as it is.
    unknown = {node.op_type for node in model.graph.node if not onnx.defs.has(node.op_type, node.domain)}
    if unknown:
        raise WorkError(no_operation("ONNX", sorted(unknown)))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "n"
    onnx.helper.set_model_props(model, properties)
    onnx.checker.check_model(model)
    onnx.save(model, target)
