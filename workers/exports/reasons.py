"""Why a converter or a runtime refuses a network, in a line without their tracebacks and objects."""

import re
from typing import Final

MAX_CHARACTERS: Final = 300
MAX_NAMED: Final = 5

# 'tf.ResizeBicubic' op is neither a custom op nor a flex op
_REFUSED_BY_LITERT: Final = re.compile(r"'tf\.(\w+)' op ([^\n]+)")
_NO_OPERATION: Final = "is neither a custom op nor a flex op"
_PASS: Final = re.compile(r" during TF Lite transformation pass")
# [ONNXRuntimeError] : 1 : FAIL : upsamplebase.h:579 ScalesValidation 'Cubic' mode only …
_OF_ONNX_RUNTIME: Final = re.compile(
    r".*\[ONNXRuntimeError\] : \d+ : \w+ : (\S+\.(h|cc):\d+ \w+ )?", re.DOTALL
)
_OBJECT: Final = re.compile(r"<[^<>]* (object )?at 0x[0-9a-f]+>|<[^<>]*>")
_LOCATION: Final = re.compile(r"loc\(.*?\)+: ")


def cause(error: BaseException) -> str:
    """The reason for people, at most MAX_CHARACTERS."""
    text = str(error).strip()
    if refused := dict(_REFUSED_BY_LITERT.findall(text)):
        if missing := [name for name, why in refused.items() if why == _NO_OPERATION]:
            return no_operation("TFLite", missing)
        name, why = next(iter(refused.items()))
        return shortened(f"TensorFlow's operation {name} {_PASS.sub('', why)}")
    if "[ONNXRuntimeError]" in text:
        return shortened(f"ONNX Runtime refuses the file: {_OF_ONNX_RUNTIME.sub('', text)}")
    first = next(iter(text.splitlines()), "no reason was given")
    return shortened(f"{type(error).__name__}: {first}")


def no_operation(format_: str, names: list[str]) -> str:
    """The sentence for operations that the format does not have."""
    others = f" and {len(names) - MAX_NAMED} others" if len(names) > MAX_NAMED else ""
    return f"{format_} has nothing for TensorFlow's {', '.join(names[:MAX_NAMED])}{others}"


def shortened(text: str) -> str:
    """On one line, without reprs of objects and places in a converter's graph."""
    plain = " ".join(_OBJECT.sub("", _LOCATION.sub("", text)).split())
    return plain if len(plain) <= MAX_CHARACTERS else f"{plain[: MAX_CHARACTERS - 1]}…"
