"""Descriptions of networks that older Keras reads, too: without keys that say nothing.

Keras writes every argument of a layer, those that came with its last version among them, and an older one
refuses what it does not know. Where such a key has its default it is left out, so that Keras 3.8 and all
versions since then read the file; else the file needs the version that the key came with.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

# The oldest version that is tried: `make older-keras`.
OLDEST: Final = (3, 8)


class Newer(NamedTuple):
    """A key that came after OLDEST: with which version, and the values under which it says nothing."""

    since: tuple[int, int]
    silent: tuple[Any, ...]


# Of the classes that the allow-list of `architecture` has, by comparing the versions' constructors.
KEYS: Final[Mapping[str, Newer]] = {
    "antialias": Newer((3, 9), (False,)),
    "ragged": Newer((3, 9), (False, None)),
    "lora_alpha": Newer((3, 10), (None,)),
    "output_padding": Newer((3, 11), (None,)),
    "quantization_config": Newer((3, 13), (None,)),
    "renorm": Newer((3, 14), (False,)),
    "renorm_clipping": Newer((3, 14), (None,)),
    "renorm_momentum": Newer((3, 14), (0.99,)),
    "use_gate": Newer((3, 14), (False,)),
    "sliding_window": Newer((3, 15), (None,)),
    "input_axes": Newer((3, 15), (None,)),
    "output_axes": Newer((3, 15), (None,)),
}
CLASSES: Final[Mapping[str, tuple[int, int]]] = {
    "RMSNormalization": (3, 9),
    "AdaptiveAveragePooling1D": (3, 13),
    "AdaptiveAveragePooling2D": (3, 13),
    "AdaptiveMaxPooling1D": (3, 13),
    "AdaptiveMaxPooling2D": (3, 13),
}
# Functions of keras.ops whose constructor takes a name, which before it did not.
OPERATIONS: Final = "keras.src.ops."
NAMED_OPERATIONS: Final = (3, 11)
ACTIVATIONS: Final[Mapping[str, tuple[int, int]]] = {"sparse_sigmoid": (3, 10)}


def for_older_keras(description: Any) -> Any:
    """The description, as `model.to_json()` writes it, without the keys that say nothing."""
    if isinstance(description, list):
        return [for_older_keras(one) for one in description]
    if not isinstance(description, dict):
        return description
    cleaned = {name: for_older_keras(value) for name, value in description.items()}
    if "class_name" in cleaned and isinstance(cleaned.get("config"), dict):
        cleaned["config"] = _without_silent(cleaned["config"])
    return cleaned


def least_version(description: Any) -> str:
    """The oldest Keras, of those that are tried, that reads the description: "3.8"."""
    return ".".join(map(str, max(_needed(description), default=OLDEST)))


def _without_silent(config: dict[str, Any]) -> dict[str, Any]:
    # Without renorm its momentum means nothing, whatever it is.
    is_plain = config.get("renorm") is False
    return {
        name: value
        for name, value in config.items()
        if not (name in KEYS and value in KEYS[name].silent) and not (is_plain and name == "renorm_momentum")
    }


def _needed(description: Any) -> Iterator[tuple[int, int]]:
    yield OLDEST
    if isinstance(description, list):
        for one in description:
            yield from _needed(one)
    elif isinstance(description, dict):
        yield CLASSES.get(str(description.get("class_name")), OLDEST)
        if _is_named_operation(description):
            yield NAMED_OPERATIONS
        for name, value in description.items():
            if name in KEYS:
                yield KEYS[name].since
            if name == "activation":
                yield ACTIVATIONS.get(str(value), OLDEST)
            yield from _needed(value)


def _is_named_operation(description: dict[str, Any]) -> bool:
    config = description.get("config")
    return (
        str(description.get("module")).startswith(OPERATIONS)
        and isinstance(config, dict)
        and "name" in config
    )
