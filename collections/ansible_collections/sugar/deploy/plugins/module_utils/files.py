# SPDX-License-Identifier: GPL-3.0-or-later
"""A service's configuration files: what is wanted, what is on disk, and how one becomes the other."""

from __future__ import annotations

import glob
import grp
import os
import pwd
import stat


class ConfigError(Exception):
    """The configuration cannot be what was asked for; the message says why and what to do."""


class Wanted:
    """One file as it shall be; `content` is None where it shall not be."""

    def __init__(self, path, content=None, mode=0o644, owner="root", group="root", secret=False):
        if not os.path.isabs(path) or os.path.normpath(path) != path:
            raise ConfigError(f"{path} is not a plain absolute path")
        self.path = path
        self.content = content
        self.mode = mode
        self.owner = owner
        self.group = group
        self.secret = secret

    @classmethod
    def from_parameters(cls, given):
        """From one item of the module's `files`."""
        if given["state"] == "absent":
            return cls(given["path"])
        if given["content"] is None:
            raise ConfigError(f"{given['path']} has no content; give content, or state: absent")
        text = given["content"]
        # Templates lose their last newline on the way here, and several parsers need it.
        data = (text if text.endswith("\n") or not text else text + "\n").encode("utf-8")
        try:
            mode = int(given["mode"], 8)
        except ValueError:
            raise ConfigError(f"{given['path']}: mode {given['mode']} is not octal, as '0644'") from None
        return cls(given["path"], data, mode, given["owner"], given["group"], given["secret"])

    def ids(self):
        """Numeric owner and group; None for a name that this system does not know (yet)."""
        return _number(self.owner, pwd.getpwnam, "pw_uid"), _number(self.group, grp.getgrnam, "gr_gid")

    def is_met_by(self, state):
        """Whether the file on disk already is what it shall be."""
        if self.content is None:
            return state["kind"] == "absent"
        return (
            state["kind"] == "file"
            and state["content"] == self.content
            and state["mode"] == self.mode
            and (state["uid"], state["gid"]) == self.ids()
        )

    def diff_from(self, state):
        """What --diff shows; the content of a secret file is never shown."""
        before, after = _shown(state), "" if self.content is None else self.content.decode("utf-8", "replace")
        if self.secret:
            before, after = ("(secret)\n" if before else ""), ("(changed secret)\n" if after else "")
        entry = {"before": before, "after": after, "before_header": self.path, "after_header": self.path}
        if self.content is not None and before == after:
            entry["before"] = _attributes(state["mode"], state["uid"], state["gid"])
            entry["after"] = _attributes(self.mode, *self.ids())
        return entry

    def write(self):
        """Put the file in its place, or take it away, in one step that survives a pulled plug."""
        if self.content is None:
            remove(self.path)
            return
        uid, gid = self.ids()
        if uid is None or gid is None:
            raise ConfigError(f"{self.path}: there is no user {self.owner} or no group {self.group} on this system")
        write(self.path, self.content, self.mode, uid, gid)


def _number(name, lookup, attribute):
    try:
        return int(name) if name.isdigit() else getattr(lookup(name), attribute)
    except KeyError:
        return None


def _shown(state):
    if state["kind"] == "link":
        return f"(a symbolic link to {state['target']})\n"
    return state["content"].decode("utf-8", "replace") if state["kind"] == "file" else ""


def _attributes(mode, uid, gid):
    return f"mode {mode:04o}, owner {uid}, group {gid}\n"


def read_state(path):
    """What is on disk at a path: absent, a file or a symbolic link."""
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return {"kind": "absent"}
    if stat.S_ISLNK(found.st_mode):
        return {"kind": "link", "target": os.readlink(path)}
    if not stat.S_ISREG(found.st_mode):
        raise ConfigError(f"{path} is neither a file nor a symbolic link; move it away")
    with open(path, "rb") as file:
        content = file.read()
    mode = stat.S_IMODE(found.st_mode)
    return {"kind": "file", "content": content, "mode": mode, "uid": found.st_uid, "gid": found.st_gid}


def restore(path, state):
    """Bring a path back to a state that was read before."""
    if state["kind"] == "absent":
        remove(path)
    elif state["kind"] == "link":
        _swap_in(path, lambda draft: os.symlink(state["target"], draft))
    else:
        write(path, state["content"], state["mode"], state["uid"], state["gid"])


def write(path, content, mode, uid, gid):
    """Replace a file in one step: written beside it, synchronised, renamed over it."""

    def draft_file(draft):
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            os.fchown(file.fileno(), uid, gid)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())

    _swap_in(path, draft_file)


def _swap_in(path, make):
    folder, name = os.path.split(path)
    os.makedirs(folder, mode=0o755, exist_ok=True)
    # A hidden name that no service reads as a drop-in; always the same, so that a pulled plug leaves at most one.
    draft = os.path.join(folder, f".{name}.sugar-deploy-new")
    if os.path.lexists(draft):
        os.unlink(draft)
    make(draft)
    os.rename(draft, path)
    sync_folder(folder)


def remove(path):
    """Take a file away, if it is there."""
    try:
        os.unlink(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    sync_folder(os.path.dirname(path))


def sync_folder(folder):
    """Have a folder's entries on the disk itself."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def with_purged(wanted, patterns):
    """The wanted files and, as absent ones, whatever else matches the patterns of what is ours."""
    named = {file.path for file in wanted}
    found = {path for pattern in patterns for path in glob.glob(pattern) if not os.path.isdir(path)}
    return wanted + [Wanted(path) for path in sorted(found - named)]
