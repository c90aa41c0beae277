"""One palette: what Python draws, what the live picture draws and what the web page draws."""

import re
from pathlib import Path

import pytest

from fkd_helpers.faces.landmarks import COLOURS, OKABE_ITO, REGIONS

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("script", ["fkd_helpers/live/widget.js", "web/keypoints.js"])
def test_a_region_has_the_same_colour_in_the_page(script):
    found = re.search(r"const REGIONS = (.*?);", (ROOT / script).read_text(encoding="utf-8"))[1]
    expected = [(str(max(points) + 1), COLOURS[region]) for region, points in REGIONS.items()]
    assert re.findall(r'\[(\d+), "(#\w+)"\]', found) == expected


def test_other_modules_take_their_colours_from_the_palette():
    """A colour of the palette that is typed again would stay behind when the palette changes."""
    for path in (ROOT / "fkd_helpers").rglob("*.py"):
        if path.stem != "landmarks":
            typed = set(re.findall(r"#[0-9A-Fa-f]{6}\b", path.read_text(encoding="utf-8").upper()))
            assert not typed & set(OKABE_ITO.values()), path.name
