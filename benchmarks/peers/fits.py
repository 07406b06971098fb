"""Fits of random stars by Skyloom and by MINPACK (scipy.optimize.leastsq, analytic derivatives), from the same starts.

    cargo run --release -p skyloom-stages --example fit_stars -- fits.f64 10000 1e-13
    python fits.py fits.f64

The last argument is the tolerance: at 1e-13 both go to the minimum; leave it out for the time of a fit as the stages make it (1e-9).
A star agrees when every parameter is within 1e-3 of its error, or Skyloom's chi2 is not above the other's. Where MINPACK, which knows no
bounds, ends outside of them, scipy.optimize.least_squares with the same bounds takes its place. Ends with 1 when a star is worse.
"""

import argparse
import sys
import time
import warnings

import numpy as np
from scipy.optimize import least_squares, leastsq

SIDE = 17
Y, X = [a.ravel().astype(float) for a in np.mgrid[:SIDE, :SIDE]]


def part(p, is_moffat):
    """One elliptical component with its derivatives by amplitude, x0, y0, widths, angle and, for a Moffat, slope."""
    amplitude, x0, y0, wx, wy, theta = p[:6]
    c, s = np.cos(theta), np.sin(theta)
    dx, dy = X - x0, Y - y0
    u, v = (dx * c + dy * s) / wx, (dy * c - dx * s) / wy
    square = u * u + v * v
    if is_moffat:
        log = np.log1p(square)
        unit = np.exp(-p[6] * log)
        outer = -p[6] * amplitude * unit / (1 + square)
    else:
        unit = np.exp(-0.5 * square)
        outer = -0.5 * amplitude * unit
    a, b = 2 * u / wx, 2 * v / wy
    slopes = [unit, outer * (b * s - a * c), outer * (-a * s - b * c), -outer * a * u, -outer * b * v,
              outer * 2 * u * v * (wy / wx - wx / wy)]
    if is_moffat:
        slopes.append(-log * amplitude * unit)
    return amplitude * unit, slopes


def model(p):
    value, slopes = part(p, True)
    if len(p) == 11:
        more, gauss = part([p[7], p[1], p[2], p[8], p[9], p[10]], False)
        value = value + more
        slopes[1] = slopes[1] + gauss[1]
        slopes[2] = slopes[2] + gauss[2]
        slopes += [gauss[0]] + gauss[3:]
    return value, np.array(slopes)


def canonical(p):
    """Major axis first, angles in (-pi/2, pi/2]."""
    p = p.copy()
    for wx, wy, th in [(3, 4, 5), (8, 9, 10)][: 1 if len(p) == 7 else 2]:
        p[wx], p[wy] = abs(p[wx]), abs(p[wy])
        if p[wx] < p[wy]:
            p[wx], p[wy] = p[wy], p[wx]
            p[th] += np.pi / 2
        p[th] -= np.pi * np.round(p[th] / np.pi)
    return p


def minpack(pixels, start):
    return leastsq(lambda p: model(p)[0] - pixels, start, Dfun=lambda p: model(p)[1], col_deriv=True, ftol=1e-14, xtol=1e-14,
                   gtol=1e-14, maxfev=2000)[0]


def bounded(pixels, start, low, high):
    return least_squares(lambda p: model(p)[0] - pixels, np.clip(start, low, high), jac=lambda p: model(p)[1].T, bounds=(low, high),
                         x_scale="jac", ftol=1e-14, xtol=1e-14, gtol=1e-14, max_nfev=2000).x


def distance(found, other, errors):
    """Largest difference in units of the errors; NaN, of a parameter on its bound, stays."""
    off = found - canonical(other)
    turns = [5] if len(found) == 7 else [5, 10]
    off[turns] -= np.pi * np.round(off[turns] / np.pi)
    return np.max(np.abs(off / errors))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    rows = np.fromfile(parser.parse_args().file, "<f8").reshape(-1, 1 + 5 * 11 + 4 + SIDE * SIDE)
    np.seterr(all="ignore")
    warnings.simplefilter("ignore")
    is_good = True
    for n, name in [(7, "Moffat"), (11, "compound")]:
        chosen = rows[rows[:, 0] == n]
        close, lower = [0, 0], [0, 0]
        apart, failed, seconds = 0, 0, 0.0
        distances = []
        for row in chosen:
            start, low, high, found, errors = [row[1 + 11 * k:12 + 11 * k][:n] for k in range(5)]
            chi2, is_converged, pixels = row[56], row[57], row[60:]
            began = time.process_time()
            other = minpack(pixels, start)
            seconds += time.process_time() - began
            least = np.sum((model(other)[0] - pixels) ** 2)
            ratio = distance(found, other, errors)
            ends = canonical(other)
            left = 0
            if ratio > 1e-3 and chi2 > least * (1 + 1e-12) or np.isnan(ratio):
                left = int(np.any(ends < low) or np.any(ends > high))
            if left:
                other = bounded(pixels, start, low, high)
                least = np.sum((model(other)[0] - pixels) ** 2)
                ratio = distance(found, other, errors)
            failed += not is_converged
            if ratio <= 1e-3:
                close[left] += 1
                distances.append(ratio)
            elif chi2 <= least * (1 + 1e-12):
                lower[left] += 1
            else:
                apart += 1
                print(f"  {name}: chi2 {chi2:.9f}, {'least_squares' if left else 'MINPACK'} {least:.9f}, {ratio:.2g} errors apart")
        is_good &= apart == 0
        print(f"{name}: {len(chosen)} stars, {close[0]} within 1e-3 errors of MINPACK (median {np.median(distances):.1e}), {lower[0]} "
              f"others with chi2 not above its; where it left the bounds {close[1]} within 1e-3 errors of least_squares, {lower[1]} others "
              f"with chi2 not above its; {apart} worse; {failed} not converged; {np.median(chosen[:, 59]) / 1e3:.4f} ms (median, "
              f"{np.median(chosen[:, 58]):.0f} steps; mean {chosen[:, 59].mean() / 1e3:.4f} ms), MINPACK {seconds / len(chosen) * 1e3:.2f} ms")
    sys.exit(not is_good)


if __name__ == "__main__":
    main()
