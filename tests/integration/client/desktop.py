"""Runs inside Debian's own Python: the real updater of Sugar's shell, as its control panel uses it.

Arguments: `manual`, `automatic` or `cancel` (in the middle of the first download), then the bundle ids to install
(none: all that were found). Prints JSON.
"""

import json
import sys
import traceback

import gi

gi.require_version("Gtk", "3.0")

from gi.repository import GLib  # noqa: E402
from jarabe.model.update import updater  # noqa: E402

SECONDS = 30


def main(mode, *wanted):
    seen = {"updates": [], "progress": [], "error": None, "finished": None}
    loop = GLib.MainLoop()

    def broken(*failure):
        seen["error"] = "".join(traceback.format_exception(*failure))
        loop.quit()

    sys.excepthook = broken
    model = updater.get_instance()
    seen["backend"] = type(model._model).__name__

    def available(_model, updates):
        seen["updates"] = [
            {
                "id": update.bundle_id,
                "name": update.name,
                "version": str(update.version),
                "size": update.size,
                "optional": update.optional,
            }
            for update in updates
        ]
        model.update(list(wanted) or None)

    def failed(_model, error):
        seen["error"] = error
        loop.quit()

    def finished(_model, installed, bad, cancelled):
        seen["finished"] = {
            "installed": [bundle.get_bundle_id() for bundle in installed],
            # What failed is an update before it is fetched, and a bundle after it.
            "failed": [getattr(one, "bundle_id", None) or one.get_bundle_id() for one in bad],
            "cancelled": cancelled,
        }
        GLib.idle_add(loop.quit)

    model.connect("updates-available", available)

    def progress(_model, state, name, part):
        seen["progress"].append([state, name, part])
        if mode == "cancel" and state == updater.STATE_DOWNLOADING and part > 0:
            model.cancel()

    model.connect("progress", progress)
    model.connect("error", failed)
    model.connect("finished", finished)
    GLib.timeout_add_seconds(SECONDS, loop.quit)
    GLib.idle_add(lambda: model.check_updates(mode == "automatic"))
    loop.run()
    print(json.dumps(seen))


main(*sys.argv[1:])
