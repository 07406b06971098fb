"""Graphs: built, saved, loaded, planned, run; products as arrays and tables."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest
import skyloom
from astropy.nddata import CCDData


def test_a_run_gives_read_only_views_of_what_was_read(graph, tmp_path, sky):
    run = graph.run(cache=tmp_path / "cache", progress=False)
    image = run["sky.image"]
    pixels = image.pixels
    assert pixels.shape == sky.shape and pixels.dtype == np.float32
    assert pixels.ctypes.data == image.address and not pixels.flags.owndata and not pixels.flags.writeable
    with pytest.raises(ValueError):
        pixels[0, 0] = 1
    # The view outlives the objects that it came from.
    total = float(np.nansum(pixels))
    del image, run
    assert float(np.nansum(pixels)) == total


def test_the_second_run_reuses_and_a_parameter_reruns_what_depends_on_it(graph, tmp_path):
    cache = tmp_path / "cache"
    assert all(node.verdict == "ran" for node in graph.run(cache=cache, progress=False).nodes.values())
    second = graph.run(cache=cache, progress=False)
    assert [node.verdict for node in second.nodes.values()] == ["reused"] * 4
    graph.set("trace.levels_sigma", [6.0])
    plan = graph.plan(cache=cache)
    assert plan.order == ["trace", "shapes"]
    assert "levels_sigma" in plan.why("trace")
    third = graph.run(cache=cache, progress=False)
    assert [name for name, node in third.nodes.items() if node.verdict == "ran"] == ["trace", "shapes"]
    assert third.why("trace") == plan.why("trace")


def test_a_graph_lists_its_nodes_and_survives_saving(graph, tmp_path):
    node = graph.nodes["sky"]
    assert node.kind == "background.mesh" and node.params["box_px"] == "16" and node.origins["filter"] == "default"
    assert node.inputs == {"image": ["read.image"]} and node.outputs["noise"] == "image"
    again = skyloom.Graph.load(graph.save(tmp_path / "small.ron"))
    assert list(again.nodes) == list(graph.nodes)
    assert again.plan(cache=tmp_path / "cache").order == list(graph.nodes)


def test_tables_go_to_pandas_polars_pyarrow_and_astropy(graph, tmp_path):
    import pandas
    import polars
    import pyarrow

    table = graph.run(cache=tmp_path / "cache", progress=False)["shapes.table"]
    assert len(table) == 3
    arrow = pyarrow.table(table)
    assert arrow.num_rows == 3 and arrow.column_names == table.columns
    assert polars.DataFrame(table).shape == arrow.shape
    assert pandas.api.interchange and arrow.to_pandas().shape == arrow.shape
    astro = table.to_astropy()
    assert str(astro["r_geo"].unit) == "pix" and astro["r_geo"].description
    assert np.allclose(astro["r_geo"], table["r_geo"])
    back = skyloom.Table(arrow)
    assert back.columns == table.columns and np.array_equal(back["r_geo"], table["r_geo"])
    assert "<td>" in table._repr_html_()
    with pytest.raises(KeyError, match="no column"):
        table["nothing"]


def test_images_carry_mask_wcs_and_uncertainty(graph, tmp_path, wcs):
    run = graph.run(cache=tmp_path / "cache", progress=False)
    image, noise = run["sky.image"], run["sky.noise"]
    ccd = image.to_ccddata(noise)
    assert isinstance(ccd, CCDData) and ccd.data.ctypes.data == image.address
    assert ccd.mask[5, 7] and not ccd.mask[50, 50]
    assert np.array_equal(ccd.uncertainty.array, noise.pixels)
    here = ccd.wcs.pixel_to_world_values(10, 20)
    assert np.allclose(here, wcs.pixel_to_world_values(10, 20), atol=1e-9)
    bits = np.zeros(image.shape, np.uint16)
    bits[1, 2], bits[3, 4] = 32, 32 | 4
    interpolated = skyloom.Image.of(np.zeros(image.shape), mask=bits)
    assert np.argwhere(interpolated.mask).tolist() == [[3, 4]] and interpolated.mask_bits[1, 2] == 32
    made = skyloom.Image.of(image.pixels, mask=ccd.mask, wcs=wcs, band="J")
    assert made.band == "J" and np.allclose(made.wcs.pixel_to_world_values(10, 20), here, atol=1e-9)


def test_isophotes_are_arrays(graph, tmp_path):
    isophotes = graph.run(cache=tmp_path / "cache", progress=False)["trace.isophotes"]
    assert isophotes[0].shape[1] == 2 and isophotes[-1].shape[1] == 2 and len(isophotes) >= 3
    assert isophotes.levels[0] == 5.0
    with pytest.raises(IndexError):
        isophotes[len(isophotes)]


def test_mistakes_have_places_and_names(graph, tmp_path):
    graph.add("wrong", "background.mess", inputs={"image": "read.imag"})
    with pytest.raises(skyloom.GraphError) as caught:
        graph.check()
    codes = {problem["code"] for problem in caught.value.problems}
    assert "unknown-kind" in codes and "background.mesh" in str(caught.value)
    with pytest.raises(FileNotFoundError):
        skyloom.Graph.load(tmp_path / "nothing.ron")


def test_a_failed_run_names_the_node_and_keeps_the_rest(graph, tmp_path):
    graph.add("stars", "expect.rows", where="r_geo > 0", min=100, inputs={"table": "shapes.table"})
    with pytest.raises(skyloom.RunError, match="stars") as caught:
        graph.run(cache=tmp_path / "cache", progress=False)
    run = caught.value.run
    assert run.nodes["stars"].verdict == "failed" and run["shapes.table"].columns


def test_events_and_displays(graph, tmp_path):
    seen = []
    run = graph.run(cache=tmp_path / "cache", progress=seen.append, out=tmp_path / "out")
    assert seen[0]["event"] == "run-started" and seen[-1]["event"] == "run-finished"
    assert (tmp_path / "out" / "run.json").is_file()
    assert "<table>" in run._repr_html_() and "reuse" in graph.plan(cache=tmp_path / "cache")._repr_html_()
    os.environ["SKYLOOM_CACHE"] = str(tmp_path / "cache")
    try:
        assert graph._repr_svg_().startswith("<svg")
    finally:
        del os.environ["SKYLOOM_CACHE"]


SLOW = """
import sys, skyloom
@skyloom.stage("py.slow", version=1, inputs={"image": skyloom.Image}, outputs={"image": skyloom.Output(skyloom.Image, like="image")})
class Slow:
    "Waits until it is stopped."
    def run(self, params, inputs, context):
        import time
        if %r:
            return inputs["image"]
        print("waiting", flush=True)
        while True:
            time.sleep(0.02)
            context.check_cancelled()
graph = skyloom.Graph("slow")
graph.add("read", "io.read_image", path=%r)
graph.add("sky", "background.mesh", box_px=16, inputs={"image": "read.image"})
graph.add("slow", "py.slow", inputs={"image": "sky.image"})
run = graph.run(cache=%r, progress=False)
print([node.verdict for node in run.nodes.values()])
"""


def test_an_interrupt_leaves_a_store_that_the_next_run_resumes_from(file, tmp_path):
    import signal

    cache = tmp_path / "cache"
    child = subprocess.Popen(
        [sys.executable, "-c", SLOW % (False, str(file), str(cache))], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "waiting\n"
    began = time.monotonic()
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=20)
    assert child.returncode != 0 and "KeyboardInterrupt" in errors and time.monotonic() - began < 10
    done = subprocess.run(
        [sys.executable, "-c", SLOW % (True, str(file), str(cache))], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "['reused', 'reused', 'ran']\n"


def test_a_kind_of_another_crate_gets_the_ways_out():
    graph = skyloom.Graph("halo").add("halo", "acme.halo")
    with pytest.raises(skyloom.GraphError, match="acme.halo") as caught:
        graph.check()
    assert "new stage acme-halo --python" in str(caught.value) and "subprocess" in str(caught.value)
