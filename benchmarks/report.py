#!/usr/bin/env python3
"""Where the time and the memory of a run went: `python benchmarks/report.py OUT_FOLDER`, from its run.json."""

import json
import pathlib
import sys


def main():
    report = json.loads(pathlib.Path(sys.argv[1], "run.json").read_text())
    wall, cpu = report["wall_s"], report["cpu_s"]
    ran = [node for node in report["nodes"] if node["verdict"] == "ran"]
    written = sum(sum(node["output_bytes"].values()) for node in ran)
    print(f"wall {wall:.1f} s, CPU {cpu:.1f} s, {cpu / wall / report['threads']:.0%} of {report['threads']} threads, peak {report['peak_bytes'] / 2**30:.2f} GiB")
    print(f"{len(ran)} of {len(report['nodes'])} nodes ran, products of {written / 2**30:.2f} GiB\n")
    print("| node | stage | wall (s) | estimate (GiB) | products (GiB) |\n|---|---|---|---|---|")
    for node in sorted(ran, key=lambda node: -node["wall_s"])[:24]:
        size = sum(node["output_bytes"].values()) / 2**30
        print(f"| {node['name']} | {node['kind']} | {node['wall_s']:.2f} | {node['estimated_bytes'] / 2**30:.2f} | {size:.2f} |")


if __name__ == "__main__":
    main()
