# SPDX-License-Identifier: GPL-3.0-or-later
"""The deployer's side of a school's backup and restore: fetches or brings, proves, and writes the manifest."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sqlite3
import time

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.sugar.deploy.plugins.module_utils import transfer
from ansible_collections.sugar.deploy.plugins.module_utils.saved import FORMAT, Saved, SavedError, stamp
from ansible_collections.sugar.deploy.plugins.module_utils.sums import Sums
from ansible_collections.sugar.deploy.plugins.module_utils.transfer import Line, TransferError

MODULE = "sugar.deploy.school_copy"
_EVERY_SECONDS = 1.0


class StepFailedError(Exception):
    """The server's side has failed; holds its result."""

    def __init__(self, result):
        super().__init__(result.get("msg", ""))
        self.result = result


class Telling:
    """Tells sugar-deploy how far it is, at most once a second: an event among those of the callback plugin."""

    def __init__(self, host):
        self._host, self._last, self._parent = host, 0.0, os.getppid()
        self._descriptor = int(os.environ.get("SUGAR_DEPLOY_EVENTS_FD", "-1"))

    def __call__(self, text):
        if os.getppid() != self._parent:
            raise TransferError("the run that this belongs to was killed")
        now = time.monotonic()
        if self._descriptor < 0 or now - self._last < _EVERY_SECONDS:
            return
        self._last = now
        event = {"event": "progress", "time": round(time.time(), 3), "host": self._host, "text": text}
        with contextlib.suppress(OSError):
            # Shorter than PIPE_BUF: no other process's line gets into it.
            os.write(self._descriptor, (json.dumps(event) + "\n").encode())


