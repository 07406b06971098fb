#!/usr/bin/env python3
"""Kernels of Skyloom and of other programs on the same made image, in turn, in one run: CPU time and ratios.

    python benchmarks/peers/kernels.py --kernels target/release/skyloom-kernels [--size 2048] [--runs 5]

CPU seconds per megapixel (fits: milliseconds each), medians over the runs. Everything runs on one thread. A ratio above 1 means that
Skyloom is faster. `pip install -r requirements.txt`.
"""

import argparse
import json
import os
import pathlib
import subprocess
import tempfile
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import bottleneck
import contourpy
import numpy as np
import sep
from astropy.io import fits
from photutils.background import Background2D, MedianBackground
from photutils.segmentation import SourceCatalog, deblend_sources, detect_sources
from scipy.ndimage import uniform_filter1d
from scipy.optimize import least_squares, leastsq
from skimage.measure import find_contours

SIDE = 17
SIGMA = 5.0
START = np.array([350.0, 8.0, 8.0, 2.0, 1.8, 0.2, 2.5, 100.0, 1.2, 1.1, 0.2])
LOWER = np.array([-np.inf, -np.inf, -np.inf, 1.0, 1.0, -0.7, 1.5, 0.0, 0.7, 0.7, -0.7])
UPPER = np.array([np.inf, np.inf, np.inf, 3.0, 3.0, 1.3, 4.0, 1e9, 2.0, 2.0, 1.3])


def moffat(p, x, y):
    """Elliptical Moffat."""
    cos, sin = np.cos(p[5]), np.sin(p[5])
    u, v = (x - p[1]) * cos + (y - p[2]) * sin, (y - p[2]) * cos - (x - p[1]) * sin
    return p[0] * (1 + (u / p[3]) ** 2 + (v / p[4]) ** 2) ** -p[6]


def compound(p, x, y):
    """Moffat and Gaussian with one centre."""
    cos, sin = np.cos(p[10]), np.sin(p[10])
    u, v = (x - p[1]) * cos + (y - p[2]) * sin, (y - p[2]) * cos - (x - p[1]) * sin
    return moffat(p, x, y) + p[7] * np.exp(-0.5 * ((u / p[8]) ** 2 + (v / p[9]) ** 2))


def make(size, seed=1):
    """Image with sky, image without sky and stars, stamps."""
    draws = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    residual = (SIGMA * draws.standard_normal((size, size))).astype(np.float32)
    image = residual + (1000 + 0.001 * (x + y)).astype(np.float32)
    n = int(5500 * size * size / 1e6)
    peaks = 50 / np.sqrt(np.maximum(draws.random(n), 1e-6))
    for cx, cy, peak in zip(draws.random(n) * size, draws.random(n) * size, peaks):
        x0, x1, y0, y1 = max(int(cx) - 12, 0), min(int(cx) + 13, size), max(int(cy) - 12, 0), min(int(cy) + 13, size)
        image[y0:y1, x0:x1] += moffat([peak, cx, cy, 2.0, 1.8, 0.3, 2.6], x[y0:y1, x0:x1], y[y0:y1, x0:x1])
    sy, sx = np.mgrid[:SIDE, :SIDE].astype(float)
    stamps = []
    for _ in range(400):
        near = lambda value, scatter: value + scatter * draws.standard_normal()
        p = [near(300, 30), near(8, 0.3), near(8, 0.3), near(1.9, 0.1), near(1.7, 0.1), 0.3, 2.6, near(120, 10), 1.3, 1.2, 0.3]
        stamps.append((compound(p, sx, sy) + SIGMA * draws.standard_normal((SIDE, SIDE))).ravel())
    return image, residual, np.array(stamps, dtype=np.float32)


def cpu(work, runs):
    """Median CPU seconds."""
    times = []
    for _ in range(runs):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return float(np.median(times))


