#!/usr/bin/env python3
"""Kernels of Skyloom and of other programs on the same made image, in turn, in one run: CPU time, memory and ratios.

    python benchmarks/peers/kernels.py --kernels target/release/skyloom-kernels [--size 2048] [--runs 5]

CPU seconds per megapixel (fits: milliseconds each), medians over the runs. Everything runs on one thread. A ratio above 1 means that
Skyloom is faster, or needs less memory. Memory is what one call adds at its peak, in bytes per pixel, results included: of Skyloom
what it allocates, of a peer the resident memory of a forked process, of a program all of its resident memory.
`pip install -r requirements.txt`; source-extractor is left out where it is not installed.
"""

import argparse
import json
import os
import pathlib
import resource
import shutil
import struct
import subprocess
import sys
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


def memory(work):
    """Bytes that one call adds to the resident memory at its peak; in a process of its own, so that no earlier call counts."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
            work()
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            os.write(writer, struct.pack("q", max(peak - pages * resource.getpagesize(), 0)))
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return float(struct.unpack("q", answer)[0]) if answer else float("nan")


def program(command, runs):
    """Median CPU seconds and largest resident memory (bytes) of a program."""
    times, peak = [], 0
    for _ in range(runs):
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            raise RuntimeError(f"{command[0]} failed")
        times.append(usage.ru_utime + usage.ru_stime)
        peak = max(peak, usage.ru_maxrss * 1024)
    return float(np.median(times)), float(peak)


def source_extractor(folder, image, runs):
    """Debian's source-extractor on the same image and threshold; its background mesh and its files are part of it."""
    name = next((n for n in ("source-extractor", "sex") if shutil.which(n)), None)
    if name is None:
        print("source-extractor is not installed: left out", file=sys.stderr)
        return []
    parameters = pathlib.Path(folder, "sources.param")
    parameters.write_text("NUMBER\nX_IMAGE\nY_IMAGE\nFLUX_ISO\nISOAREA_IMAGE\nA_IMAGE\nB_IMAGE\nTHETA_IMAGE\nFLAGS\n")
    options = {
        "PARAMETERS_NAME": parameters, "CATALOG_NAME": pathlib.Path(folder, "sources.cat"), "CATALOG_TYPE": "FITS_1.0",
        "THRESH_TYPE": "ABSOLUTE", "DETECT_THRESH": 15.0, "ANALYSIS_THRESH": 15.0, "DETECT_MINAREA": 5, "FILTER": "N",
        "DEBLEND_NTHRESH": 32, "DEBLEND_MINCONT": 0.001, "CLEAN": "N", "BACK_SIZE": 64, "NTHREADS": 1, "VERBOSE_TYPE": "QUIET",
        "MEMORY_OBJSTACK": 65000, "MEMORY_PIXSTACK": 10_000_000,
    }
    command = [name, str(image), *(str(part) for key, value in options.items() for part in (f"-{key}", value))]
    return [("source-extractor, with its mesh", *program(command, runs))]


def filters(image, median, linear, iterations):
    """The running filters of a nebuliser alone, without gaps, clipping or statistics: a lower bound."""
    work = image.astype(np.float32)
    for _ in range(iterations):
        for axis in (0, 1):
            work = bottleneck.move_median(work, median, min_count=1, axis=axis)
        for axis in (0, 1):
            work = uniform_filter1d(work, linear, axis=axis)
    return work


def medians(image, window):
    """Running medians along the rows, then along the columns."""
    rows = bottleneck.move_median(image, window, min_count=1, axis=1)
    return bottleneck.move_median(rows, window, min_count=1, axis=0)


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

    def mesh():
        made = sep.Background(flat, bw=64, bh=64)
        return made.back(), made.rms()

    def measured(name, work, times):
        return name, cpu(work, times) / mpx, memory(work) / image.size

    def each(name, fit, times):
        return name, 1e3 * cpu(lambda: [fit(s) for s in few], times) / len(few), float("nan")

    few = stamps[:40]
    with tempfile.TemporaryDirectory() as folder:
        paths = [pathlib.Path(folder, f"{name}.fits") for name in ("image", "residual", "stamps")]
        for path, data in zip(paths, (image, residual, stamps)):
            fits.writeto(path, data)
        flat_path = pathlib.Path(folder, "flat.fits")
        fits.writeto(flat_path, flat)
        extractor = source_extractor(folder, flat_path, runs)
        output = pathlib.Path(folder, "o.fits")
        peers = {
            "nebuliser_90_30": [measured("bottleneck, filters alone", lambda: filters(image, 91, 31, 3), 1)],
            "nebuliser_30_10": [measured("bottleneck, filters alone", lambda: filters(image, 31, 11, 1), 3)],
            "running_medians_91": [measured("bottleneck", lambda: medians(image, 91), 3)],
            "running_medians_31": [measured("bottleneck", lambda: medians(image, 31), 3)],
            "mesh": [measured("sep", mesh, runs), measured("photutils", photutils_mesh, 1)],
            "sources": [
                measured("sep", sep_sources, runs),
                *((name, seconds / mpx, peak / image.size) for name, seconds, peak in extractor),
                measured("photutils", photutils_sources, 1),
            ],
            "contours_residual": [
                measured("contourpy", lambda: contourpy.contour_generator(z=residual).lines(15.0), runs),
                measured("scikit-image", lambda: find_contours(residual, 15.0), 1),
            ],
            "contours_stars": [
                measured("contourpy", lambda: contourpy.contour_generator(z=flat).lines(15.0), runs),
                measured("scikit-image", lambda: find_contours(flat, 15.0), 1),
            ],
            "fit_moffat": [each("MINPACK (leastsq)", minpack, 3)],
            "fit_compound": [
                each("MINPACK (leastsq)", unbounded, 3),
                each("scipy least_squares, bounded", bounded, 1),
            ],
            "read": [measured("astropy", lambda: np.array(fits.getdata(paths[0], memmap=False)), runs)],
            "write": [measured("astropy", lambda: fits.writeto(output, image, overwrite=True), runs)],
        }
        command = [arguments.kernels, *paths, str(runs)]
        ours = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    shown = lambda value, digits: "" if np.isnan(value) else f"{value:.{digits}f}"
    print("| kernel | Skyloom | peer | its time | ratio | Skyloom (B/px) | its memory | ratio |")
    print("|---|---|---|---|---|---|---|---|")
    for name, list_ in peers.items():
        own = ours.get(f"{name}_bytes", np.nan) / image.size
        for peer, value, peak in list_:
            row = [name, f"{ours[name]:.4f}", peer, f"{value:.4f}", f"{value / ours[name]:.1f}"]
            has_both = not np.isnan(peak) and own >= 0.05
            row += [shown(own, 1), shown(peak, 1), shown(peak / own, 1)] if has_both else ["", shown(peak, 1), ""]
            print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
