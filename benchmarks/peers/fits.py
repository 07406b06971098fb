"""Fits of random stars by Skyloom and by MINPACK (scipy.optimize.leastsq, analytic derivatives), from the same starts.

    cargo run --release -p skyloom-stages --example fit_stars -- fits.f64 10000 1e-13
    python fits.py fits.f64

The last argument is the tolerance: at 1e-13 both go to the minimum; leave it out for the time of a fit as the stages make it (1e-9).
A star agrees when every parameter is within 1e-3 of its error, or Skyloom's chi2 is not above MINPACK's.
"""

import argparse
import time

import numpy as np
from scipy.optimize import leastsq

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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    rows = np.fromfile(parser.parse_args().file, "<f8").reshape(-1, 1 + 5 * 11 + 4 + SIDE * SIDE)
    for n, name in [(7, "Moffat"), (11, "compound")]:
        chosen = rows[rows[:, 0] == n]
        close = lower = outside = apart = failed = 0
        distances, seconds = [], 0.0
        for row in chosen:
            start, low, high, found, errors = [row[1 + 11 * k:12 + 11 * k][:n] for k in range(5)]
            chi2, is_converged, pixels = row[56], row[57], row[60:]
            began = time.process_time()
            with np.errstate(all="ignore"):
                fit = leastsq(lambda p: model(p)[0] - pixels, start, Dfun=lambda p: model(p)[1], col_deriv=True,
                              ftol=1e-14, xtol=1e-14, gtol=1e-14, maxfev=2000)[0]
                seconds += time.process_time() - began
                minpack = np.sum((model(fit)[0] - pixels) ** 2)
            off = found - canonical(fit)
            turns = [5] if n == 7 else [5, 10]
            off[turns] -= np.pi * np.round(off[turns] / np.pi)
            with np.errstate(all="ignore"):
                ratio = np.max(np.abs(off / errors))
            failed += not is_converged
            # NaN, of a parameter on its bound, is not close.
            if ratio <= 1e-3:
                close += 1
                distances.append(ratio)
            elif chi2 <= minpack * (1 + 1e-12):
                lower += 1
            elif np.any(canonical(fit) < low) or np.any(canonical(fit) > high):
                # MINPACK knows no bounds.
                outside += 1
            else:
                apart += 1
                print(f"  {name}: chi2 {chi2:.6f}, MINPACK {minpack:.6f}, {ratio:.2g} errors apart")
        print(f"{name}: {len(chosen)} stars, {close} within 1e-3 errors (median {np.median(distances):.1e}), {lower} others with "
              f"chi2 not above MINPACK's, {outside} where MINPACK left the bounds, {apart} worse; {failed} not converged; "
              f"{np.median(chosen[:, 59]) / 1e3:.4f} ms (median, {chosen[:, 58].mean():.1f} steps), "
              f"MINPACK {seconds / len(chosen) * 1e3:.2f} ms")


if __name__ == "__main__":
    main()
