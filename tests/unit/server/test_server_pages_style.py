"""The colours of the style sheet against WCAG 2.1's formula, in both colour schemes."""

from __future__ import annotations

import re

import pytest
from sugar_server.pages.style import SHEET

LIGHT, DARK = SHEET.split("@media (prefers-color-scheme:dark)")
DARK = DARK.split("@media")[0]


def luminance(colour):
    digits = colour.lstrip("#")
    if len(digits) == 3:
        digits = "".join(digit * 2 for digit in digits)
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def rules(sheet):
    """By selector, the declarations of all its rules together."""
    found = {}
    for selectors, declarations in re.findall(r"([^{}]+)\{([^{}]*)\}", sheet):
        for selector in selectors.split(","):
            pairs = (pair.split(":", 1) for pair in declarations.split(";") if pair)
            found.setdefault(selector.strip(), {}).update(dict(pairs))
    return found


def test_the_formula():
    assert contrast("#fff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#fff") == pytest.approx(4.48, abs=0.01)  # WebAIM's well-known near miss


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_are_readable(scheme):
    light = rules(LIGHT)
    styles = {selector: dict(pairs) for selector, pairs in light.items()}
    if scheme == "dark":
        for selector, pairs in rules(DARK).items():
            styles.setdefault(selector, {}).update(pairs)
    page = styles["body"]["background"]
    assert contrast(styles["body"]["color"], page) >= 7
    checked = 0
    for selector, pairs in styles.items():
        text = pairs.get("color")
        if text and text.startswith("#"):
            background = pairs.get("background", page)
            background = background if background.startswith("#") else page
            assert contrast(text, background) >= 4.5, (scheme, selector)
            checked += 1
    assert checked >= 8
    # What is not text but must be seen: borders of fields, and where the keyboard is.
    for selector, name in (("input[type=password]", "border"), ("a:focus", "outline")):
        colour = re.search(r"#[0-9a-f]{3,6}", styles[selector].get(f"{name}-color", "") or styles[selector][name])
        assert contrast(colour.group(), page) >= 3, (scheme, selector)


def test_every_colour_of_the_light_sheet_has_its_dark_one():
    dark = rules(DARK)
    for selector, pairs in rules(LIGHT).items():
        if pairs.get("color", "").startswith("#"):
            assert selector in dark, selector


def test_no_rule_is_bound_to_left_or_right():
    """Margins, paddings and borders follow the writing."""
    for selector, pairs in rules(LIGHT).items():
        for name in pairs:
            assert not re.search(r"-(left|right)\b|^float$|^(left|right)$", name), (selector, name)
        if pairs.get("text-align") in {"left", "right"}:
            raise AssertionError(selector)
