"""Runs: what happened, and the products."""

from __future__ import annotations

import html
import json
import sys
import time
from dataclasses import dataclass

from . import _skyloom


@dataclass(frozen=True)
class NodeRun:
    """What happened to one node."""

    name: str
    kind: str
    #: "ran", "reused", "failed" or "blocked".
    verdict: str
    reason: str
    wall_s: float
    peak_bytes: int
    warnings: list
    metrics: dict
    outputs: dict


class Run:
    """A finished run. `run["sky.image"]` reads a product; images come as read-only NumPy views of what was read."""

    def __init__(self, report, text, cache):
        self.report, self._text, self._cache = report, text, cache

    @classmethod
    def _of(cls, report, text, cache):
        run = cls(report, text, cache)
        if report["status"] not in ("succeeded", "Succeeded"):
            lines = [f"{failure['node'] or 'output folder'}: {failure['message']}" for failure in report["failures"]]
            lines += [f"  help: {failure['help']}" for failure in report["failures"] if failure["help"]]
            error = _skyloom.RunError("\n".join(lines) or f"the run {report['status']}")
            error.run = run
            raise error
        return run

    @property
    def nodes(self):
        """What happened to each node, by name."""
        return {
            n["name"]: NodeRun(
                n["name"], n["kind"], n["verdict"], n["reason"], n["wall_s"], n["peak_bytes"], n["warnings"], dict(n["metrics"]), n["outputs"]
            )
            for n in self.report["nodes"]
        }

    @property
    def warnings(self):
        """Warnings of the engine and of the nodes that ran or were reused."""
        own = [(n["name"], w) for n in self.report["nodes"] for w in n["warnings"]]
        return [f"{name}: {text}" for name, text in own] + list(self.report["warnings"])

    def why(self, name):
        """Why a node ran or was reused, as one line."""
        if name not in self.nodes:
            raise KeyError(f"no node {name!r} in the run of {self.report['graph']!r}")
        return self.nodes[name].reason

    def __getitem__(self, product):
        """A product by `node.port`, or by `node` where it has a single one."""
        nodes = self.nodes
        name, port = product, None
        if name not in nodes and "." in product:
            name, port = product.rsplit(".", 1)
        if name not in nodes:
            raise KeyError(f"no node {name!r} in the run of {self.report['graph']!r}")
        if port is None:
            ports = list(nodes[name].outputs)
            if len(ports) != 1:
                raise KeyError(f"{name!r} has {len(ports)} products: " + ", ".join(f"{name}.{p}" for p in ports))
            port = ports[0]
        return _skyloom.product(self._cache, self._text, name, port)

    def __repr__(self):
        verdicts = [n["verdict"] for n in self.report["nodes"]]
        return f"<Run of {self.report['graph']!r}: {verdicts.count('ran')} ran, {verdicts.count('reused')} reused, {self.report['wall_s']:.1f} s>"

    def _repr_html_(self):
        colours = {"ran": "#fdd0a2", "reused": "#deebf7", "failed": "#fb6a4a", "blocked": "#d9d9d9"}
        rows = []
        for n in self.report["nodes"]:
            time_ = f"{n['wall_s']:.2f} s" if n["verdict"] == "ran" else ""
            cells = [n["verdict"], n["name"], n["kind"], time_, n["reason"]]
            row = "".join(f"<td>{html.escape(c)}</td>" for c in cells)
            rows.append(f'<tr style="background:{colours.get(n["verdict"], "#fff")};color:#000">{row}</tr>')
        head = "".join(f"<th>{c}</th>" for c in ["", "node", "kind", "time", "because"])
        return f"<p>{html.escape(repr(self))}</p><table><tr>{head}</tr>{''.join(rows)}</table>"


class _Shown:
    """Progress for people: one line in a terminal, one display in a notebook."""

    def __init__(self):
        self._done, self._total, self._running, self._last = 0, 0, {}, 0.0
        self._handle = None
        self._is_terminal = sys.stderr.isatty()
        if _in_notebook():
            from IPython.display import display

            self._handle = display({"text/plain": ""}, raw=True, display_id=True)

    @classmethod
    def of(cls, progress):
        if callable(progress):
            return _Told(progress)
        return cls() if progress else _Told(lambda event: None)

    def event(self, text):
        event = json.loads(text)
        kind = event["event"]
        if kind == "run-started":
            self._total = event["nodes"]
        elif kind == "node-started":
            self._running[event["node"]] = ""
        elif kind == "node-progress":
            total = event["total"]
            self._running[event["node"]] = f" {event['done']}/{total} {event['unit']}" if total else ""
        elif kind == "node-finished":
            self._running.pop(event["node"], None)
            self._done += 1
        elif kind == "node-warning" and self._handle is None:
            print(f"{event['node']}: {event['message']}", file=sys.stderr)
        now = time.monotonic()
        if now - self._last > 0.1 or kind in ("node-finished", "run-finished"):
            self._last = now
            self._show()

    def _show(self):
        line = f"{self._done}/{self._total} nodes" + "".join(f"  {name}{what}" for name, what in self._running.items())
        if self._handle is not None:
            self._handle.update({"text/plain": line}, raw=True)
        elif self._is_terminal:
            print(f"\r\x1b[K{line[:110]}", end="", file=sys.stderr, flush=True)

    def close(self):
        if self._handle is None and self._is_terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


class _Told:
    def __init__(self, tell):
        self._tell = tell

    def event(self, text):
        self._tell(json.loads(text))

    def close(self):
        pass


def _in_notebook():
    shell = sys.modules.get("IPython")
    if shell is None:
        return False
    running = shell.get_ipython()
    return running is not None and running.__class__.__name__ == "ZMQInteractiveShell"
