"""Pipelines of pluggable stages that weave survey images into catalogues.

Three things can be done from Python:

- drive graphs: `Graph.load`, `.plan()`, `.run()`, and look at every product;
- call the algorithms on arrays: `skyloom.background`, `skyloom.contour`, `skyloom.measure`, `skyloom.psf`;
- write stages as classes: `skyloom.stage`.

Pixels are `[y, x]`; `x` is the column, `y` the row, pixel centres at integers, counted from zero.
"""

from . import background, contour, measure, psf
from ._products import Image, Isophotes, Product, Table
from ._ron import Word
from ._skyloom import GraphError, RunError, SkyloomError, __version__
from .graph import Graph, Node, Plan
from .run import NodeRun, Run
from .stages import Cancelled, Context, Input, NoWork, Output, Progress, param, stage, stages

__all__ = [
    "Cancelled",
    "Context",
    "Graph",
    "GraphError",
    "Image",
    "Input",
    "Isophotes",
    "NoWork",
    "Node",
    "NodeRun",
    "Output",
    "Plan",
    "Product",
    "Progress",
    "Run",
    "RunError",
    "SkyloomError",
    "Table",
    "Word",
    "__version__",
    "background",
    "contour",
    "measure",
    "param",
    "psf",
    "stage",
    "stages",
]
