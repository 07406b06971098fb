#!/usr/bin/env python3
"""Star removal on a patch of M2 with a star list from Hubble: Skyloom, a linear fit and photutils with one PSF.

usage: python hst_patch.py PATCH_FOLDER --skyloom target/release/skyloom [--work FOLDER] [--set residual.level_sigma=0] [--without-photutils]

PATCH_FOLDER holds `patch-counts-r-100x100.txt` and `patch-truth-xyflux-6048stars.txt` (raw counts of an SDSS r frame, and x, y, flux in
the same counts). Stars brighter than --min-flux are removed by

- `subtract.joint`, with the list as its catalogue; it fits its PSF on the way;
- a linear least-squares fit of all fluxes and a constant, positions fixed, with the PSF that Skyloom found;
- `PSFPhotometry` of photutils, groups of --group px, with the same PSF, the linear fit's constant as sky, and the list as its start.

Printed for each: rms, robust rms (1.4826 MAD) and mean of what is left 6 px off the edges, and the median of fitted over listed flux, less
one, of stars above 1,000 and above 10,000 counts. The linear fit has no prior: it says what the PSF allows, not what is right.
"""
import argparse
import pathlib
import subprocess
import time
import warnings

import numpy as np
from astropy.io import fits
from astropy.table import Table

BIAS = 1044.0  # counts that are not light (patch-pix.txt)
MARGIN = 6
GRAPH = """(
    name: "hst_patch",
    nodes: {
        "frame": (kind: "io.read_image", params: (path: "patch.fits", zero_point: 0.0, exposure_s: 1.0)),
        "stars": (kind: "io.read_catalogue", params: (path: "stars.fits", band: "Ks")),
        "residual": (
            kind: "subtract.joint",
            params: (
                fwhm_px: 2.4,
                psf_mag: (-13.0, -9.0),
                psf_neighbour_share: 100.0,
                trend_mag: -20.0,
                duplicate_px: 0.0,
                shape_mag: -20.0,
                max_psf_density: 100000.0,
            ),
            inputs: {"image": "frame.image", "stars": "stars.table"},
        ),
        "write_residual": (kind: "io.write_image", params: (), inputs: {"image": "residual.image"}),
        "write_psf": (kind: "io.write_psf", params: (), inputs: {"psf": "residual.psf"}),
        "write_stars": (kind: "io.write_table", params: (format: fits), inputs: {"table": "residual.stars"}),
    },
    outputs: {
        "residual.fits": "write_residual.file",
        "psf.fits": "write_psf.file",
        "stars.fits": "write_stars.file",
    },
)
"""


def load(folder):
    pixels = np.loadtxt(folder / "patch-counts-r-100x100.txt") - BIAS
    x, y, flux = np.loadtxt(folder / "patch-truth-xyflux-6048stars.txt").T
    return pixels, x, y, flux


