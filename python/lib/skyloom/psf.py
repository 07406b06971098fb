"""Models of point-spread functions, and fits of them to stars."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import _skyloom
from ._arrays import image_of, mask_of, noise_of

#: Names of the parameters of each model, in their order.
PARAMETERS = {
    "gaussian": ("amplitude", "x", "y", "sigma_major", "sigma_minor", "theta"),
    "moffat": ("amplitude", "x", "y", "gamma_major", "gamma_minor", "theta", "alpha"),
    "compound": (
        "amplitude", "x", "y", "gamma_major", "gamma_minor", "theta", "alpha",
        "gauss_amplitude", "sigma_major", "sigma_minor", "gauss_theta",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Fit:
    """A fit of a model to a star."""

    model: str
    #: Parameters in the order of `PARAMETERS[model]`; lengths in pixels, angles in radians from +x towards +y.
    params: np.ndarray
    #: Standard errors; NaN for parameters on a limit.
    errors: np.ndarray
    chi2: float
    reduced_chi2: float
    is_converged: bool
    iterations: int
    n_pixels: int

    def __getitem__(self, name):
        """A parameter by its name."""
        return float(self.params[PARAMETERS[self.model].index(name)])

    def render(self, shape):
        """The model on pixels of a shape `(ny, nx)`."""
        return render(self.model, self.params, shape)


def fit(stamp, model="moffat", *, start=None, noise=None, mask=None, limits=None):
    """Fits a model to a background-subtracted star by bounded Levenberg-Marquardt with analytic derivatives.

    Parameters
    ----------
    stamp : array_like, shape (ny, nx)
        Pixels around the star.
    model : {"gaussian", "moffat", "compound"}
        `compound` is a Moffat and a Gaussian with one centre.
    start : array_like, optional
        First parameters, in the order of `PARAMETERS[model]`. Without them they are guessed from peak and moments.
    noise : float or array_like, optional
        Noise of the pixels; without it all count alike.
    mask : array_like of bool, shape (ny, nx), optional
        Pixels to leave out.
    limits : dict, optional
        `{"alpha": (1.5, 4.0)}`; equal ends fix a parameter.

    Returns
    -------
    Fit
    """
    stamp = image_of(stamp)
    if model not in PARAMETERS:
        raise ValueError(f"no model {model!r}: {', '.join(PARAMETERS)}")
    names = PARAMETERS[model]
    if start is None:
        start = _guess(stamp, model, mask)
    bounds = [(names.index(name), float(low), float(high)) for name, (low, high) in (limits or {}).items()]
    start = [float(value) for value in start]
    found = _skyloom.fit_psf(stamp, model, start, noise_of(noise, stamp.shape), mask_of(mask), bounds)
    found["params"], found["errors"] = np.array(found["params"]), np.array(found["errors"])
    return Fit(model=model, **found)


def render(model, params, shape):
    """A model on pixels of a shape `(ny, nx)`: a read-only float64 array."""
    return _skyloom.psf_model(model, [float(value) for value in params], tuple(shape))


def _guess(stamp, model, mask):
    good = np.isfinite(stamp) if mask is None else np.isfinite(stamp) & ~np.asarray(mask, dtype=bool)
    light = np.where(good, np.maximum(stamp, 0), 0).astype(float)
    total = light.sum()
    if total <= 0:
        raise ValueError("the stamp has no light above 0: give start")
    y0, x0 = np.unravel_index(np.argmax(np.where(good, stamp, -np.inf)), stamp.shape)
    y, x = np.mgrid[: stamp.shape[0], : stamp.shape[1]]
    near = light * ((x - x0) ** 2 + (y - y0) ** 2 < 16)
    width = max(np.sqrt(0.5 * (near * ((x - x0) ** 2 + (y - y0) ** 2)).sum() / near.sum()), 0.7)
    peak = float(stamp[y0, x0])
    gauss = [peak, x0, y0, width, width, 0.0]
    moffat = [peak, x0, y0, 1.6 * width, 1.6 * width, 0.0, 2.5]
    if model == "gaussian":
        return gauss
    if model == "moffat":
        return moffat
    return [0.5 * peak, x0, y0, 1.6 * width, 1.6 * width, 0.0, 2.5, 0.5 * peak, width, width, 0.0]
