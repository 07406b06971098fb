#!/usr/bin/env python3
"""Estimates of memory against what was needed: `python benchmarks/estimates.py OUT_FOLDER [--least MiB]`, from its run.json.

Run the graph with `--threads 1` first: nodes then run one at a time, and the peak of each is its own. Ends with 1 when a node needed more
than its estimate, or less than 80 % of it; nodes below `--least` (64 MiB) are listed but not judged: for them a fixed sum counts.
"""

import argparse
import json
import pathlib
import sys


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--least", type=float, default=64.0, help="MiB below which a node is not judged")
    arguments = parser.parse_args()
    report = json.loads((arguments.out / "run.json").read_text())
    print("| node | stage | estimate (MiB) | needed (MiB) | needed / estimate | |\n|---|---|---|---|---|---|")
    n_wrong = 0
    for node in report["nodes"]:
        if node["verdict"] != "ran":
            continue
        estimate, needed = node["estimated_bytes"] / 2**20, node["peak_bytes"] / 2**20
        ratio = needed / estimate if estimate else float("inf")
        is_judged = max(estimate, needed) >= arguments.least
        is_wrong = is_judged and not 0.8 <= ratio <= 1.0
        n_wrong += is_wrong
        print(f"| {node['name']} | {node['kind']} | {estimate:.0f} | {needed:.0f} | {ratio:.2f} | {'WRONG' if is_wrong else '' if is_judged else 'small'} |")
    return 1 if n_wrong else 0


if __name__ == "__main__":
    sys.exit(main())
