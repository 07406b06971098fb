"""Mistakes in the parameters of Python stages: each is found before anything runs, and has its place in the graph file."""

import dataclasses

import pytest
import skyloom

SEEN = []


@pytest.fixture(autouse=True)
def rings():
    @skyloom.stage("py.rings", version=1, outputs={"file": bytes})
    class Rings:
        """Parameters of all types."""

        @dataclasses.dataclass
        class Params:
            width: float = skyloom.param(doc="Width of a ring.", unit="px", above=0.0, max=100.0)
            inner: float = skyloom.param(0.5, doc="Where it begins.", min=0.0)
            n: int = skyloom.param(3, doc="How many.", min=1)
            closed: bool = skyloom.param(True, doc="Whether they are closed.")
            name: str = skyloom.param("ring", doc="Name.")
            model: str = skyloom.param("flat", doc="Shape.", choices=["flat", "steep"])
            weights: list[float] = skyloom.param([1.0], doc="Weights.", min=0.0)
            limit: float | None = skyloom.param(None, doc="Where to stop, if anywhere.", max=10.0)

            def __post_init__(self):
                if self.inner >= self.width:
                    raise ValueError(f"inner is {self.inner}, and must be less than width, {self.width}")

        def run(self, params, inputs, context):
            SEEN.append(params)
            return b"done"


FILE = """(
    name: "rings",
    params: {"wide": -2.0},
    nodes: {
        "rings": (
            kind: "py.rings",
            params: (PARAMS),
        ),
    },
)
"""

# Parameters as in a graph file; code, the text at the place, what was found, what was expected; the same from Python.
MISTAKES = [
    ("width: 1.0, widht: 2.0", "unknown-parameter", "widht: 2.0", "widht", "one of width, inner", {"width": 1.0, "widht": 2.0}),
    ("n: 2", "missing-parameter", "(n: 2)", "nothing", "width: number, greater than 0 and at most 100", {"n": 2}),
    ('width: "wide"', "wrong-type", '"wide"', "wide", "number, greater than 0", {"width": "wide"}),
    ("width: true", "wrong-type", "true", "true", "number", {"width": True}),
    ("width: None", "wrong-type", "None", "None", "number", {"width": None}),
    ("width: NaN", "not-finite", "NaN", "NaN", "finite", {"width": float("nan")}),
    ("width: -inf", "not-finite", "-inf", "-inf", "finite", {"width": float("-inf")}),
    ("width: 0", "param-out-of-range", "0", "0", "greater than 0 and at most 100", {"width": 0}),
    ("width: 100.5", "param-out-of-range", "100.5", "100.5", "at most 100", {"width": 100.5}),
    ("width: 1.0, n: 2.5", "wrong-type", "2.5", "2.5", "integer, at least 1", {"width": 1.0, "n": 2.5}),
    ("width: 1.0, n: true", "wrong-type", "true", "true", "integer", {"width": 1.0, "n": True}),
    ("width: 1.0, n: NaN", "wrong-type", "NaN", "NaN", "integer", {"width": 1.0, "n": float("nan")}),
    ("width: 1.0, n: 0", "param-out-of-range", "0)", "0", "at least 1", {"width": 1.0, "n": 0}),
    ("width: 1.0, closed: 1", "wrong-type", "1)", "1", "true or false", {"width": 1.0, "closed": 1}),
    ("width: 1.0, name: 7", "wrong-type", "7", "7", "text", {"width": 1.0, "name": 7}),
    ("width: 1.0, model: flatt", "unknown-choice", "flatt", "flatt", "one of flat, steep", None),
    ('width: 1.0, model: "flatt"', "wrong-type", '"flatt"', "flatt", "one of flat, steep", {"width": 1.0, "model": "flatt"}),
    ('width: 1.0, model: "flat"', "wrong-type", '"flat"', "flat", "one of flat, steep", None),
    ("width: 1.0, model: 1", "wrong-type", "1)", "1", "one of flat, steep", {"width": 1.0, "model": 1}),
    ("width: 1.0, weights: [1.0, -1.0]", "param-out-of-range", "-1.0", "-1.0", "at least 0", {"width": 1.0, "weights": [1.0, -1.0]}),
    ("width: 1.0, weights: [NaN]", "not-finite", "NaN", "NaN", "finite", {"width": 1.0, "weights": [float("nan")]}),
    ("width: 1.0, weights: 1.0", "wrong-type", "1.0)", "1.0", "list of number", {"width": 1.0, "weights": 1.0}),
    ("width: 1.0, limit: 11.0", "param-out-of-range", "11.0", "11.0", "at most 10", {"width": 1.0, "limit": 11.0}),
    ("width: 1.0, limit: true", "wrong-type", "true", "true", "number or None", {"width": 1.0, "limit": True}),
    ("width: 1.0, inner: 2.0", "bad-parameters", "(width: 1.0, inner", "inner is 2.0, and must be less than width, 1.0", "", {"width": 1.0, "inner": 2.0}),
    ('width: "{wide}"', "param-out-of-range", '"{wide}"', "-2.0 (the value of {wide}", "greater than 0", None),
]


