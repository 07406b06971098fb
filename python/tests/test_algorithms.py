"""Algorithms as functions on arrays."""

import numpy as np
import pytest
import skyloom


def test_nebulise_flattens_a_slope_and_returns_read_only_arrays(sky):
    made = skyloom.background.nebulise(sky, median=31, linear=11)
    assert made.image.shape == sky.shape and not made.image.flags.writeable
    assert abs(np.median(made.image[10:-10, 20:40]) - np.median(made.image[10:-10, -40:-20])) < 0.5
    masked = skyloom.background.nebulise(sky, median=31, linear=11, mask=sky > 200)
    assert np.isfinite(masked.background).all()
    with pytest.raises(ValueError, match="shape"):
        skyloom.background.nebulise(sky, mask=np.zeros((2, 2), bool))
    with pytest.raises(ValueError, match="2 dimensions"):
        skyloom.background.nebulise(sky.ravel())


def test_the_function_is_the_stage(sky, file, tmp_path):
    graph = skyloom.Graph("one").add("read", "io.read_image", path=file)
    graph.add("flat", "background.nebulise", median_px=31, linear_px=11, takeout_sky=True, inputs={"image": "read.image"})
    run = graph.run(cache=tmp_path / "cache", progress=False)
    assert np.array_equal(run["flat.image"].pixels, skyloom.background.nebulise(sky, 31, 11).image, equal_nan=True)


def test_mesh_measures_the_noise(sky):
    made = skyloom.background.mesh(sky, 16)
    assert abs(np.median(made.noise) - 2.0) < 0.3 and abs(made.background[60, 80] - 108) < 1


def test_contours_are_measured(sky):
    flat = skyloom.background.mesh(sky, 16).image
    contours = skyloom.contour.find(flat, 20.0, drop_holes=True)
    assert len(contours) == 3
    measured = [skyloom.measure.contour(c, flat, noise=2.0) for c in contours]
    x = sorted(m["x_light"] for m in measured)
    assert np.allclose(x, [40, 100, 130], atol=0.3)
    assert skyloom.measure.contour(np.zeros((3, 2)), flat) is None


def test_a_star_is_fitted(sky):
    flat = skyloom.background.mesh(sky, 16).image
    stamp = flat[70:91, 90:111]
    fit = skyloom.psf.fit(stamp, "gaussian", noise=2.0)
    assert fit.is_converged and abs(fit["x"] - 10) < 0.05 and abs(fit["sigma_major"] - 3**0.5) < 0.1
    assert abs(fit["amplitude"] - 900) < 5 * fit.errors[0]
    assert np.allclose(fit.render(stamp.shape)[10, 10], fit["amplitude"], rtol=0.01)
    fixed = skyloom.psf.fit(stamp, "moffat", limits={"alpha": (4.0, 4.0)})
    assert fixed["alpha"] == 4.0 and np.isnan(fixed.errors[6])
    with pytest.raises(ValueError, match="no model"):
        skyloom.psf.fit(stamp, "airy")
