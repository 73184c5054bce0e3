"""What a converter says becomes one line for people."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobyard.workers.exports.reasons import MAX_CHARACTERS, cause, no_operation

PLACE = 'loc(callsite(fused["ResizeBicubic:", "a/resize@__inference_7"] at fused["S:", "S_1"])): '
LITERT = (
    f"Could not translate MLIR to FlatBuffer.<unknown>:0: error: {PLACE}"
    "'tf.ResizeBicubic' op is neither a custom op nor a flex op\n"
    f"<unknown>:0: note: {PLACE}called from\n"
    "<unknown>:0: error: failed while converting: 'main'"
)
LISTS = (
    f"<unknown>:0: error: {PLACE}'tf.TensorListReserve' op requires element_shape to be static during "
    "TF Lite transformation pass\n<unknown>:0: error: failed to legalize operation"
)
ONNX_RUNTIME = (
    "[ONNXRuntimeError] : 1 : FAIL : Exception during initialization: /src/core/upsamplebase.h:314 "
    "a::B::B(const I&) [with I = K] [ONNXRuntimeError] : 1 : FAIL : upsamplebase.h:579 ScalesValidation "
    "'Cubic' mode only supports:\n  * 2-D inputs ('Bicubic') or\n  * 4-D\n"
)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (LITERT, "TFLite has nothing for TensorFlow's ResizeBicubic"),
        (LISTS, "TensorFlow's operation TensorListReserve requires element_shape to be static"),
        (
            ONNX_RUNTIME,
            "ONNX Runtime refuses the file: 'Cubic' mode only supports: * 2-D inputs ('Bicubic') or * 4-D",
        ),
        ("bad <keras.Layer object at 0x7f00> here\nmore", "RuntimeError: bad here"),
        ("", "RuntimeError: no reason was given"),
    ],
)
def test_the_cause_is_what_is_left(text: str, line: str) -> None:
    assert cause(RuntimeError(text)) == line


@given(st.text())
def test_whatever_it_says_the_line_is_short(text: str) -> None:
    for said in (text, LITERT + text, ONNX_RUNTIME + text):
        line = cause(ValueError(said))
        assert line
        assert len(line) <= MAX_CHARACTERS
        assert line.splitlines() == [line]


def test_of_many_operations_some_are_named() -> None:
    names = [f"Op{number}" for number in range(7)]
    assert (
        no_operation("ONNX", names)
        == "ONNX has nothing for TensorFlow's Op0, Op1, Op2, Op3, Op4 and 2 others"
    )
