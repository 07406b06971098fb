"""Speaks for SExtractor: `sextractor.py JOB.JSON`. Works in the job's folder, starts the program without a shell."""
import json
import os
import subprocess
import sys

import numpy as np
from astropy.io import fits
from astropy.table import Table

BAD, NO_DATA = 1, 2

# Column of SExtractor, column of the table, what is added to it.
COLUMNS = [
    ("NUMBER", "id", 0),
    ("XWIN_IMAGE", "x", -1),
    ("YWIN_IMAGE", "y", -1),
    ("FLUX_AUTO", "flux", 0),
    ("FLUXERR_AUTO", "flux_err", 0),
    ("FLUX_MAX", "peak", 0),
    ("A_IMAGE", "a", 0),
    ("B_IMAGE", "b", 0),
    ("THETA_IMAGE", "pa_deg", 0),
    ("FWHM_IMAGE", "fwhm", 0),
    ("ISOAREA_IMAGE", "n_pixels", 0),
    ("FLAGS", "flags", 0),
]

GAUSS = "CONV NORM\n1 2 1\n2 4 2\n1 2 1\n"


def main():
    with open(sys.argv[1]) as file:
        job = json.load(file)
    params, tmp = job["params"], job["tmp"]

    with fits.open(job["inputs"]["image"]["path"]) as hdus:
        pixels = np.array(hdus[0].data, np.float32)
        good = np.isfinite(pixels)
        if "MASK" in hdus:
            good &= (hdus["MASK"].data & (BAD | NO_DATA)) == 0
    if not good.any():
        print(json.dumps({"error": "no pixel of the image is good"}))
        sys.exit(11)

    def path(name):
        return os.path.join(tmp, name)

    fits.writeto(path("image.fits"), np.where(good, pixels, np.float32(0)))
    fits.writeto(path("weight.fits"), good.astype(np.float32))
    with open(path("columns.param"), "w") as file:
        file.writelines(f"{column}\n" for column, _, _ in COLUMNS)
    with open(path("gauss.conv"), "w") as file:
        file.write(GAUSS)
    with open(path("empty.sex"), "w"):
        pass
    settings = {
        "CATALOG_NAME": path("catalogue.fits"),
        "CATALOG_TYPE": "FITS_1.0",
        "PARAMETERS_NAME": path("columns.param"),
        "DETECT_THRESH": params["threshold_sigma"],
        "ANALYSIS_THRESH": params["threshold_sigma"],
        "DETECT_MINAREA": params["min_area_px"],
        "FILTER": "Y" if params["filter"] == "gauss" else "N",
        "FILTER_NAME": path("gauss.conv"),
        "DEBLEND_NTHRESH": params["deblend_levels"],
        "DEBLEND_MINCONT": params["deblend_contrast"],
        "BACK_SIZE": params["back_size_px"],
        "WEIGHT_TYPE": "MAP_WEIGHT",
        "WEIGHT_IMAGE": path("weight.fits"),
        "SATUR_LEVEL": 1e29,
        "GAIN": 0,
        # One thread, whatever the build: results must not depend on the machine.
        "NTHREADS": 1,
        "VERBOSE_TYPE": "QUIET",
    }
    command = ["source-extractor", path("image.fits"), "-c", path("empty.sex")]
    for name, value in settings.items():
        command += [f"-{name}", str(value)]
    ended = subprocess.run(command)
    if ended.returncode != 0:
        print(json.dumps({"error": f"source-extractor ended with {ended.returncode}"}))
        sys.exit(ended.returncode if ended.returncode > 0 else 1)

    found = Table.read(path("catalogue.fits"), hdu=1)
    table = Table()
    for column, name, shift in COLUMNS:
        values = np.asarray(found[column])
        table[name] = values.astype(np.int64) if name in ("id", "n_pixels", "flags") else values.astype(float) + shift
    print(json.dumps({"metric": {"sources": len(table)}}))
    table.write(job["outputs"]["table"]["path"], format="fits")


main()
