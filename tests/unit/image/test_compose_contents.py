"""What a composed tree holds: packages, where they come from, and licences as Debian's copyright files name them."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from sugar_deploy.image.compose.contents import Contents, licences
from sugar_deploy.image.survey.reading import read_tree

STATUS = """\
Package: songs
Status: install ok installed
Version: 2-1+b1
Architecture: amd64
Source: music (2-1)

Package: libsongs
Version: 2-1
Architecture: amd64
Source: music

Package: old
Version: 1
Architecture: all
"""
COPYRIGHT = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: music

Files: *
Copyright: 2010 somebody
License: GPL-2+
 This text is not its name.
 License: nor is this.

Files: lib/*
Copyright: 2011 nobody
License: Expat or Artistic

License: GPL-2+
 Its text.
"""


def tree(folder: Path) -> Path:
    with tarfile.open(folder / "root.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in (
            ("./var/lib/dpkg/status", STATUS),
            ("./usr/share/doc/songs/copyright", COPYRIGHT),
            ("./usr/share/doc/old/copyright", "It is free. License: see there.\n"),
        ):
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(content), 1_600_000_000
            tar.addfile(member, io.BytesIO(content.encode()))
        link = tarfile.TarInfo("./usr/share/doc/libsongs")
        link.type, link.linkname, link.mtime = tarfile.SYMTYPE, "songs", 1_700_000_000
        tar.addfile(link)
    return folder / "root.tar"


def test_packages_with_sources_and_licences(tmp_path: Path) -> None:
    found = Contents()
    read = read_tree(tree(tmp_path), found)
    assert read.newest == 1_700_000_000
    assert [tuple(one.values()) for one in found.packages] == [
        ("libsongs", "2-1", "amd64", "music", "2-1", ["Expat or Artistic", "GPL-2+"]),
        ("old", "1", "all", "old", "1", []),
        ("songs", "2-1+b1", "amd64", "music", "2-1", ["Expat or Artistic", "GPL-2+"]),
    ]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", []),
        ("This is free software.\nLicense: GPL-2\n", []),
        ("Format-Specification: http://dep.debian.net/deps/dep5/\nLicense: BSD-3-clause\n", ["BSD-3-clause"]),
        ("Format: http://www.debian.org/doc/packaging-manuals/copyright-format/1.0\nLicense:\n text\n", []),
    ],
)
def test_only_what_is_meant_for_machines_is_read(text: str, named: list[str]) -> None:
    assert licences(text) == named
