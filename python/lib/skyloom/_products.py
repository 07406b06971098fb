"""Products as astropy objects and as tables for notebooks.

The classes are native; what needs astropy is added here, so that the package works without it.
"""

from __future__ import annotations

import html

import numpy as np

from ._skyloom import Image, Isophotes, Product, Table

# Mask bit of pixels whose value is interpolated: only fits of stars leave them out.
_INTERPOLATED = np.uint16(32)


def image(pixels, *, mask=None, wcs=None, unit=None, band=None, zero_point=None, exposure_s=None):
    """Makes an image from arrays.

    Parameters
    ----------
    pixels : array_like, shape (ny, nx)
        Pixel values; stored as float32. NaN marks pixels without a value.
    mask : array_like, shape (ny, nx), optional
        Mask: bool (`True` marks a bad pixel) or mask bits as uint16.
    wcs : astropy.wcs.WCS, optional
        World coordinates.
    unit, band : str, optional
        Unit of the pixels, and the name of the band.
    zero_point : float, optional
        Magnitude of 1 unit per second.
    exposure_s : float, optional
        Exposure time in seconds to which the pixel values belong.

    Returns
    -------
    Image
    """
    pixels = np.ascontiguousarray(pixels, dtype=np.float32)
    if mask is not None:
        mask = np.asarray(mask)
        mask = np.ascontiguousarray(mask, dtype=np.uint16)
    header = None
    if wcs is not None:
        cards = wcs.to_header(relax=True)
        header = [(key, value) for key, value in cards.items() if isinstance(value, (bool, int, float, str))]
    return Image(pixels, mask=mask, header=header, unit=unit, band=band, zero_point=zero_point, exposure_s=exposure_s)


def _header(self):
    """World coordinates as an `astropy.io.fits.Header`."""
    from astropy.io import fits

    header = fits.Header()
    for key, value, comment in self.wcs_cards:
        header[key] = (value, comment)
    return header


def _wcs(self):
    """World coordinates as an `astropy.wcs.WCS`; `None` when there are none."""
    if not self.wcs_cards:
        return None
    from astropy.wcs import WCS

    header = self.header
    ny, nx = self.shape
    header["NAXIS"], header["NAXIS1"], header["NAXIS2"] = 2, nx, ny
    return WCS(header)


def _mask(self):
    """Pixels that are masked or have no value, as a new bool array; `True` = leave out.

    Pixels with an interpolated value (bit 32 of `mask_bits`, `INTRP`) stay in: leave them out where stars are fitted.
    """
    bad = ~np.isfinite(self.pixels)
    if self.mask_bits is not None:
        bad |= (self.mask_bits & ~_INTERPOLATED) != 0
    return bad


def _to_ccddata(self, noise=None):
    """An `astropy.nddata.CCDData` over the same pixels.

    Parameters
    ----------
    noise : Image, optional
        Noise map: becomes the uncertainty (a standard deviation).

    Returns
    -------
    astropy.nddata.CCDData
        Its `data` is the read-only view; a copy is up to the caller.
    """
    from astropy import units
    from astropy.nddata import CCDData, StdDevUncertainty

    unit = units.Unit(self.unit, parse_strict="silent") if self.unit else units.dimensionless_unscaled
    if isinstance(unit, units.UnrecognizedUnit):
        unit = units.adu if self.unit.lower().startswith("count") else units.dimensionless_unscaled
    uncertainty = None if noise is None else StdDevUncertainty(noise.pixels, copy=False)
    return CCDData(self.pixels, unit=unit, mask=self.mask, wcs=self.wcs, uncertainty=uncertainty, copy=False)


def _image_repr(self):
    ny, nx = self.shape
    facts = [f"{nx} x {ny} px", self.band and f"band {self.band}", self.unit and f"in {self.unit}"]
    facts.append("with WCS" if self.wcs_cards else "without WCS")
    facts.append("masked" if self.mask_bits is not None else None)
    return f"<Image: {', '.join(fact for fact in facts if fact)}>"


def _image_array(self, dtype=None, copy=None):
    if copy is False and dtype is not None and np.dtype(dtype) != np.float32:
        raise ValueError("pixels are float32: another type needs a copy")
    array = self.pixels if dtype is None else self.pixels.astype(dtype, copy=bool(copy))
    return array.copy() if copy and array is self.pixels else array


Image.of = staticmethod(image)
Image.header = property(_header)
Image.wcs = property(_wcs)
Image.mask = property(_mask)
Image.to_ccddata = _to_ccddata
Image.__repr__ = _image_repr
Image.__array__ = _image_array


def _column(self, name):
    """One column as a NumPy array; missing values are NaN (floats) or masked (others)."""
    import pyarrow

    if name not in self.columns:
        raise KeyError(f"no column {name!r}; there are {', '.join(self.columns)}")
    column = pyarrow.table(self)[name]
    values = column.combine_chunks().to_numpy(zero_copy_only=False)
    if column.null_count and values.dtype == object:
        return np.ma.masked_array(values, mask=column.is_null().to_numpy())
    return values


def _to_astropy(self):
    """An `astropy.table.Table` with units and descriptions; missing values are masked."""
    from astropy import units
    from astropy.table import Column, MaskedColumn
    from astropy.table import Table as AstropyTable
    import pyarrow

    arrow = pyarrow.table(self)
    table = AstropyTable()
    for name, unit, description in self.fields:
        column = arrow[name].combine_chunks()
        known = units.Unit(unit, parse_strict="silent") if unit else None
        if column.null_count and not pyarrow.types.is_floating(column.type):
            fill = "" if pyarrow.types.is_string(column.type) else 0
            if pyarrow.types.is_boolean(column.type):
                fill = False
            values = column.fill_null(fill).to_numpy(zero_copy_only=False)
            mask = column.is_null().to_numpy(zero_copy_only=False)
            table[name] = MaskedColumn(_text(values), mask=mask, unit=known, description=description or None)
        else:
            values = column.to_numpy(zero_copy_only=False)
            table[name] = Column(_text(values), unit=known, description=description or None)
    return table


def _text(values):
    return values.astype(str) if values.dtype == object else values


def _table_html(self, rows=10):
    head = "".join(
        f'<th title="{html.escape(text)}">{html.escape(name)}<br><small>{html.escape(unit)}</small></th>'
        for name, unit, text in self.fields
    )
    n = min(rows, len(self))
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in self.row_text(i)) + "</tr>" for i in range(n))
    more = f"<p>{n} of {len(self)} rows</p>"
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


Table.__getitem__ = _column
Table.to_astropy = _to_astropy
Table._repr_html_ = _table_html
Table.__repr__ = lambda self: f"<Table: {len(self)} rows, {len(self.columns)} columns>"

__all__ = ["Image", "Isophotes", "Product", "Table", "image"]
