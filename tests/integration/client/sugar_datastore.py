"""Asks Sugar's real datastore service what it has; runs in Debian's Python, in a session bus of its own."""

import json
import os
import sys
import time
from pathlib import Path

import dbus

service = dbus.Interface(
    dbus.SessionBus().get_object("org.laptop.sugar.DataStore", "/org/laptop/sugar/DataStore"),
    "org.laptop.sugar.DataStore",
)
index = Path(os.environ["SUGAR_HOME"], os.environ["SUGAR_PROFILE"], "datastore", "index_updated")
deadline = time.monotonic() + 20
while not index.exists() and time.monotonic() < deadline:
    time.sleep(0.05)
entries, count = service.find({"query": sys.argv[1]}, ["uid", "title", "timestamp"], timeout=20)
files = {str(entry["uid"]): service.get_filename(entry["uid"]) for entry in entries}
found = {str(entry["title"]): Path(files[str(entry["uid"])]).read_bytes().decode() for entry in entries}
print(json.dumps({"count": int(count), "indexed": index.exists(), "contents": found}))
