"""The made-up Journal as Sugar's own datastore reads it, in Debian's Python."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from sugaroid.journal import make_journal

READER = """
import json
from carquinyol import layoutmanager, metadatastore
layout, store, found = layoutmanager.get_instance(), metadatastore.MetadataStore(), {}
for uid in layout.find_all():
    values = store.retrieve(uid)
    picture = bytes(values.pop("preview"))
    found[uid] = {**{str(name): str(value) for name, value in values.items()}, "picture": picture[:4].hex()}
print(json.dumps([layout.get_version(), found]))
"""


def test_the_datastore_reads_every_entry(tmp_path: Path) -> None:
    uids = make_journal(tmp_path / "default" / "datastore", 9, "seed")
    environment = {"PATH": os.environ["PATH"], "SUGAR_HOME": str(tmp_path), "HOME": str(tmp_path)}
    done = subprocess.run(
        ["/usr/bin/python3", "-c", READER], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    version, found = json.loads(done.stdout)
    assert version == 6
    assert sorted(found) == sorted(uids)
    assert all(values["uid"] == uid and values["picture"] == "89504e47" for uid, values in found.items())
    assert {"org.laptop.AbiWordActivity", "org.laptop.Calculate"} <= {values["activity"] for values in found.values()}
