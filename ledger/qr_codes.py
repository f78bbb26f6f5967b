"""QR codes: drawn as pictures and as a sheet to print, and read back from photographs and scans.

segno draws, zxing-cpp reads, Pillow opens the pictures. What the codes say is `core.parts`' to know.
"""

from __future__ import annotations

import html
import io
from collections.abc import Sequence
from pathlib import Path

import segno
import zxingcpp
from PIL import Image, UnidentifiedImageError

from ledger.core.parts import PART_CHARACTERS
from ledger.errors import InvalidPicture

VERSION = 25  # 117 modules a side: the largest that phones read off paper without trouble
MAX_PICTURE_BYTES = 64 << 20
MAX_PIXELS = 120_000_000
_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP")
_MODULE_PIXELS = 6
_QUIET = 4  # modules of white around it, as ISO/IEC 18004 asks

_SHEET = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
@page {{ size: A4; margin: 12mm }}
body {{ font: 10pt/1.4 system-ui, sans-serif; color: #000; background: #fff; margin: 0 }}
h1 {{ font-size: 13pt; margin: 0 0 1mm; overflow-wrap: anywhere }}
p {{ margin: 0 0 4mm }}
main {{ display: grid; grid-template-columns: repeat(2, 86mm); gap: 4mm 8mm; justify-content: center }}
figure {{ margin: 0; break-inside: avoid; text-align: center }}
figure svg {{ width: 76mm; height: 76mm; display: block; margin: 0 auto }}
figcaption {{ font-weight: 600 }}
</style></head><body>
<h1>{title}</h1>
<p>{note}</p>
<main>
{codes}
</main></body></html>
"""


def _code(text: str) -> segno.QRCode:
    return segno.make(
        text, version=_version(text), error="m", mode="alphanumeric", boost_error=False, micro=False
    )


def _version(text: str) -> int | None:
    # a long part takes the version it was made for; a short one whatever is enough
    return VERSION if len(text) > PART_CHARACTERS // 2 else None


def picture(text: str) -> bytes:
    """Draw a code as a PNG picture.

    Args:
        text: Of the alphanumeric characters, at most `PART_CHARACTERS`.
    """
    file = io.BytesIO()
    _code(text).save(file, kind="png", scale=_MODULE_PIXELS, border=_QUIET)
    return file.getvalue()


def sheet(texts: Sequence[str], title: str, note: str) -> str:
    """Lay the codes out as one HTML page to print, six on A4, each with its number; nothing in it comes from elsewhere."""
    figures = [
        f'<figure role="img" aria-label="QR code {number} of {len(texts)}">'
        f"{_code(text).svg_inline(border=_QUIET, omitsize=True)}"
        f"<figcaption>{number} of {len(texts)}</figcaption></figure>"
        for number, text in enumerate(texts, 1)
    ]
    return _SHEET.format(title=html.escape(title), note=html.escape(note), codes="\n".join(figures))


def read(file: Path) -> list[str]:
    """Read the texts of all QR codes in a picture.

    Raises:
        InvalidPicture: It is no picture that can be opened, or is too large.
    """
    with file.open("rb") as stream:
        data = stream.read(MAX_PICTURE_BYTES + 1)
    if len(data) > MAX_PICTURE_BYTES:
        raise InvalidPicture(str(file), f"it is over {MAX_PICTURE_BYTES >> 20} MiB")
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise InvalidPicture(str(file), f"it has over {MAX_PIXELS // 1_000_000} million pixels")
            grey = image.convert("L")
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise InvalidPicture(str(file), f"it can't be opened as one of {', '.join(_FORMATS)}") from None
    found = zxingcpp.read_barcodes(grey, formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode))
    return [barcode.text for barcode in found]
