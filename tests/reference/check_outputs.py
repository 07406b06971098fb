#!/usr/bin/env python3
"""Opens every file of a quicklook run in the tools that astronomers use, with warnings as errors.

usage: check_outputs.py OUT_FOLDER
"""
import json
import math
import sys
import warnings
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table
from astropy.units import Unit
from astropy.wcs import WCS

warnings.simplefilter("error")
out = Path(sys.argv[1])

# Parquet and FITS hold the same table.
parquet = pq.read_table(out / "candidates.parquet")
table = Table.read(out / "candidates.fits")
assert parquet.column_names == table.colnames, (parquet.column_names, table.colnames)
assert len(table) == parquet.num_rows
for name in ("x_light", "y_light", "r_geo", "mag_r"):
    assert np.allclose(np.asarray(table[name], float), parquet[name].to_numpy(), equal_nan=True), name
# Every unit arrives; the one that FITS does not know stands before the description.
cards = fits.getheader(out / "candidates.fits", 1)
for n, name in enumerate(parquet.column_names, start=1):
    metadata = parquet.schema.field(name).metadata or {}
    unit, description = (metadata.get(key, b"").decode() for key in (b"unit", b"description"))
    comment = cards.get(f"TCOMM{n}", "")
    if unit == "nanomaggy":
        assert table[name].unit is None and comment == f"[{unit}] {description}".strip(), (name, comment)
    else:
        expected = Unit(unit.replace("px", "pix")) if unit else None
        assert table[name].unit == expected, (name, table[name].unit, unit)
        assert comment == description, (name, comment)
rejected = pq.read_table(out / "rejected.parquet")
assert {"rule", "rule_values"} <= set(rejected.column_names)

# The largest root is M2: where it should be, as large as it should be.
roots = [r for r in parquet.to_pylist() if r["parent_id"] is None]
largest = max(roots, key=lambda r: r["r_geo"])
m2 = SkyCoord(323.36258, -0.82325, unit="deg")
apart = m2.separation(SkyCoord(largest["ra"], largest["dec"], unit="deg")).arcsec
assert 40 <= largest["r_geo"] <= 100, largest["r_geo"]
assert apart < 5, apart

# Our sky positions are astropy's on the residual's own header.
with fits.open(out / "residual.fits") as hdus:
    hdus.verify("exception")
    image = hdus[0].data
    wcs = WCS(hdus[0].header)
    for row in parquet.to_pylist():
        sky = wcs.pixel_to_world(row["x_light"], row["y_light"]).icrs
        ours = SkyCoord(row["ra"], row["dec"], unit="deg")
        assert sky.separation(ours).arcsec < 1e-3
assert image.shape == (1489, 2048), image.shape

# GeoJSON: a polygon per candidate, closed, with every column.
shapes = json.loads((out / "isophotes.geojson").read_text())
assert shapes["type"] == "FeatureCollection" and len(shapes["features"]) == parquet.num_rows
for feature, row in zip(shapes["features"], parquet.to_pylist()):
    ring = feature["geometry"]["coordinates"][0]
    assert ring[0] == ring[-1] and len(ring) >= 4
    assert set(parquet.column_names) <= set(feature["properties"])
    area = abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(ring, ring[1:]))) / 2
    assert math.isclose(math.sqrt(area / math.pi), row["r_geo"], rel_tol=1e-9)

right = [r for r in parquet.to_pylist() if r["x_light"] > 1200]
assert len(right) <= 2, len(right)
assert (out / "overview.png").read_bytes().startswith(b"\x89PNG")
assert (out / "isophotes.reg").read_text().startswith("# Region file format: DS9")
print(f"M2: R_geo {largest['r_geo']:.1f} px, {apart:.2f} arcsec from its centre; {len(roots)} roots, {len(right)} in the right half")
