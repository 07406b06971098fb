"""Stages as Python classes."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
import marshal
import textwrap
import types
import typing

from . import _skyloom
from ._ron import Word, ron

_REGISTERED = {}


class NoWork(Exception):
    """Raised by a stage that has nothing to do: not a failure; what depends on it is left out."""


class Cancelled(Exception):
    """Raised by `Context.check_cancelled` when the user stopped the run."""


@dataclasses.dataclass(frozen=True)
class Input:
    """An input port: class of its product, what it is for, and how many products it takes ("one", "optional" or "many")."""

    product: typing.Any
    doc: str = ""
    arity: str = "one"


@dataclasses.dataclass(frozen=True)
class Output:
    """An output port: class of its product, what it is, and the input whose frame (width, height, unit, band) it has."""

    product: typing.Any
    doc: str = ""
    like: str | None = None


def param(default=dataclasses.MISSING, *, doc, unit=None, min=None, max=None, above=None, below=None, choices=None):
    """A parameter of a stage: a dataclass field with what a graph needs to check it.

    Its type is `float`, `int`, `bool` or `str`, a list of one of them, or `... | None`. What a single parameter does not show, a
    `__post_init__` of the class refuses with a `ValueError`.

    Parameters
    ----------
    default : optional
        Its default; without one a graph must give it.
    doc : str
        What it is, and what happens with small and large values.
    unit : str, optional
        Unit, such as "px".
    min, max, above, below : float, optional
        Range: `min <= value <= max`, `above < value < below`.
    choices : sequence of str, optional
        The words that it may be. In a graph file they stand without quotes.
    """
    metadata = {"doc": doc, "unit": unit, "min": min, "max": max, "above": above, "below": below, "choices": choices}
    if isinstance(default, list):
        # A list can be changed in place: every stage has its own.
        return dataclasses.field(default_factory=lambda: list(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


class Progress:
    """Counts what a stage has done. `Context.progress` makes it; threads may share it."""

    def __init__(self, context, unit, total, iterable):
        self._context, self._iterable = context, iterable
        self._counter = context._voice.progress(unit, total)

    def advance(self, n=1):
        """Counts `n` more. Cheap enough to call for every star."""
        self._counter.advance(n)

    def __iter__(self):
        if self._iterable is None:
            raise TypeError("there is nothing to go through: progress(unit, iterable=...)")
        for item in self._iterable:
            self._context.check_cancelled()
            yield item
            self.advance()


class Context:
    """What a stage says while it runs. All of it is passed on at once."""

    def __init__(self, voice):
        self._voice = voice

    def progress(self, unit, total=None, *, iterable=None):
        """Starts counting real things, for the display of progress.

        Parameters
        ----------
        unit : str
            What is counted, in the plural: "stars", "rows".
        total : int, optional
            How many there are; the length of `iterable` when left out.
        iterable : iterable, optional
            What to go through.

        Returns
        -------
        Progress
            With `advance(n=1)`. One with `iterable` gives its items, counts them, and raises `Cancelled` between them when the user
            stopped the run.

        Examples
        --------
        >>> for star in context.progress("stars", iterable=stars):
        ...     subtract(star)
        """
        if total is None and iterable is None:
            raise TypeError("progress needs total or iterable")
        return Progress(self, str(unit), len(iterable) if total is None else int(total), iterable)

    def warn(self, message):
        """Tells the user something that does not stop the stage; it is kept with the record."""
        self._voice.warn(str(message))

    def metric(self, name, value):
        """Notes a number for the report."""
        self._voice.metric(str(name), float(value))

    def check_cancelled(self):
        """Raises `Cancelled` when the user stopped the run. Call it between pieces of work of up to a second."""
        if self._voice.is_cancelled():
            raise Cancelled("cancelled")


def stage(kind, *, version, inputs=None, outputs, bytes_per_pixel=32.0):
    """Makes a class a stage that graphs can name.

    The class has a dataclass `Params` (when it has parameters; fields by `skyloom.param`) and a method `run(self, params, inputs, context)`
    that returns a dict of products by output port, or the product of its only output. Inputs are read-only; `context` (`Context`) takes
    progress, warnings and numbers for the report. It is run again when an input, a parameter, `version` or the text of the class changes;
    what it imports counts only through `version`.

    Parameters
    ----------
    kind : str
        Name in graphs, `family.verb`.
    version : int
        Raised when the same inputs give another result for a reason that the text of the class does not show.
    inputs, outputs : dict
        Ports: a product class (`skyloom.Image`, `skyloom.Table`, `skyloom.Isophotes`), `Input(...)` or `Output(...)`.
    bytes_per_pixel : float
        Memory that it needs per pixel of its input images, besides inputs and outputs.

    Examples
    --------
    >>> @skyloom.stage("py.scale", version=1, inputs={"image": skyloom.Image}, outputs={"image": skyloom.Output(skyloom.Image, like="image")})
    ... class Scale:
    ...     "Multiplies an image by a number."
    ...     @dataclasses.dataclass
    ...     class Params:
    ...         factor: float = skyloom.param(2.0, doc="The number.")
    ...     def run(self, params, inputs, context):
    ...         return inputs["image"].with_pixels(params.factor * inputs["image"].pixels)
    """

    def decorate(cls):
        params = getattr(cls, "Params", None)
        if params is not None and not dataclasses.is_dataclass(params):
            params = cls.Params = dataclasses.dataclass(params)
        doc = inspect.cleandoc(cls.__doc__ or "")
        if not doc:
            raise TypeError(f"{cls.__name__}: a stage needs a docstring; its first line stands in lists")
        if not callable(getattr(cls, "run", None)):
            raise TypeError(f"{cls.__name__}: a stage needs a method run(self, params, inputs, context)")
        ins = {name: _port(port, Input) for name, port in (inputs or {}).items()}
        outs = {name: _port(port, Output) for name, port in outputs.items()}
        fields = [] if params is None else list(dataclasses.fields(params))
        hints = {} if params is None else typing.get_type_hints(params)
        description = {
            "kind": kind,
            "version": int(version),
            "doc": doc,
            "provider": f"{cls.__module__}.{cls.__qualname__} {version}",
            "schema": _schema(doc, fields, hints),
            "example": _example(fields, hints),
            "source": _source(cls),
            "inputs": [{"name": n, "product": _product(p.product), "arity": p.arity, "doc": p.doc or n} for n, p in ins.items()],
            "outputs": [{"name": n, "product": _product(p.product), "doc": p.doc or n, "like": p.like} for n, p in outs.items()],
            "bytes_per_pixel": float(bytes_per_pixel),
        }

        def fill(text):
            # Names, types and ranges were compared with the schema before; what only the class knows, its `__post_init__` refuses.
            given = {name: _read(hints.get(name), value) for name, value in json.loads(text).items()}
            return "{}" if params is None else json.dumps(dataclasses.asdict(params(**given)))

        def run(text, products, voice):
            made = cls().run(None if params is None else params(**json.loads(text)), products, Context(voice))
            if not isinstance(made, dict):
                if len(outs) != 1:
                    raise TypeError(f"{kind} has {len(outs)} outputs: run must return a dict of products by port")
                made = {next(iter(outs)): made}
            if unknown := sorted(set(made) - set(outs)):
                raise TypeError(f"{kind} has no output {unknown[0]!r}")
            if missing := sorted(set(outs) - set(made)):
                raise TypeError(f"{kind} made no output {missing[0]!r}")
            return made

        cls._skyloom_description = json.dumps(description)
        cls._skyloom_params = staticmethod(fill)
        cls._skyloom_run = staticmethod(run)
        _REGISTERED[kind] = cls
        return cls

    return decorate


def registered():
    """Classes of all stages that `stage` has seen, by kind; of two of one kind the later counts."""
    return [_REGISTERED[kind] for kind in sorted(_REGISTERED)]


def stages():
    """All kinds that graphs may name: dicts with kind, provider, doc, params, inputs, outputs, example.

    Returns
    -------
    dict
        By kind.
    """
    return {info["kind"]: info for info in json.loads(_skyloom.stage_kinds(registered()))}


def _port(port, kind):
    return port if isinstance(port, kind) else kind(port)


def _product(product):
    name = product if isinstance(product, str) else {"Image": "image", "Table": "table", "Isophotes": "isophotes", "bytes": "file"}.get(product.__name__)
    if name is None:
        raise TypeError(f"{product!r} is no product: skyloom.Image, skyloom.Table, skyloom.Isophotes, or bytes for a file")
    return name


_WORDS = {float: {"type": "number", "format": "double"}, int: {"type": "integer", "format": "int64"}, bool: {"type": "boolean"}, str: {"type": "string"}}
_LIMITS = {"min": "minimum", "max": "maximum", "above": "exclusiveMinimum", "below": "exclusiveMaximum"}


def _schema(doc, fields, hints):
    properties, required = {}, []
    for field in fields:
        facts = field.metadata
        schema = _schema_of(hints[field.name], facts)
        schema["description"] = facts.get("doc") or field.name
        if facts.get("unit"):
            schema["x-unit"] = facts["unit"]
        if _is_required(field):
            required.append(field.name)
        else:
            schema["default"] = field.default_factory() if field.default is dataclasses.MISSING else field.default
        properties[field.name] = schema
    return {"type": "object", "description": doc, "properties": properties, "required": required, "additionalProperties": False}


def _parts(hint):
    """What a type is made of: `("optional", X)` of `X | None`, `("list", X)` of `list[X]`, else `(None, hint)`."""
    args = typing.get_args(hint)
    if typing.get_origin(hint) in (typing.Union, types.UnionType) and len(args) == 2 and type(None) in args:
        return "optional", args[0] if args[1] is type(None) else args[1]
    return ("list", args[0]) if typing.get_origin(hint) is list else (None, hint)


def _schema_of(hint, facts):
    """Type and range; of a list each element has them. Of other types nothing is said: their class judges alone."""
    whole, part = _parts(hint)
    if whole == "optional":
        return {"anyOf": [_schema_of(part, facts), {"type": "null"}]}
    if whole == "list":
        return {"type": "array", "items": _schema_of(part, facts)}
    if facts.get("choices"):
        return {"oneOf": [{"const": word, "description": word} for word in facts["choices"]]}
    limits = {name: facts[limit] for limit, name in _LIMITS.items() if facts.get(limit) is not None}
    return {**_WORDS.get(hint, {}), **limits}


def _read(hint, value):
    """A value as its type has it: in a graph file 3 is a float, too."""
    whole, part = _parts(hint)
    if whole == "list" and isinstance(value, list):
        return [_read(part, item) for item in value]
    if whole == "optional" and value is not None:
        return _read(part, value)
    return float(value) if hint is float and isinstance(value, int) else value


def _example(fields, hints):
    needed = [field for field in fields if _is_required(field)]
    return "(" + ", ".join(f"{field.name}: {ron(_some(hints[field.name], field.metadata))}" for field in needed) + ")"


def _is_required(field):
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _some(hint, facts):
    whole, part = _parts(hint)
    if whole is not None:
        return [_some(part, facts)] if whole == "list" else None
    if facts.get("choices"):
        return Word(facts["choices"][0])
    if facts.get("min") is not None:
        return facts["min"]
    return {float: 1.0, int: 1, bool: True}.get(hint, "text")


def _source(cls):
    """What the key digests of a class: its text, or its compiled code where there is none (an interactive prompt)."""
    try:
        return textwrap.dedent(inspect.getsource(cls))
    except (OSError, TypeError):
        code = [marshal.dumps(value.__code__) for _, value in sorted(vars(cls).items()) if inspect.isfunction(value)]
        return hashlib.sha256(b"".join(code)).hexdigest()
