"""Runs the tutorial from top to bottom: `run_tutorial.py NOTEBOOK RESULT FOLDER`, with the kernel in FOLDER, the top of the repository."""

import pathlib
import sys

import nbformat
from nbclient import NotebookClient


def main():
    source, result, folder = sys.argv[1:]
    notebook = nbformat.read(source, as_version=4)
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(pathlib.Path(folder))}}).execute()
    nbformat.write(notebook, result)
    pictures = sum("image/png" in output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", []))
    print(f"{len(notebook.cells)} cells, {pictures} pictures")


if __name__ == "__main__":
    main()
