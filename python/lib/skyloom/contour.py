"""Contours."""

from __future__ import annotations

from . import _skyloom
from ._arrays import image_of, mask_of


def find(image, level, *, closed_only=True, drop_holes=False, min_area=0.0, mask=None):
    """Contours of an image at a level, by marching squares with linear interpolation.

    Parameters
    ----------
    image : array_like, shape (ny, nx)
        Pixel values; contours end at those that are not finite.
    level : float
        The level, in the unit of the image.
    closed_only : bool
        Leaves out contours that end at the edge or at a masked pixel.
    drop_holes : bool
        Leaves out contours around regions below the level.
    min_area : float
        Leaves out closed contours of a smaller area, in px^2.
    mask : array_like of bool, shape (ny, nx), optional
        Pixels without value.

    Returns
    -------
    list of ndarray, shape (n, 2)
        Vertices `(x, y)` in pixels, zero-based; the first is repeated at the end of a closed contour. In raster order.
    """
    return _skyloom.find_contours(image_of(image), float(level), bool(closed_only), bool(drop_holes), float(min_area), mask_of(mask))
