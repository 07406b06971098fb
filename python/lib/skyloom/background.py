"""Backgrounds: the nebuliser and the mesh."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from . import _skyloom
from ._arrays import image_of, mask_of


class Nebulised(NamedTuple):
    """Result of `nebulise`: image without background, and the background; read-only float32 arrays."""

    image: np.ndarray
    background: np.ndarray


class Mesh(NamedTuple):
    """Result of `mesh`: image without background, background, noise; read-only float32 arrays."""

    image: np.ndarray
    background: np.ndarray
    noise: np.ndarray


def nebulise(image, median=90, linear=30, *, iterations=3, takeout_sky=True, mask=None):
    """Removes structure larger than a scale: iterated, clipped running medians, then a running mean.

    Parameters
    ----------
    image : array_like, shape (ny, nx)
        Pixel values; not finite ones are left out. float32 in C order is used without a copy.
    median, linear : int
        Windows of the median and the mean, in pixels. Structure smaller than `median` stays.
    iterations : int
        Rounds of clipping.
    takeout_sky : bool
        Whether the sky level goes too, so that the result is about 0.
    mask : array_like of bool, shape (ny, nx), optional
        Pixels to leave out.

    Returns
    -------
    Nebulised
        `image` and `background`, shape (ny, nx), in the unit of the input.

    Notes
    -----
    Behaves as the CASU nebuliser (Irwin 2010, UKIRT Newsletter 26, 14).
    """
    image = image_of(image)
    return Nebulised(*_skyloom.nebulise(image, int(median), int(linear), int(iterations), bool(takeout_sky), mask_of(mask)))


def mesh(image, box=64, *, filter=3, clip_sigma=3.0, mask_sigma=None, exclude_percentile=10.0, mask=None):
    """Background and noise from the clipped pixels of boxes, enlarged by splines.

    Parameters
    ----------
    image : array_like, shape (ny, nx)
        Pixel values; not finite ones are left out.
    box : int
        Side of a box, in pixels.
    filter : int
        Side of the median filter over boxes, odd.
    clip_sigma : float
        Pixels farther than this from the median of their box are left out, in units of its scatter.
    mask_sigma : float, optional
        Pixels this far above the first background are left out of a second round.
    exclude_percentile : float
        Boxes with more than this percentage of pixels left out are filled from their neighbours.
    mask : array_like of bool, shape (ny, nx), optional
        Pixels to leave out.

    Returns
    -------
    Mesh
        `image` (input minus background), `background` and `noise`, shape (ny, nx), in the unit of the input.

    Notes
    -----
    Behaves as `photutils.background.Background2D`.
    """
    image = image_of(image)
    return Mesh(
        *_skyloom.mesh(
            image, int(box), int(filter), float(clip_sigma), mask_sigma, float(exclude_percentile), mask_of(mask)
        )
    )
