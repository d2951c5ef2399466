"""Sugar's screens as one knows them: by what is where on them, whatever fonts, language and colours they have."""

from __future__ import annotations

from tests.scenario.laptop.picture import Colour, Picture

WHITE, GREY, DARK = (255, 255, 255), (128, 128, 128), (40, 40, 40)
_MIDDLE = (0.4, 0.35, 0.6, 0.6)
_AROUND = ((0.25, 0.25, 0.45, 0.75), (0.55, 0.25, 0.75, 0.75), (0.45, 0.2, 0.55, 0.4))
"""Left and right of the middle, and above it."""


def chosen_colours(picture: Picture) -> frozenset[Colour] | None:
    """The colours of the figure in the middle, if Sugar asks for them; it has buttons in two corners then."""
    corners = (picture.colours(0, 0.9, 0.15, 1)[GREY], picture.colours(0.85, 0.9, 1, 1)[GREY])
    found = {colour for colour, count in picture.colours(*_MIDDLE).items() if count > 300 and _is_vivid(colour)}
    return frozenset(found) if _white(picture) > 0.9 and min(corners) > 1000 and len(found) == 2 else None


def has_colours(picture: Picture, chosen: frozenset[Colour]) -> bool:
    """Whether something in the middle has both colours."""
    counted = picture.colours(*_MIDDLE)
    return min(counted[colour] for colour in chosen) > 100


def is_home_view(picture: Picture, chosen: frozenset[Colour]) -> bool:
    """The dark bar on top, the child's figure in the middle, activities around it, and else nothing."""
    bar = picture.colours(0, 0, 1, 0.06)
    around = [part.total() - part[WHITE] for part in (picture.colours(*place) for place in _AROUND)]
    return (
        bar[DARK] > 0.7 * bar.total()
        and has_colours(picture, chosen)
        and min(around) > 300
        and max(around) < 20_000
        and _white(picture) > 0.85
    )


def _white(picture: Picture) -> float:
    counted = picture.colours()
    return counted[WHITE] / counted.total()


def _is_vivid(colour: Colour) -> bool:
    return max(colour) - min(colour) > 40