def filters(image, median, linear, iterations):
    """The running filters of a nebuliser alone, without gaps, clipping or statistics: a lower bound."""
    work = image.astype(np.float32)
    for _ in range(iterations):
        for axis in (0, 1):
            work = bottleneck.move_median(work, median, min_count=1, axis=axis)
        for axis in (0, 1):
            work = uniform_filter1d(work, linear, axis=axis)
    return work


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kernels", default="target/release/skyloom-kernels")
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    image, residual, stamps = make(arguments.size)
    flat = np.ascontiguousarray(image - 1002)
    mpx, runs = image.size / 1e6, arguments.runs
    sy, sx = np.mgrid[:SIDE, :SIDE].astype(float)

    def sep_sources():
        sep.set_extract_pixstack(10_000_000)
        sep.set_sub_object_limit(1_000_000)
        sep.extract(flat, 15.0, minarea=5, deblend_nthresh=32, deblend_cont=0.001)

    def photutils_sources():
        segments = detect_sources(flat, 15.0, 5)
        divided = deblend_sources(flat, segments, 5, n_levels=32, contrast=0.001, progress_bar=False)
        SourceCatalog(flat, divided).to_table()

    def photutils_mesh():
        made = Background2D(flat, 64, filter_size=3, bkg_estimator=MedianBackground())
        return made.background, made.background_rms

    def minpack(stamp):
        return leastsq(lambda p: ((moffat(p, sx, sy) - stamp.reshape(SIDE, SIDE)) / SIGMA).ravel(), START[:7], ftol=1e-6)

    def bounded(stamp):
        residuals = lambda p: ((compound(p, sx, sy) - stamp.reshape(SIDE, SIDE)) / SIGMA).ravel()
        return least_squares(residuals, START, bounds=(LOWER, UPPER), ftol=1e-6, x_scale="jac")

    def unbounded(stamp):
        return leastsq(lambda p: ((compound(p, sx, sy) - stamp.reshape(SIDE, SIDE)) / SIGMA).ravel(), START, ftol=1e-6)

    few = stamps[:40]
    with tempfile.TemporaryDirectory() as folder:
        paths = [pathlib.Path(folder, f"{name}.fits") for name in ("image", "residual", "stamps")]
        for path, data in zip(paths, (image, residual, stamps)):
            fits.writeto(path, data)
        peers = {
            "nebuliser_90_30": [("bottleneck, filters alone", cpu(lambda: filters(image, 91, 31, 3), 1) / mpx)],
            "nebuliser_30_10": [("bottleneck, filters alone", cpu(lambda: filters(image, 31, 11, 1), 3) / mpx)],
            "mesh": [
                ("sep", cpu(lambda: (lambda b: (b.back(), b.rms()))(sep.Background(flat, bw=64, bh=64)), runs) / mpx),
                ("photutils", cpu(photutils_mesh, 1) / mpx),
            ],
            "sources": [("sep", cpu(sep_sources, runs) / mpx), ("photutils", cpu(photutils_sources, 1) / mpx)],
            "contours_residual": [
                ("contourpy", cpu(lambda: contourpy.contour_generator(z=residual).lines(15.0), runs) / mpx),
                ("scikit-image", cpu(lambda: find_contours(residual, 15.0), 1) / mpx),
            ],
            "contours_stars": [
                ("contourpy", cpu(lambda: contourpy.contour_generator(z=flat).lines(15.0), runs) / mpx),
                ("scikit-image", cpu(lambda: find_contours(flat, 15.0), 1) / mpx),
            ],
            "fit_moffat": [("MINPACK (leastsq)", 1e3 * cpu(lambda: [minpack(s) for s in few], 3) / len(few))],
            "fit_compound": [
                ("MINPACK (leastsq)", 1e3 * cpu(lambda: [unbounded(s) for s in few], 3) / len(few)),
                ("scipy least_squares, bounded", 1e3 * cpu(lambda: [bounded(s) for s in few], 1) / len(few)),
            ],
            "read": [("astropy", cpu(lambda: np.array(fits.getdata(paths[0], memmap=False)), runs) / mpx)],
            "write": [("astropy", cpu(lambda: fits.writeto(paths[0].with_name("o.fits"), image, overwrite=True), runs) / mpx)],
        }
        command = [arguments.kernels, *paths, str(runs)]
        ours = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    print("| kernel | Skyloom | peer | its time | ratio |\n|---|---|---|---|---|")
    for name, list_ in peers.items():
        for peer, value in list_:
            print(f"| {name} | {ours[name]:.4f} | {peer} | {value:.4f} | {value / ours[name]:.1f} |")


if __name__ == "__main__":
    main()
