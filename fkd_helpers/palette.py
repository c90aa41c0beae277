"""The colours of the course, Okabe and Ito's, which colour-blind readers tell apart; one for each region, everywhere.

In every figure, in the live picture, and on photos that are drawn on.
"""

from fkd_helpers.metrics import REGIONS

OKABE_ITO = {
    "blue": "#0072B2", "orange": "#E69F00", "purple": "#CC79A7", "sky blue": "#56B4E9",
    "green": "#009E73", "vermilion": "#D55E00", "black": "#000000", "yellow": "#F0E442",
}  # fmt: skip
COLOURS = {
    region: OKABE_ITO[name]
    for region, name in zip(REGIONS, ("sky blue", "orange", "green", "yellow", "purple"), strict=True)
}
TARGET, PREDICTED = OKABE_ITO["green"], OKABE_ITO["vermilion"]


def rgb(colour: str) -> tuple[int, int, int]:
    """Return a colour as a frame has it.

    >>> rgb("#D55E00")
    (213, 94, 0)
    """
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue


BY_KEYPOINT = [rgb(COLOURS[region]) for region, points in REGIONS.items() for _ in points]  # of each of the 68, RGB
