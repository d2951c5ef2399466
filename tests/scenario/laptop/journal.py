"""Makes Journal entries through Sugar's datastore, or tells what it has: entries with the SHA-256 of their files.

Runs on the laptop, in the child's session. Arguments: `make COUNT` or `tell`. Prints JSON.
"""

import hashlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import dbus.mainloop.glib

dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)

from sugar3 import profile  # noqa: E402
from sugar3.datastore import datastore  # noqa: E402

SECONDS = 60


def make(count):
    """As an activity does that is closed: text, preview and a file; one entry has none."""
    for number in range(count):
        entry = datastore.create()
        entry.metadata["title"] = f"Ñandú & <{number}> \u202eabc"
        entry.metadata["activity"] = "org.laptop.Calculate"
        entry.metadata["mime_type"] = "application/octet-stream"
        entry.metadata["icon-color"] = profile.get_color().to_string()
        entry.metadata["tags"] = "escuela" if number % 2 else ""
        entry.metadata["preview"] = dbus.ByteArray(b"\x89PNG\r\n\x1a\n\x00\xff" + bytes([number]))
        # Used yesterday at noon, for the statistics of a day that is over.
        entry.metadata["launch-times"] = str((int(time.time()) // 86400 - 1) * 86400 + 43200 + number * 1000)
        entry.metadata["spent-times"] = "120"
        if number:
            handle, path = tempfile.mkstemp(dir=os.environ["HOME"])
            os.write(handle, os.urandom(number * 50_000))
            os.close(handle)
            entry.file_path = path
        datastore.write(entry, transfer_ownership=True)
        entry.destroy()


def tell():
    """What the datastore finds by its index; each entry's metadata are those in its files."""
    index = Path(os.environ["HOME"], ".sugar/default/datastore/index_updated")
    until = time.monotonic() + SECONDS
    entries, count = datastore.find({})
    while not index.exists() and time.monotonic() < until:
        time.sleep(0.1)
        entries, count = datastore.find({})
    found = {}
    for each in entries:
        entry = datastore.get(each.object_id)
        data = entry.file_path
        found[entry.object_id] = {
            "metadata": {name: _text(value) for name, value in sorted(entry.metadata.get_dictionary().items())},
            "file": hashlib.sha256(Path(data).read_bytes()).hexdigest() if data else None,
        }
        entry.destroy()
    return {"indexed": index.exists(), "count": int(count), "entries": found}


def _text(value):
    return bytes(value).hex() if isinstance(value, (dbus.ByteArray, dbus.Array)) else str(value)


if sys.argv[1] == "make":
    make(int(sys.argv[2]))
print(json.dumps(tell()))
