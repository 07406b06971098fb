"""Graphs: load, build, look at, plan, run."""

from __future__ import annotations

import html
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from . import _skyloom
from ._ron import Word, ron
from .run import Run, _Shown
from .stages import registered, stages


def _problems(self):
    """Problems of the graph: dicts with code, file, line, column, subject, found, expected, help."""
    return json.loads(getattr(self, "_problems", "[]"))


_skyloom.GraphError.problems = property(_problems)


@dataclass(frozen=True)
class Node:
    """One node of a graph."""

    name: str
    kind: str
    #: Values by name, as RON text; defaults are included.
    params: dict
    #: Where each value was written: "default", "--set", or a place in a file.
    origins: dict
    #: Products that arrive, by input port.
    inputs: dict
    #: Type of each product that it makes, by output port.
    outputs: dict
    version: int
    provider: str
    estimated_bytes: int
    label: str | None = None


@dataclass(frozen=True)
class Plan:
    """What a run would do, and why. Nothing has run."""

    graph: str
    #: One dict per node: name, kind, verdict ("run" or "reuse"), reason, expected_s, estimated_bytes.
    nodes: list = field(repr=False)
    #: Names of the nodes that would run, in order.
    order: list
    #: Files of the output folder: file, product, is_there.
    files: list = field(repr=False)
    #: Seconds of work by the last runs; None when nothing is known.
    expected_s: float | None

    def __getitem__(self, name):
        for node in self.nodes:
            if node["name"] == name:
                return node
        raise KeyError(f"no node {name!r} in the plan of {self.graph!r}")

    def why(self, name):
        """Why a node would run or be reused, as one line."""
        return self[name]["reason"]

    def _repr_html_(self):
        rows = []
        for node in self.nodes:
            runs = node["verdict"] == "run"
            colour = "#fdd0a2" if runs else "#deebf7"
            time = "" if not runs or node["expected_s"] is None else f"{node['expected_s']:.1f} s"
            word = "run" if node["is_certain"] or not runs else "run?"
            cells = [word if runs else "reuse", node["name"], node["kind"], time, node["reason"]]
            rows.append(f'<tr style="background:{colour};color:#000">' + "".join(f"<td>{html.escape(c)}</td>" for c in cells) + "</tr>")
        head = "".join(f"<th>{c}</th>" for c in ["", "node", "kind", "time", "because"])
        n = len(self.order)
        return f"<p>{n} to run, {len(self.nodes) - n} to reuse</p><table><tr>{head}</tr>{''.join(rows)}</table>"


