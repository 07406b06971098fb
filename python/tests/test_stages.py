"""Stages as Python classes."""

import dataclasses

import numpy as np
import pytest
import skyloom


CALLS = []


def scale(version=1, shift=0.0):
    @skyloom.stage(
        "py.scale",
        version=version,
        inputs={"image": skyloom.Input(skyloom.Image, "any image")},
        outputs={"image": skyloom.Output(skyloom.Image, "the image times the factor", like="image")},
    )
    class Scale:
        """Multiplies an image by a number."""

        @dataclasses.dataclass
        class Params:
            factor: float = skyloom.param(2.0, doc="The number.", above=0.0, max=10.0)

        def run(self, params, inputs, context):
            CALLS.append(params.factor)
            pixels = inputs["image"].pixels
            assert not pixels.flags.writeable and pixels.ctypes.data == inputs["image"].address
            context.metric("mean", np.nanmean(pixels))
            context.warn("just so")
            return inputs["image"].with_pixels(params.factor * pixels)

    return Scale


def small(file):
    graph = skyloom.Graph("small").add("read", "io.read_image", path=file)
    return graph.add("scaled", "py.scale", inputs={"image": "read.image"})


def test_a_class_is_a_stage_and_is_cached(file, tmp_path, sky):
    scale()
    graph, cache = small(file), tmp_path / "cache"
    CALLS.clear()
    run = graph.run(cache=cache, progress=False)
    assert np.array_equal(run["scaled"].pixels, 2 * sky, equal_nan=True)
    assert run["scaled"].wcs is not None
    assert run.nodes["scaled"].metrics["mean"] > 0 and any("just so" in w for w in run.warnings)
    assert graph.run(cache=cache, progress=False).nodes["scaled"].verdict == "reused"
    graph.set("scaled.factor", 3)
    assert graph.run(cache=cache, progress=False).nodes["scaled"].verdict == "ran"
    assert CALLS == [2.0, 3.0]


def test_a_version_or_another_text_runs_it_again(file, tmp_path):
    scale()
    graph, cache = small(file), tmp_path / "cache"
    graph.run(cache=cache, progress=False)
    scale(version=2)
    assert graph.plan(cache=cache).order == ["scaled"]
    assert "version" in graph.plan(cache=cache).why("scaled")
    graph.run(cache=cache, progress=False)

    @skyloom.stage("py.scale", version=2, inputs={"image": skyloom.Image}, outputs={"image": skyloom.Image})
    class Other:
        """Another text."""

        def run(self, params, inputs, context):
            return inputs["image"]

    assert graph.plan(cache=cache).order == ["scaled"]


def test_parameters_are_checked_before_anything_runs(file):
    scale()
    for value in (0.0, 11.0, "many"):
        graph = small(file).set("scaled.factor", value)
        with pytest.raises(skyloom.GraphError, match="factor"):
            graph.check()
    with pytest.raises(skyloom.GraphError, match="facto"):
        small(file).set("scaled.facto", 1.0).check()


def test_an_exception_is_a_failure_with_its_traceback(file, tmp_path):
    @skyloom.stage("py.bad", version=1, inputs={"image": skyloom.Image}, outputs={"image": skyloom.Image})
    class Bad:
        """Fails."""

        def run(self, params, inputs, context):
            raise ZeroDivisionError("one over nothing")

    graph = skyloom.Graph("bad").add("read", "io.read_image", path=file).add("bad", "py.bad", inputs={"image": "read.image"})
    graph.add("sky", "background.mesh", box_px=16, inputs={"image": "read.image"})
    with pytest.raises(skyloom.RunError, match="one over nothing") as caught:
        graph.run(cache=tmp_path / "cache", progress=False)
    report = caught.value.run.report
    assert "test_stages.py" in report["failures"][0]["message"] and "ZeroDivisionError" in report["failures"][0]["message"]
    assert caught.value.run.nodes["sky"].verdict == "ran"


def test_what_a_stage_returns_is_checked(file, tmp_path):
    for wrong, message in [({"picture": 1}, "no output 'picture'"), ({}, "made no output"), (np.zeros((2, 2)), "must be image")]:

        @skyloom.stage("py.wrong", version=1, inputs={"image": skyloom.Image}, outputs={"image": skyloom.Image})
        class Wrong:
            """Returns something else."""

            what = wrong

            def run(self, params, inputs, context):
                return self.what

        graph = skyloom.Graph("wrong").add("read", "io.read_image", path=file).add("w", "py.wrong", inputs={"image": "read.image"})
        with pytest.raises(skyloom.RunError, match=message):
            graph.run(cache=tmp_path / "cache", force=["w"], progress=False)


def test_tables_come_from_any_library(file, tmp_path):
    import pandas

    @skyloom.stage("py.stats", version=1, inputs={"image": skyloom.Image}, outputs={"table": skyloom.Table})
    class Stats:
        """Numbers of an image."""

        def run(self, params, inputs, context):
            import pyarrow

            frame = pandas.DataFrame({"row": range(3), "mean": [1.5, float("nan"), 2.5], "name": ["a", "b", "c"]})
            return pyarrow.Table.from_pandas(frame, preserve_index=False)

    graph = skyloom.Graph("stats").add("read", "io.read_image", path=file).add("stats", "py.stats", inputs={"image": "read.image"})
    table = graph.run(cache=tmp_path / "cache", progress=False)["stats"]
    assert table.columns == ["row", "mean", "name"] and list(table["name"]) == ["a", "b", "c"]


def test_kinds_are_listed_with_their_documentation():
    scale()
    kinds = skyloom.stages()
    assert kinds["py.scale"]["params"][0]["doc"] == "The number."
    assert kinds["background.nebulise"]["provider"].startswith("skyloom-stages ")
