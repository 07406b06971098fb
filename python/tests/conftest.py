"""A small made image and a graph that smooths its sky away."""

import sys

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS


@pytest.fixture(autouse=True)
def own_registry():
    """Classes that a test makes stages of are gone after it."""
    import skyloom

    module = sys.modules["skyloom.stages"]
    kept = dict(module._REGISTERED)
    yield
    module._REGISTERED.clear()
    module._REGISTERED.update(kept)


@pytest.fixture
def sky():
    draws = np.random.default_rng(1)
    y, x = np.mgrid[:120, :160]
    image = 100 + 0.1 * x + 2 * draws.standard_normal((120, 160))
    for cx, cy, peak in [(40, 30, 400), (100, 80, 900), (130, 40, 250)]:
        image += peak * np.exp(-0.5 * ((x - cx) ** 2 + (y - cy) ** 2) / 3.0)
    image[5, 7] = np.nan
    return image.astype(np.float32)


@pytest.fixture
def wcs():
    w = WCS(naxis=2)
    w.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    w.wcs.crval, w.wcs.crpix, w.wcs.cdelt = [80.0, -69.0], [80.5, 60.5], [-1e-4, 1e-4]
    return w


@pytest.fixture
def file(tmp_path, sky, wcs):
    header = wcs.to_header()
    header["BUNIT"], header["FILTER"], header["MAGZPT"] = "count", "Ks", 23.0
    path = tmp_path / "sky.fits"
    fits.writeto(path, sky, header)
    return path


@pytest.fixture
def graph(tmp_path, file):
    import skyloom

    graph = skyloom.Graph("small", doc="Sky and contours of a small image")
    graph.add("read", "io.read_image", path=file, band="Ks")
    graph.add("sky", "background.mesh", box_px=16, inputs={"image": "read.image"})
    graph.add("trace", "contour.trace", levels_sigma=[5.0], inputs={"image": "sky.image", "noise": "sky.noise"})
    graph.add("shapes", "measure.isophotes", fwhm_px=4.0, min_r_geo_fwhm=0.0, edge_distance_px=5.0, inputs={"isophotes": "trace.isophotes", "image": "sky.image", "noise": "sky.noise"})
    return graph