def run_skyloom(binary, work, pixels, x, y, flux, settings):
    work.mkdir(parents=True, exist_ok=True)
    fits.writeto(work / "patch.fits", pixels.astype(np.float32), overwrite=True)
    table = Table({"id": np.arange(len(x)), "x": x, "y": y, "Ks": -2.5 * np.log10(flux), "eKs": np.zeros(len(x))})
    table.write(work / "stars.fits", overwrite=True)
    (work / "hst_patch.ron").write_text(GRAPH)
    command = [str(binary), "run", str(work / "hst_patch.ron"), "--out", str(work / "out"), "--cache", str(work / "cache")]
    start = time.perf_counter()
    done = subprocess.run(command + [v for s in settings for v in ("--set", s)], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(done.stdout + done.stderr)
    seconds = time.perf_counter() - start
    records = Table.read(work / "out" / "stars.fits")
    return fits.getdata(work / "out" / "residual.fits").astype(float), np.asarray(records["flux"], float), seconds


def load_psf(path):
    """The PSF as a function of the offset: Moffat plus Gaussian of eq. 1 of Miller et al. 2024, flux 1; medians over the patch."""
    table = fits.getdata(path, "PSF")
    gx, gy, theta_m, alpha, ratio, sx, sy, theta_g = (
        np.median(table[name + "_median"])
        for name in ("gamma_x", "gamma_y", "theta_m", "alpha", "ratio_g", "sigma_x", "sigma_y", "theta_g")
    )
    flux = np.pi * gx * gy / (alpha - 1) + ratio * 2 * np.pi * sx * sy

    def square(dx, dy, angle, a, b):
        u, v = dx * np.cos(angle) + dy * np.sin(angle), -dx * np.sin(angle) + dy * np.cos(angle)
        return (u / a) ** 2 + (v / b) ** 2

    def psf(dx, dy):
        moffat = (1 + square(dx, dy, theta_m, gx, gy)) ** -alpha
        return (moffat + ratio * np.exp(-0.5 * square(dx, dy, theta_g, sx, sy))) / flux

    return psf


def linear_fit(pixels, x, y, psf):
    """Fluxes and a constant by sparse least squares, equal weights."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.linalg import lsqr

    rows, columns, values = [], [], []
    half = 15
    for k, (cx, cy) in enumerate(zip(x, y)):
        x0, x1 = max(int(cx) - half, 0), min(int(cx) + half + 1, pixels.shape[1])
        y0, y1 = max(int(cy) - half, 0), min(int(cy) + half + 1, pixels.shape[0])
        gy, gx = np.mgrid[y0:y1, x0:x1]
        rows.append((gy * pixels.shape[1] + gx).ravel())
        columns.append(np.full(gx.size, k))
        values.append(psf(gx - cx, gy - cy).ravel())
    n = pixels.size
    rows.append(np.arange(n))
    columns.append(np.full(n, len(x)))
    values.append(np.ones(n))
    matrix = csr_matrix((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), (n, len(x) + 1))
    solution = lsqr(matrix, pixels.ravel(), atol=1e-10, btol=1e-10, iter_lim=5000)[0]
    return pixels - (matrix @ solution).reshape(pixels.shape), solution[:-1], solution[-1]


def photutils_fit(pixels, sky, x, y, flux, psf, group_px):
    from photutils.psf import ImagePSF, PSFPhotometry, SourceGrouper

    oversampling, half = 5, 12
    grid = np.arange(-half * oversampling, half * oversampling + 1) / oversampling
    model = ImagePSF(psf(grid[None, :], grid[:, None]), oversampling=oversampling)
    start = Table({"x": x, "y": y, "flux": flux})
    fit = PSFPhotometry(model, (5, 5), grouper=SourceGrouper(group_px), xy_bounds=1.0, aperture_radius=3, group_warning_threshold=10**6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = fit(pixels - sky, init_params=start)
        left = fit.make_residual_image(pixels - sky, psf_shape=(25, 25))
    found.sort("id")
    return left, np.asarray(found["flux_fit"], float)


def report(name, left, found, flux, seconds):
    inner = left[MARGIN:-MARGIN, MARGIN:-MARGIN]
    robust = 1.4826 * np.median(np.abs(inner - np.median(inner)))
    biases = []
    for limit in (1e3, 1e4):
        used = (flux > limit) & np.isfinite(found)
        biases.append(np.median(found[used] / flux[used]) - 1)
    print(f"{name:16s} {np.sqrt(np.mean(inner**2)):8.1f} {robust:8.1f} {inner.mean():8.1f} {np.median(inner):8.1f} {biases[0]:9.3f} {biases[1]:9.3f} {seconds:8.1f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("patch", type=pathlib.Path)
    parser.add_argument("--skyloom", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path("hst_patch_out"))
    parser.add_argument("--min-flux", type=float, default=100.0)
    parser.add_argument("--group", type=float, default=1.5, help="separation of photutils' groups, px")
    parser.add_argument("--set", action="append", default=[], dest="settings", help="parameter for the graph, as in `skyloom run`")
    parser.add_argument("--without-photutils", action="store_true")
    args = parser.parse_args()

    pixels, x, y, flux = load(args.patch)
    keep = flux > args.min_flux
    x, y, flux = x[keep], y[keep], flux[keep]
    left, found, seconds = run_skyloom(args.skyloom, args.work, pixels, x, y, flux, args.settings)
    psf = load_psf(args.work / "out" / "psf.fits")
    print(f"{len(x)} stars above {args.min_flux:g} counts")
    print("                      rms   robust     mean   median  bias>1e3  bias>1e4        s")
    report("subtract.joint", left, found, flux, seconds)
    start = time.perf_counter()
    left, found, sky = linear_fit(pixels, x, y, psf)
    report("linear", left, found, flux, time.perf_counter() - start)
    if not args.without_photutils:
        start = time.perf_counter()
        left, found = photutils_fit(pixels, sky, x, y, flux, psf, args.group)
        report("photutils", left, found, flux, time.perf_counter() - start)


if __name__ == "__main__":
    main()
