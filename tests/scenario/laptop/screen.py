"""Tells how much of the laptop's screen has the child's own colours, and keeps the picture.

Runs on the laptop, in the child's session. Argument: the PNG file to write. Prints JSON.
"""

import json
import sys
from collections import Counter

import gi

gi.require_version("Gdk", "3.0")

from gi.repository import Gdk  # noqa: E402
from sugar3 import profile  # noqa: E402

root = Gdk.get_default_root_window()
picture = Gdk.pixbuf_get_from_window(root, 0, 0, root.get_width(), root.get_height())
picture.savev(sys.argv[1], "png", [], [])
pixels, step, width = picture.get_pixels(), picture.get_n_channels(), picture.get_width()
counted = Counter(
    pixels[place : place + 3].hex()
    for row in range(picture.get_height())
    for place in range(row * picture.get_rowstride(), row * picture.get_rowstride() + width * step, step)
)
colours = profile.get_color().to_string().lower().replace("#", "").split(",")
print(json.dumps({"own": [counted[colour] for colour in colours], "colours": len(counted)}))