class ActionModule(ActionBase):
    """Saved: trees, archive, manifest. Restored: proof, trees, archive, in place."""

    TRANSFERS_FILES = True
    _VALID_ARGS = frozenset(
        {"state", "folder", "keeps", "packages", "check", "replace", "date", "school", "damaged_too"}
    )

    def run(self, tmp=None, task_vars=None):
        """Save the school, or restore it."""
        result = super().run(tmp, task_vars)
        self._vars, given, self._warnings = task_vars, self._task.args, []
        self._keeps = merged(given["keeps"])
        self._tell = Telling(task_vars["inventory_hostname"])
        saved = Saved(os.path.abspath(given["folder"]))
        try:
            if given["state"] == "saved":
                saved.begin()
                with saved.locked():
                    result.update(self._save(saved, bool(given.get("check"))))
            else:
                result.update(self._restore(saved))
        except StepFailedError as error:
            return {**result, **error.result}
        except (SavedError, TransferError) as error:
            raise AnsibleActionFail(f"{error}.") from None
        except (OSError, sqlite3.Error) as error:
            raise AnsibleActionFail(
                f"{_here(saved.folder, error)}. What is saved stays; then run this again."
            ) from None
        return {**result, "warnings": self._warnings} if self._warnings else result

    def _save(self, saved, check):
        keeps, school = self._keeps, self._task.args["school"]
        date = stamp(time.time())
        line = self._line()
        found = self._step("look", bulk=keeps["bulk"], packages=self._task.args["packages"], signs=keeps["signs"])
        _require_same(saved, school, found)
        bulk = [self._fetch_tree(saved, line, date, tree, check) for tree in found["trees"]]
        # After the trees: a child whose backup is in them is among the registrations, too.
        packed = self._step("pack", paths=keeps["paths"])
        try:
            part = saved.archive(date) + ".part"
            transfer.carry(
                transfer.one_file(line, packed["archive"], part), line, self._telling("state"), saved.folder
            )
            os.chmod(part, 0o600)
            os.rename(part, saved.archive(date))
        finally:
            self._step("clear")
        manifest = {
            "format": FORMAT,
            "school": school,
            "made_at": date,
            "machine": found["machine"],
            "versions": found["versions"],
            "paths": keeps["paths"],
            "state": {"size": packed["size"], "sha256": packed["sha256"]},
            "bulk": bulk,
        }
        saved.complete(manifest)
        saved.read()
        return {"changed": False, "date": date}

    def _fetch_tree(self, saved, line, date, path, check):
        target = saved.tree(path)
        os.makedirs(target, mode=0o700, exist_ok=True)
        argv = transfer.fetching(line, path, target, saved.gone(date, path), checksum=check)
        transfer.carry(argv, line, self._telling(path), saved.folder)
        sums = Sums(target, saved.index(path))
        files, size = sums.renew(lambda done: self._tell(f"{path}: hashed {megabytes(done)}"), afresh=check)
        return {"path": path, "files": files, "bytes": size}

    def _restore(self, saved):
        args, keeps = self._task.args, self._keeps
        with self._reading(saved):
            backup = saved.read(args.get("date") or "")
            if backup["school"] != args["school"]:
                raise SavedError(f"{saved.folder} is a backup of {backup['school']}, not of {args['school']}")
            # Refused where it cannot be, before hours are spent; laptops that came meanwhile are asked for again.
            asked = {"backup": backup, "signs": keeps["signs"], "replace": bool(args.get("replace"))}
            entry = self._step("let_in", **asked)
            if entry["status"] == "already":
                self._warnings.append(f"the server has this very backup, of {backup['made_at']}, already")
                return {"changed": False, "date": backup["made_at"]}
            if entry["status"] == "arriving":
                self._prove(saved, backup)
                self._bring(saved, backup, entry)
            placed = self._step("put", units=keeps["units"], **asked)
        if placed["replaced"]:
            self._warnings.append(
                f"what the server had before is in {', '.join(placed['replaced'])}; remove it when nothing is missed"
            )
        return {"changed": True, "date": backup["made_at"]}

    @contextlib.contextmanager
    def _reading(self, saved):
        if not os.path.isdir(saved.folder):
            raise SavedError(f"there is no {saved.folder}. Name the folder that `sugar-deploy backup` wrote: --from")
        with saved.locked():
            yield

    def _prove(self, saved, backup):
        damage = []
        for tree in backup["bulk"]:
            path = tree["path"]

            def watch(done, path=path):
                self._tell(f"{path}: proved {megabytes(done)}")

            names, number = Sums(saved.tree(path), saved.index(path)).damaged(watch)
            more = " …" if number > len(names) else ""
            damage += [f"{number} files of {saved.tree(path)} ({', '.join(names)}{more})"] if number else []
        if not damage:
            return
        if not self._task.args.get("damaged_too"):
            raise SavedError(
                f"the backup is damaged: {'; '.join(damage)}. If the old server lives, `sugar-deploy backup --check` "
                "mends it; else --damaged-too restores everything, and these as they are"
            )
        self._warnings.append(f"restored damaged as they are: {'; '.join(damage)}")

    def _bring(self, saved, backup, entry):
        line = self._line()
        for tree in entry["trees"]:
            argv = transfer.bringing(line, saved.tree(tree["path"]), tree["place"], tree["owner"])
            transfer.carry(argv, line, self._telling(tree["path"]), f"{tree['path']} on the server")
        argv = transfer.one_file(line, saved.archive(backup["made_at"]), entry["archive"], outward=True)
        transfer.carry(argv, line, self._telling("state"), f"{entry['archive']} on the server")

    def _telling(self, name):
        return lambda done, percent, speed: self._tell(f"{name}: {percent}%, {megabytes(done)}, {speed}")

    def _step(self, step, **arguments):
        result = self._execute_module(
            module_name=MODULE, module_args={"step": step, **arguments}, task_vars=self._vars
        )
        if result.get("failed") or result.get("unreachable"):
            raise StepFailedError(result)
        self._warnings += map(str, result.get("warnings", ()))
        return result

    def _line(self):
        """The way that this run has to the server, for rsync."""
        connection = self._connection
        if connection.transport == "local":
            return Line()
        asked = ("ssh_args", "ssh_common_args", "ssh_extra_args")
        words = [word for name in asked for word in connection._split_ssh_args(connection.get_option(name) or "")]
        key, port = connection.get_option("private_key_file"), connection.get_option("port")
        user, host = connection.get_option("remote_user"), connection.get_option("host")
        ssh = [connection.get_option("ssh_executable"), *words, "-o", "ControlPath=none", "-o", "BatchMode=yes"]
        ssh += ["-p", str(port)] if port else []
        ssh += ["-i", key, "-o", "IdentitiesOnly=yes"] if key else []
        ssh += ["-l", user] if user else []
        become, password = self._becoming(user)
        return Line(ssh, f"[{host}]" if ":" in host else host, become, password)

    def _becoming(self, user):
        if user == "root" or not self._connection.become:
            return (), None
        if self._low_level_execute_command("sudo -n true", sudoable=False)["rc"] == 0:
            return ("sudo", "-n"), None
        password = self._connection.become.get_option("become_pass")
        if not password:
            return ("sudo", "-n"), None  # whose complaint has its remedy
        return ("sudo", "-k", "-S", "-p", ""), password


def _require_same(saved, school, found):
    """A backup of another school, or of hardware onto which nothing was restored, would take the place of these."""
    manifests = [saved.manifest(date) for date in saved.dates()]
    if not manifests:
        return
    if (other := manifests[-1]["school"]) != school:
        raise SavedError(f"{saved.folder} holds backups of {other}, not of {school}. Name another folder with --to")
    known = {each["state"]["sha256"] for each in manifests}
    if manifests[-1]["machine"] != found["machine"] and found["restored"] not in known:
        raise SavedError(
            f"the server is not the one whose backups are in {saved.folder}, and none of them was restored onto it: "
            "a backup of it would take their place. Restore first (sugar-deploy restore), or name another folder "
            "with --to"
        )


def merged(keeps):
    """What all roles keep, as one."""
    total = {"units": [], "paths": [], "bulk": [], "signs": {"files": [], "tables": {}}}
    for each in keeps:
        for name in ("units", "paths", "bulk"):
            total[name] += each.get(name, [])
        signs = each.get("signs", {})
        total["signs"]["files"] += signs.get("files", [])
        total["signs"]["tables"].update(signs.get("tables", {}))
    return total


def _here(folder, error):
    """What is wrong on this machine, told apart from what is wrong on the server."""
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "is full" in str(error):
        return f"there is no room left in {folder}. Make room there, or take a larger disk"
    return f"{getattr(error, 'filename', None) or folder}, on this machine: {error}. Look at that disk"


def megabytes(size):
    """For people."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
