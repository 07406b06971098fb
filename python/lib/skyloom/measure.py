"""Measures of what a contour holds."""

from __future__ import annotations

import numpy as np

from . import _skyloom
from ._arrays import image_of, mask_of, noise_of


def contour(vertices, image, *, noise=None, mask=None, light_radius="mean"):
    """Size, place, light and moments inside a closed contour (Miller et al. 2024, section 7.1).

    Parameters
    ----------
    vertices : array_like, shape (n, 2)
        Vertices `(x, y)` in pixels, zero-based.
    image : array_like, shape (ny, nx)
        Background-subtracted pixels.
    noise : float or array_like, optional
        Noise map, for `median_pixel` in units of the noise.
    mask : array_like of bool, shape (ny, nx), optional
        Pixels that add nothing.
    light_radius : {"mean", "rms"}
        Definition of the light radius.

    Returns
    -------
    dict or None
        area (px^2), r_geo (px), x, y, n_pixels, flux, x_light, y_light, r_light (px), semi_major, semi_minor (px), pa_deg, median_pixel,
        n_masked. `None` where there is no area, no pixel or no light.
    """
    if light_radius not in ("mean", "rms"):
        raise ValueError(f"light_radius is 'mean' or 'rms', not {light_radius!r}")
    image = image_of(image)
    vertices = np.ascontiguousarray(vertices, dtype=np.float64)
    return _skyloom.measure_contour(vertices, image, noise_of(noise, image.shape), mask_of(mask), light_radius == "rms")
