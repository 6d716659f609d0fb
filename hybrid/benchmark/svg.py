"""SVG files of matplotlib as parts of a page: ids of their own, the page's colours and font."""

import re
from html import escape

# Colours that matplotlib draws with, and what the page then says in their place: they differ in
# light and dark.
INK, FAINT, GRID, UP, DOWN = "#000001", "#000002", "#000003", "#000004", "#000005"
SERIES = tuple(f"#0001{number:02x}" for number in range(8))
_VARIABLES = {
    INK: "--ink",
    FAINT: "--faint",
    GRID: "--grid",
    UP: "--up",
    DOWN: "--down",
    **{colour: f"--series-{number}" for number, colour in enumerate(SERIES)},
}


def inline(svg: str, title: str, text: str, prefix: str) -> str:
    """Return an SVG file of matplotlib as an element of a page.

    Parameters
    ----------
    svg : str
        The file; what is drawn in the colours of this module takes them from the page.
    title, text : str
        What it shows, and what it says: for those who cannot see it.
    prefix : str
        All ids begin with it; no other element of the page has it.
    """
    svg = svg[svg.index("<svg") :]
    # matplotlib counts its ids from 1 in every figure
    svg = re.sub(r'\bid="', f'id="{prefix}-', svg)
    svg = re.sub(r'(href="#|url\(#)', rf"\g<1>{prefix}-", svg)
    svg = re.sub(r"font-family: [^;\"]*; ?", "", svg)
    svg = svg.replace("*{stroke", f"#{prefix} *{{stroke")
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    head = (
        f'<svg id="{prefix}" role="img" aria-labelledby="{prefix}-title {prefix}-text"'
        f' xmlns:xlink="http://www.w3.org/1999/xlink"'
    )
    size = re.search(r'viewBox="[^"]*"', svg)
    inner = svg[svg.index(">") + 1 :]
    told = (
        f'<title id="{prefix}-title">{escape(title)}</title>'
        f'<desc id="{prefix}-text">{escape(text)}</desc>'
    )
    return f"{head} {size[0] if size else ''}>{told}{inner}".strip()
