"""Notebooks as a reader runs them: cell after cell in a kernel of their own, on a home.

What belongs here: finding, executing, and what a reader then sees. What does not: what it should say.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from energy_assets.home import Home
from support.commands import environment

if TYPE_CHECKING:
    from nbformat import NotebookNode

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = tuple(sorted(path.name for path in FOLDER.glob("*.ipynb")))
CELL_SECONDS = 300


def read(name: str) -> NotebookNode:
    import nbformat

    return nbformat.read(FOLDER / name, as_version=4)


def executed(name: str, home: Home) -> NotebookNode:
    """The notebook with its outputs. Raises nbclient's CellExecutionError, with the cell and its trace, where a cell fails."""
    from nbclient import NotebookClient

    notebook = read(name)
    # From its own folder, as JupyterLab does.
    client = NotebookClient(notebook, timeout=CELL_SECONDS, resources={"metadata": {"path": str(FOLDER)}})
    client.execute(env=environment(home) | {"IPYTHONDIR": str(home.path / "ipython")})
    return notebook


def printed(notebook: NotebookNode) -> str:
    """All that its cells print, warnings not included."""
    return "".join(
        output.text for output in _outputs(notebook) if output.output_type == "stream" and output.name == "stdout"
    )


def warned(notebook: NotebookNode) -> str:
    """What its cells write to the error stream."""
    return "".join(
        output.text for output in _outputs(notebook) if output.output_type == "stream" and output.name == "stderr"
    )


def figures(notebook: NotebookNode) -> set[str]:
    """The ids of the cells that show a picture."""
    return {
        cell.id
        for cell in notebook.cells
        if cell.cell_type == "code" and any("image/png" in output.get("data", {}) for output in cell.outputs)
    }


def _outputs(notebook: NotebookNode) -> list[NotebookNode]:
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