class Graph:
    """A graph of stages.

    `Graph.load` reads a file; `Graph(name)` starts an empty one that `add` fills. A graph is checked whenever it is looked at, planned
    or run: `GraphError` lists every problem with its place. `set` changes a parameter.
    """

    def __init__(self, name, doc=""):
        self._path = None
        self._name, self._doc = name, doc
        self._nodes, self._outputs, self._params = {}, {}, {}
        self._sets, self._overlays, self._plugins = {}, [], []
        self._checked = None

    @classmethod
    def load(cls, path, *, overlays=(), plugins=(), **params):
        """Reads a graph file.

        Parameters
        ----------
        path : path-like
            The file.
        overlays : sequence of path-like
            Overlay files, applied in order.
        plugins : sequence of path-like
            Descriptors of foreign programs (`*.stage.ron`), or folders of them, besides those that the graph names.
        **params
            Values of the graph's parameters.

        Returns
        -------
        Graph
        """
        graph = cls(Path(path).stem)
        graph._path = Path(path)
        graph._overlays = [Path(overlay) for overlay in overlays]
        graph._plugins = [Path(plugin) for plugin in plugins]
        graph.set(**params)
        if not graph._path.is_file():
            raise FileNotFoundError(f"no graph file {os.fspath(path)!r}")
        return graph

    def set(self, key=None, value=None, /, **params):
        """Sets parameters: `set("sky.box_px", 64)` of a node, `set(mag_limit=15)` of the graph. Returns the graph."""
        if key is not None:
            params = {key: value, **params}
        for name, value in params.items():
            # What the command line would be given: text stands for itself.
            self._sets[name] = os.fspath(value) if isinstance(value, (str, os.PathLike)) and not isinstance(value, Word) else ron(value)
        self._checked = None
        return self

    def param(self, name, default=None):
        """Declares a parameter of a graph that is built here; `"{name}"` in a node's parameter stands for it."""
        self._own("param")
        self._params[name] = default
        self._checked = None
        return self

    def add(self, name, kind, /, inputs=None, keep=None, **params):
        """Adds a node to a graph that is built here.

        Parameters
        ----------
        name, kind : str
            Name of the node, and kind of its stage.
        inputs : dict
            Products by input port: `{"image": "ks.image"}`; a list for a port that takes several.
        keep : {"auto", "always", "never"}, optional
            Whether its products stay in the store.
        **params
            Parameters of the stage. The name of a choice is text here; where only a graph file could tell (in a parameter of the
            graph, or of a foreign program), it is `skyloom.Word("moffat")`.

        Returns
        -------
        Graph
        """
        self._own("add")
        if name in self._nodes:
            raise ValueError(f"the graph has a node {name!r} already")
        more = "" if keep is None else f", keep: {keep}"
        more += f", inputs: {ron(inputs)}" if inputs else ""
        self._nodes[name] = (kind, {key: ron(value) for key, value in params.items()}, more)
        self._checked = None
        return self

    def output(self, file, product):
        """Delivers a product of a graph that is built here as a file of the output folder."""
        self._own("output")
        self._outputs[file] = product
        self._checked = None
        return self

    def _own(self, what):
        if self._path is not None:
            raise TypeError(f"{what}: this graph is the file {os.fspath(self._path)!r}; change it there, or by an overlay")

    def to_ron(self):
        """The graph as RON: as built, or, of a file, with every value filled in."""
        if self._path is not None:
            return self._check().to_ron()
        lines = ["(", f"    name: {ron(self._name)},", f"    doc: {ron(self._doc)},"]
        if self._params:
            lines += ["    params: {", *(f"        {ron(k)}: {ron(v)}," for k, v in self._params.items()), "    },"]
        choices = _choices() if any(text.startswith('"') for _, params, _ in self._nodes.values() for text in params.values()) else {}
        lines += ["    nodes: {", *(f"        {ron(k)}: {_node(*v, choices)}," for k, v in self._nodes.items()), "    },"]
        lines += ["    outputs: {", *(f"        {ron(k)}: {ron(v)}," for k, v in self._outputs.items()), "    },"]
        return "\n".join([*lines, ")"]) + "\n"

    def save(self, path):
        """Writes `to_ron()` to a file, and returns its path. Relative paths in it start from that file's folder."""
        path = Path(path)
        path.write_text(self.to_ron())
        return path

    def _check(self):
        classes = registered()
        if self._checked is None or self._checked[1] != classes:
            text = None if self._path is not None else self.to_ron()
            path = self._path if self._path is not None else Path.cwd() / f"{self._name}.ron"
            loaded = _skyloom.load(path, text, list(self._sets.items()), self._overlays, classes, self._plugins)
            self._checked = (loaded, classes)
        return self._checked[0]

    def _described(self):
        return json.loads(self._check().describe())

    def check(self):
        """Raises `GraphError` with all problems, if there are any. Returns the graph."""
        self._check()
        return self

    @property
    def name(self):
        """Name of the graph."""
        return self._check().name

    @property
    def nodes(self):
        """Nodes by name, in an order in which they can run."""
        nodes = {}
        for node in self._described()["nodes"]:
            inputs = {}
            for wire in node["inputs"]:
                inputs.setdefault(wire["port"], []).append(wire["source"])
            nodes[node["name"]] = Node(
                name=node["name"],
                kind=node["kind"],
                params={p["name"]: p["value"] for p in node["params"]},
                origins={p["name"]: p["origin"] for p in node["params"]},
                inputs=inputs,
                outputs={p["port"]: p["product"] for p in node["outputs"]},
                version=node["version"],
                provider=node["provider"],
                estimated_bytes=node["estimated_bytes"],
                label=node["label"],
            )
        return nodes

    @property
    def params(self):
        """Parameters of the graph, as RON text."""
        return {p["name"]: p["value"] for p in self._described()["params"]}

    @property
    def outputs(self):
        """Files of the graph, and their products."""
        return {o["file"]: o["product"] for o in self._described()["outputs"]}

    def _request(self, cache, out, force, until):
        return _Request(_cache(cache), None if out is None else Path(out), _names(force), _names(until))

    def plan(self, *, cache=None, out=None, force=(), until=()):
        """Says what `run` with the same arguments would do, without doing it.

        Returns
        -------
        Plan
        """
        return _plan(self._check().plan(self._request(cache, out, force, until)))

    def why(self, name, *, cache=None):
        """Why a node would run or be reused now, as one line."""
        return self.plan(cache=cache).why(name)

    def run(self, *, cache=None, out=None, force=(), until=(), threads=None, memory=None, progress=True):
        """Runs what must run, and reuses the rest.

        Parameters
        ----------
        cache : path-like, optional
            Folder of the store; the default is that of the command line.
        out : path-like, optional
            Folder for the files of the graph. Without one no file is written.
        force : sequence of str
            Nodes that run whatever the store says.
        until : sequence of str
            Only what these nodes need.
        threads, memory : int, optional
            Threads, and memory budget in bytes.
        progress : bool or callable
            Whether to show progress, in the terminal or below the cell; or a function of each event (a dict).

        Returns
        -------
        Run
            Its products, and what happened.

        Raises
        ------
        RunError
            When a node failed; `error.run` holds what there is, and what is finished is reused next time.
        KeyboardInterrupt
            What is finished stays in the store.
        """
        graph = self._check()
        shown = _Shown.of(progress)
        try:
            report = graph.run(self._request(cache, out, force, until), shown.event, threads, memory)
        finally:
            shown.close()
        return Run._of(json.loads(report), report, _cache(cache))

    def _repr_svg_(self):
        return self._check().svg(self._request(None, None, (), ()))

    def __repr__(self):
        where = "" if self._path is None else f" of {os.fspath(self._path)}"
        return f"<Graph {self._name!r}{where}>"


def _choices():
    """The words that a parameter may be, by kind and name, as RON text."""
    return {(kind, param["name"]): param["choices"] for kind, info in stages().items() for param in info["params"]}


def _node(kind, params, more, choices):
    """A node as RON. A choice is text in Python and a bare word in a graph file."""
    words = {key: text[1:-1] if text[0] == '"' and text[1:-1] in choices.get((kind, key), ()) else text for key, text in params.items()}
    params = ", params: (" + ", ".join(f"{key}: {text}" for key, text in words.items()) + ")" if words else ""
    return f"(kind: {ron(kind)}{params}{more})"


class _Request:
    def __init__(self, cache, out, force, until):
        self.cache, self.out, self.force, self.until = cache, out, force, until


def _plan(text):
    value = json.loads(text)
    return Plan(value["graph"], value["nodes"], value["order"], value["files"], value["expected_s"])


def _cache(cache):
    if cache is not None:
        return Path(cache)
    return Path(os.environ["SKYLOOM_CACHE"]) if os.environ.get("SKYLOOM_CACHE") else Path(_skyloom.default_cache())


def _names(names):
    return [names] if isinstance(names, str) else list(names)
