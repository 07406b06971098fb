"""Arguments as the arrays that the native functions take."""

from __future__ import annotations

import numpy as np


def image_of(image):
    """A float32 array in C order; without a copy where it is one."""
    pixels = getattr(image, "pixels", image)
    array = np.ascontiguousarray(pixels, dtype=np.float32)
    if array.ndim != 2:
        raise ValueError(f"an image has 2 dimensions, not {array.ndim}")
    return array


def mask_of(mask):
    """A bool array in C order, or None."""
    return None if mask is None else np.ascontiguousarray(mask, dtype=bool)


def noise_of(noise, shape):
    """A noise map of a shape; a number stands for a map of it."""
    if noise is None:
        return None
    if np.ndim(noise) == 0:
        return np.full(shape, noise, dtype=np.float32)
    return image_of(noise)
