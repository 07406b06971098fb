#!/usr/bin/env python3
"""One unsharp mask three ways on the M2 frame: a Rust crate, a foreign program, a Python class. `three_ways.py OWN_BINARY CACHE`.

Equal arrays (1e-6 of the largest pixel), cached each time, and run again only when code, version or parameters change. Needs the Python
package; OWN_BINARY is the program of examples/own-stage.
"""

import dataclasses
import json
import pathlib
import subprocess
import sys

import numpy as np
import skyloom
from astropy.io import fits
from scipy.ndimage import gaussian_filter

ROOT = pathlib.Path(__file__).resolve().parents[2]
FRAME = ROOT / "examples/data/frame-r-002583-2-0136.fits.gz"


@skyloom.stage(
    "py.unsharp",
    version=1,
    inputs={"image": skyloom.Input(skyloom.Image, "image to sharpen")},
    outputs={"image": skyloom.Output(skyloom.Image, "the sharper image", like="image")},
)
class Unsharp:
    """Sharpens an image by an unsharp mask."""

    @dataclasses.dataclass
    class Params:
        sigma_px: float = skyloom.param(2.0, doc="Width of the blur.", unit="px", above=0.0, max=100.0)
        amount: float = skyloom.param(1.0, doc="How much of what the blur took is added.", min=0.0, max=100.0)

    def run(self, params, inputs, context):
        image = inputs["image"]
        good = ~image.mask
        options = {"mode": "constant", "truncate": 4}
        weight = gaussian_filter(good.astype(float), params.sigma_px, **options)
        light = gaussian_filter(np.where(good, image.pixels, 0).astype(float), params.sigma_px, **options)
        blur = np.divide(light, weight, out=np.zeros_like(light), where=weight > 0)
        sharp = np.where(good, image.pixels + params.amount * (image.pixels - blur), image.pixels)
        return image.with_pixels(sharp.astype(np.float32))


def verdicts(run):
    return {name: node.verdict for name, node in run.nodes.items()}


def own(binary, cache, *settings):
    """Runs the Rust crate's graph; returns verdicts and the array."""
    out = cache.parent / "own"
    graph = ROOT / "examples/own-stage/graphs/acme-unsharp.ron"
    command = [binary, "run", graph, "--set", f"frame={FRAME}", "--cache", cache, "--out", out, *settings]
    subprocess.run(command, check=True, capture_output=True)
    report = json.loads((out / "run.json").read_text())
    return {n["name"]: n["verdict"] for n in report["nodes"]}, fits.getdata(out / "sharp.fits")


def main():
    binary, cache = sys.argv[1], pathlib.Path(sys.argv[2])
    foreign = skyloom.Graph.load(ROOT / "examples/foreign/unsharp.ron")
    python = skyloom.Graph("py-unsharp").add("frame", "io.read_image", path=FRAME).add("sharp", "py.unsharp", inputs={"image": "frame.image"})
    found = {
        "Rust crate": own(binary, cache)[1],
        "foreign program": foreign.run(cache=cache, progress=False)["sharp"].pixels,
        "Python class": python.run(cache=cache, progress=False)["sharp"].pixels,
    }
    reference = found["Rust crate"]
    for name, pixels in found.items():
        apart = np.nanmax(np.abs(pixels - reference)) / np.nanmax(np.abs(reference))
        assert np.array_equal(np.isnan(pixels), np.isnan(reference)) and apart < 1e-6, f"{name}: {apart:.2g} of the largest pixel apart"
        print(f"{name}: {apart:.1e} of the largest pixel from the Rust crate")
    again = [own(binary, cache)[0], verdicts(foreign.run(cache=cache, progress=False)), verdicts(python.run(cache=cache, progress=False))]
    assert all(verdict == "reused" for run in again for verdict in run.values()), again
    changed = [
        own(binary, cache, "--set", "amount=2.0")[0],
        verdicts(foreign.set("sharp.amount", 2.0).run(cache=cache, progress=False)),
        verdicts(python.set("sharp.amount", 2.0).run(cache=cache, progress=False)),
    ]
    assert all(run["sharp"] == "ran" and run["frame"] == "reused" for run in changed), changed
    print("cached each time, and run again for another parameter")


if __name__ == "__main__":
    main()
