"""Python values as RON, the language of graph files."""

from __future__ import annotations

import math
import os


def ron(value):
    """A value as RON text.

    Numbers, text, booleans, `None`, lists, tuples and dicts (as maps with text keys) are known. `Word("rms")` is a bare word, as
    choices of parameters are.
    """
    if value is None:
        return "None"
    if isinstance(value, Word):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if math.isnan(value) or math.isinf(value):
            return {True: "NaN"}.get(math.isnan(value), "inf" if value > 0 else "-inf")
        text = repr(value)
        return text if any(c in text for c in ".e") else text + ".0"
    if isinstance(value, (str, os.PathLike)):
        text = os.fspath(value)
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(ron(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{ron(str(key))}: {ron(item)}" for key, item in value.items()) + "}"
    if hasattr(value, "item"):
        return ron(value.item())
    raise TypeError(f"{type(value).__name__} has no form in a graph file: numbers, text, booleans, None, lists and dicts have")


class Word(str):
    """A bare word in a graph file: the name of a choice."""
