"""Compares table files that Skyloom wrote with what astropy reads from them.

    SKYLOOM_TABLES=/tmp/tables cargo test -p skyloom-stages files_for_the_astropy_check
    python tests/reference/check_tables.py /tmp/tables

Needs numpy, astropy and pyarrow. Every warning of astropy is an error: a file must open quietly.
Prints one line per file; the exit code is 1 when any differs.
"""

import json
import pathlib
import sys
import warnings

import numpy as np
import pyarrow.parquet as pq
from astropy import units as u
from astropy.table import Table
from astropy.utils.exceptions import AstropyUserWarning

FORMATS = {"parquet": "parquet", "fits": "fits", "vot": "votable", "csv": "ascii.csv", "ecsv": "ascii.ecsv"}
UNITS = {"px": u.pix, "mag/arcsec^2": u.mag / u.arcsec**2}
# What a format cannot hold, by design of the format.
HAS_UNITS = {"parquet", "fits", "vot", "ecsv"}
# FITS units are those of the standard; others stand in brackets before the description, which astropy does not read.
NOT_IN_FITS = {"nanomaggy"}
HAS_DESCRIPTIONS = {"parquet", "vot", "ecsv"}
HAS_TYPES = {"parquet", "fits", "vot", "ecsv"}


def expected(kind, value):
    if kind == "float" and isinstance(value, str):
        return float(value)
    return value


def same(kind, found, value, suffix):
    masked = found is np.ma.masked
    value = expected(kind, value)
    if value is None:
        if kind == "float":
            # A null float may come back as NaN; neither was measured.
            return masked or (isinstance(found, (float, np.floating)) and np.isnan(found))
        if kind == "text":
            # FITS and CSV know no null string but the empty one.
            return masked or found == ""
        # A FITS logical has three states, of which astropy reads the null as False.
        return masked or (kind == "bool" and suffix == "fits" and not found)
    if masked:
        # In VOTable and FITS NaN is the null of floats, and astropy masks it.
        return (kind == "text" and value == "") or (kind == "float" and suffix in ("vot", "fits") and np.isnan(value))
    if kind == "float":
        return np.float64(found) == np.float64(value) or (np.isnan(found) and np.isnan(value))
    if kind == "bool":
        return str(found).lower() == str(value).lower()
    if kind == "int":
        return int(found) == int(value)
    if suffix == "fits":
        value = value.replace("\n", "\\u{a}").rstrip(" ")
    if suffix in ("csv", "ecsv"):
        # astropy's own readers strip blanks around fields.
        value, found = value.strip(), str(found).strip()
    return str(found) == value


def check_arrow(path, columns):
    """Parquet keeps everything, but astropy's reader of it knows no nulls: values are compared with pyarrow."""
    table = pq.read_table(path)
    problems = []
    for column in columns:
        field, found = table.schema.field(column["name"]), table[column["name"]].to_pylist()
        metadata = {k.decode(): v.decode() for k, v in (field.metadata or {}).items()}
        values = [expected(column["kind"], v) for v in column["values"]]
        equal = len(found) == len(values) and all(
            a == b or (isinstance(a, float) and isinstance(b, float) and np.isnan(a) and np.isnan(b))
            for a, b in zip(found, values)
        )
        if not equal:
            problems.append(f"{column['name']}: {found}, expected {values}")
        for key in ("unit", "description"):
            if metadata.get(key) != (column[key] or None):
                problems.append(f"{column['name']}: {key} {metadata.get(key)!r}, expected {column[key]!r}")
    return problems


def check(path, columns):
    suffix = path.suffix[1:]
    problems = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # astropy says that it reads the third state of a FITS logical as False.
        warnings.filterwarnings("ignore", message="Column .* contains NULL", category=AstropyUserWarning)
        table = Table.read(path, format=FORMATS[suffix])
    if suffix == "parquet":
        problems += check_arrow(path, columns)
    names = [c["name"] for c in columns]
    if table.colnames != names:
        return [f"columns {table.colnames}, expected {names}"]
    for column in columns:
        name, kind, found = column["name"], column["kind"], table[column["name"]]
        if len(found) != len(column["values"]):
            problems.append(f"{name}: {len(found)} rows, expected {len(column['values'])}")
            continue
        for row, value in enumerate(column["values"]):
            if suffix != "parquet" and not same(kind, found[row], value, suffix):
                problems.append(f"{name}, row {row}: {found[row]!r}, expected {value!r}")
        if suffix in HAS_TYPES and not (suffix == "parquet" and None in column["values"]):
            letters = {"float": "f", "int": "i", "bool": "b", "text": "USO"}[kind]
            if found.dtype.kind not in letters:
                problems.append(f"{name}: type {found.dtype}, expected {kind}")
        if suffix == "fits" and column["unit"] in NOT_IN_FITS:
            if found.unit is not None:
                problems.append(f"{name}: unit {found.unit!r}, expected none")
        elif suffix in HAS_UNITS and column["unit"]:
            wanted = UNITS.get(column["unit"])
            if found.unit is None or (wanted is not None and u.Unit(found.unit) != wanted):
                problems.append(f"{name}: unit {found.unit!r}, expected {column['unit']!r}")
        if suffix in HAS_DESCRIPTIONS and (found.description or None) != column["description"]:
            problems.append(f"{name}: description {found.description!r}, expected {column['description']!r}")
    return problems


def main(folder):
    failed = False
    paths = sorted(p for p in pathlib.Path(folder).iterdir() if p.suffix[1:] in FORMATS)
    if not paths:
        print(f"no table files in {folder}")
        return 1
    for path in paths:
        columns = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        try:
            problems = check(path, columns)
        except Exception as error:  # noqa: BLE001  (any failure to read is a finding, not a crash)
            problems = [f"{type(error).__name__}: {error}"]
        print(f"{path.name}: {'ok' if not problems else 'DIFFERS'}")
        for problem in problems:
            print(f"  {problem}")
        failed = failed or bool(problems)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
