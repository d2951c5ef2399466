# SPDX-License-Identifier: GPL-3.0-or-later
"""Trees of many gigabytes that come back beside what is there, and are swapped in when they are whole.

A tree may be a disk of its own, so that its draft is inside of it, under a hidden name. Entries are renamed one by
one: what was there goes to .sugar-deploy-replaced first, then the draft's come in. DONE holds how far each tree is,
so that a run that was cut off goes on from there:

    out      all that was there has been moved aside
    in       all that was brought is in its place
"""

from __future__ import annotations

import grp
import os
import pwd

from ansible_collections.sugar.deploy.plugins.module_utils.exchange import NOT_OURS, unused
from ansible_collections.sugar.deploy.plugins.module_utils.files import sync_folder

DRAFT = ".sugar-deploy-arriving"
ASIDE = ".sugar-deploy-replaced"


def owner(tree):
    """USER:GROUP of a tree: all in it is theirs, on any server."""
    found = os.stat(tree)
    return f"{pwd.getpwuid(found.st_uid).pw_name}:{grp.getgrgid(found.st_gid).gr_name}"


def begin(tree):
    """Have a place where the tree's content can arrive, which is nobody else's to read; returns it."""
    place = os.path.join(tree, DRAFT)
    os.makedirs(place, mode=0o700, exist_ok=True)
    return place


def swap(tree, done, note):
    """Put what has arrived in its place. NOTE(done) has DONE on the disk."""
    place = os.path.join(tree, DRAFT)

    def aside():
        return unused(os.path.join(tree, ASIDE))

    if tree not in done:
        moved = _move(tree, _entries(tree), aside)
        done[tree] = ["out", moved]
        note(done)
    if done[tree][0] == "out":
        if os.path.isdir(place):
            arrived = sorted(os.listdir(place))
            # A service that was started in between has made them anew.
            _move(tree, [name for name in arrived if os.path.lexists(os.path.join(tree, name))], aside)
            _move(place, arrived, lambda: tree)
            os.rmdir(place)
        done[tree] = ["in", done[tree][1]]
        note(done)
    return done[tree][1]


def _entries(tree):
    return sorted(name for name in os.listdir(tree) if name not in NOT_OURS and not name.startswith(".sugar-deploy-"))


def _move(source, names, target):
    """Rename entries to a folder, which is made when there is one; returns it, or nothing."""
    if not names:
        return ""
    folder = target()
    os.makedirs(folder, mode=0o700, exist_ok=True)
    for name in names:
        os.rename(os.path.join(source, name), os.path.join(folder, name))
    sync_folder(folder)
    sync_folder(source)
    return folder
