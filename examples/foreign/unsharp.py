"""Unsharp mask, as a program that Skyloom runs: `unsharp.py JOB.JSON`."""
import json
import sys

import numpy as np
from astropy.io import fits
from scipy.ndimage import gaussian_filter

BAD, NO_DATA = 1, 2


def unsharp(pixels, good, sigma_px, amount):
    """Sharpens `pixels` (2-D) where `good` (same shape) is true; other pixels stay, and blur into no one."""
    values = np.where(good, pixels, 0.0).astype(np.float64)

    def blur(array):
        return gaussian_filter(array, sigma_px, mode="constant", truncate=4.0)

    # The share of the kernel that lies on good pixels: edges and gaps take no light away.
    weight = blur(good.astype(np.float64))
    smooth = np.divide(blur(values), weight, out=np.zeros_like(values), where=good)
    return np.where(good, values + amount * (values - smooth), pixels).astype(np.float32)


def main():
    with open(sys.argv[1]) as file:
        job = json.load(file)
    with fits.open(job["inputs"]["image"]["path"]) as hdus:
        pixels = hdus[0].data
        good = np.isfinite(pixels)
        if "MASK" in hdus:
            good &= (hdus["MASK"].data & (BAD | NO_DATA)) == 0
        print(json.dumps({"metric": {"good_pixels": int(good.sum())}}))
        hdus[0].data = unsharp(pixels, good, job["params"]["sigma_px"], job["params"]["amount"])
        # Header, world coordinates and mask plane are written back as they came.
        hdus.writeto(job["outputs"]["image"]["path"])


main()
