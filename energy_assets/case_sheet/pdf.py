"""A sheet's HTML as a PDF.

What belongs here: setting a page. What does not: what stands on it.

PlutoPrint is one wheel that needs no library of the system. Its text is set in the font that Matplotlib brings, so that the page is the same on every
machine, a server without fonts included.
"""

from __future__ import annotations

import io
from pathlib import Path

from energy_assets.operations.errors import OperationError

FONT = "Sheet"
FACES = {"normal": "DejaVuSans.ttf", "bold": "DejaVuSans-Bold.ttf"}


def pdf_of(html: str) -> bytes:
    """The document on pages of A4. Raises OperationError where there is no PlutoPrint for this machine."""
    try:
        import plutoprint
    except ImportError as error:
        raise OperationError(
            "a PDF needs PlutoPrint, which has no wheel for every machine"
            "\n→ write HTML (--format html), open it in a browser and print it: it fits one page of A4"
        ) from error

    book = plutoprint.Book(plutoprint.PAGE_SIZE_A4)
    book.load_html(html, user_style=_faces())
    written = io.BytesIO()
    book.write_to_pdf_stream(written)
    return written.getvalue()


def _faces() -> str:
    import matplotlib

    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    faces = "".join(
        f'@font-face {{ font-family: {FONT}; font-weight: {weight}; src: url("{(fonts / name).as_uri()}") }}'
        for weight, name in FACES.items()
    )
    return f"{faces} * {{ font-family: {FONT} !important }}"
