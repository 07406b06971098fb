"""The package holds the stage, and the graph runs from Python."""

import pathlib

import skyloom

GRAPH = pathlib.Path(__file__).parents[2] / "graphs" / "{{name}}.ron"


def test_the_stage_is_listed_with_its_crate_and_version():
    assert skyloom.stages()["{{kind}}"]["provider"] == "{{name}} 0.1.0"


def test_the_graph_runs(tmp_path):
    run = skyloom.Graph.load(GRAPH).run(cache=tmp_path / "cache", out=tmp_path / "out", progress=False)
    frame, sharp = run["frame.image"].pixels, run["sharp.image"].pixels
    assert sharp.shape == frame.shape and sharp.max() > frame.max()
    assert (tmp_path / "out" / "sharp.fits").is_file()
