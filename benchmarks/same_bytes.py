#!/usr/bin/env python3
"""Runs a graph with 1, 2 and 7 threads and with bands of 256 rows, 1000 rows and the whole image, and compares every product.

    python benchmarks/same_bytes.py --skyloom target/release/skyloom graphs/vmc.ron --set ks=field/Ks.fits.fz --set catalogue=...

Everything after the graph is passed on. Each run has a cache of its own. Ends with an error when a digest differs.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

RUNS = [["--threads", n] for n in ("1", "2", "7")] + [["--band-rows", n] for n in ("256", "1000", "1000000")]


def digests(skyloom, graph, rest, options):
    """Digest of every product of every node, by name."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder, "out")
        command = [skyloom, "run", graph, "--out", out, "--cache", pathlib.Path(folder, "cache"), *options, *rest]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"{' '.join(options)}: skyloom ended with {done.returncode}\n{done.stdout}{done.stderr}")
        report = json.loads(pathlib.Path(out, "run.json").read_text())
        products = {f"{node['name']}.{port}": digest for node in report["nodes"] for port, digest in node["outputs"].items()}
        return products, report["wall_s"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--skyloom", default="target/release/skyloom")
    parser.add_argument("graph")
    arguments, rest = parser.parse_known_args()
    first = None
    differences = 0
    for options in RUNS:
        products, wall = digests(arguments.skyloom, arguments.graph, rest, options)
        first = first or products
        different = sorted(name for name in first.keys() | products.keys() if first.get(name) != products.get(name))
        differences += len(different)
        print(f"{' '.join(options):22} {wall:7.1f} s  {len(products)} products, {len(different)} differ {' '.join(different)}")
    sys.exit(1 if differences else 0)


if __name__ == "__main__":
    main()