@pytest.mark.parametrize(("params", "code", "at", "found", "expected", "built"), MISTAKES)
def test_a_mistake_in_a_file_has_its_place(tmp_path, params, code, at, found, expected, built):
    text = FILE.replace("PARAMS", params)
    (tmp_path / "rings.ron").write_text(text)
    with pytest.raises(skyloom.GraphError) as caught:
        skyloom.Graph.load(tmp_path / "rings.ron").check()
    (problem,) = caught.value.problems
    assert problem["code"] == code and found in problem["found"] and expected in problem["expected"], problem
    line = text.splitlines()[problem["line"] - 1]
    assert problem["line"] == 7 and line[problem["column"] - 1 :].startswith(at), (problem, line)
    assert f"rings.ron:7:{problem['column']}" in str(caught.value)


@pytest.mark.parametrize(("params", "code", "at", "found", "expected", "built"), [case for case in MISTAKES if case[-1]])
def test_a_mistake_in_python_is_the_same(params, code, at, found, expected, built):
    with pytest.raises(skyloom.GraphError) as caught:
        skyloom.Graph("rings").add("rings", "py.rings", **built).check()
    (problem,) = caught.value.problems
    assert problem["code"] == code and found in problem["found"] and expected in problem["expected"], problem
    assert problem["subject"].startswith("nodes.rings.params")


def test_all_mistakes_are_told_together_and_a_misspelt_word_gets_the_right_one():
    graph = skyloom.Graph("rings").add("rings", "py.rings", width=-1.0, n=0, model=skyloom.Word("stepe"), closed=3)
    with pytest.raises(skyloom.GraphError, match="did you mean") as caught:
        graph.check()
    assert [p["subject"].rsplit(".", 1)[1] for p in caught.value.problems] == ["width", "n", "model", "closed"]


def test_an_exception_that_is_no_refusal_is_named():
    @skyloom.stage("py.broken", version=1, outputs={"file": bytes})
    class Broken:
        """Has a bug where it looks at its parameters."""

        class Params:
            name: str = skyloom.param("ring", doc="Name.")

            def __post_init__(self):
                {}[self.name]

        def run(self, params, inputs, context):
            return b""

    with pytest.raises(skyloom.GraphError, match="KeyError: 'ring'"):
        skyloom.Graph("broken").add("broken", "py.broken").check()


def test_what_is_right_arrives_with_its_type(tmp_path):
    graph = skyloom.Graph("rings").param("shape", skyloom.Word("steep"))
    graph.add("one", "py.rings", width=2, model="steep", weights=[1, 2.5], limit=3)
    graph.add("two", "py.rings", width=2.0, model="{shape}", name="flat", closed=False)
    graph.add("three", "py.rings", width=2.0, model=skyloom.Word("steep"), limit=None)
    SEEN.clear()
    graph.run(cache=tmp_path / "cache", progress=False)
    one, two, three = sorted(SEEN, key=lambda p: (p.limit is None, p.closed))
    assert (one.width, one.model, one.weights, one.limit) == (2.0, "steep", [1.0, 2.5], 3.0) and type(one.limit) is float
    assert (two.model, two.name, two.closed) == ("steep", "flat", False)
    assert (three.model, three.weights, three.limit) == ("steep", [1.0], None)

    # As built and with every value filled in, the graph is a file that says the same.
    again = skyloom.Graph.load(graph.save(tmp_path / "rings.ron"))
    (tmp_path / "whole.ron").write_text(again.to_ron())
    whole = skyloom.Graph.load(tmp_path / "whole.ron")
    assert whole.nodes["one"].params["model"] == "steep" and whole.nodes["three"].params["n"] == "3"
    for same in (again, whole):
        assert same.plan(cache=tmp_path / "cache").order == []
    assert again.set("two.model", "flat").plan(cache=tmp_path / "cache").order == ["two"]
