# SPDX-License-Identifier: GPL-3.0-or-later
"""The deployer's side of carrying the repository: looks what the server lacks, and sends that as one file."""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import json
import os
import tarfile
from pathlib import Path

from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.sugar.deploy.plugins.module_utils.carried import megabytes, packed
from ansible_collections.sugar.deploy.plugins.module_utils.offered import packages_in

# In the administrator's home, always of one name: what a broken line leaves is overwritten by the next run.
SENT = ".sugar-deploy-carried"
MODULE = "sugar.deploy.carry"


class Project:
    """The repository as the project holds it."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.tree = self.folder / "tree"
        try:
            self.state = (self.folder / "state").read_text().strip()
            self.present = self._listing("listing.json")
            held = self._listing("held.json") if (self.folder / "held.json").exists() else []
        except (OSError, ValueError, KeyError) as error:
            raise AnsibleActionFail(
                f"The project has no repository to carry to the server: {self.folder} ({error}). Build and publish "
                "it (sugar-deploy repo publish) and apply again, or name its URL in the deployment file "
                "(repository.url)."
            ) from None
        self.files = sorted(self.present + held)
        self.held = {digest for _path, _size, digest in held} - {digest for _path, _size, digest in self.present}

    def _listing(self, name):
        loaded = json.loads((self.folder / name).read_text(encoding="utf-8"))
        return [[each["path"], each["size"], each["sha256"]] for each in loaded]

    def sizes(self):
        """The size of each content."""
        return {digest: size for _path, size, digest in self.files}

    def snapshot(self):
        """The snapshot's name, for people."""
        try:
            return (self.tree / "snapshot").read_text().strip()[:64]
        except OSError:
            return self.state[:12]

    def offered(self, suite, architecture):
        """Names and versions in the index for one kind of machine, as check mode needs to know them."""
        index = self.tree / "dists" / suite / "main" / f"binary-{architecture}"
        try:
            if (index / "Packages").exists():
                text = (index / "Packages").read_text(encoding="utf-8")
            else:
                text = gzip.decompress((index / "Packages.gz").read_bytes()).decode()
        except OSError:
            return []
        return [[each["Package"], each["Version"]] for each in packages_in(text)]

    def pack(self, missing, target):
        """Write the missing contents into a tar file, each named by its hash."""
        places = {}
        for path, _size, digest in self.present:
            places.setdefault(digest, path)
        # Packages are compressed already; their lists, a good part of a small change, are not.
        with tarfile.open(target, "w:gz", compresslevel=1, format=tarfile.PAX_FORMAT) as tar:
            for digest in missing:
                data = self.tree / places[digest]
                member = tarfile.TarInfo(digest)
                member.size = data.stat().st_size
                with data.open("rb") as content:
                    tar.addfile(member, content)


class ActionModule(ActionBase):
    """One exchange where nothing is to do, else three and one file."""

    TRANSFERS_FILES = True
    _VALID_ARGS = frozenset({"folder"})

    def run(self, tmp=None, task_vars=None):
        """Have the wanted state on the server."""
        result = super().run(tmp, task_vars)
        self._given = {"folder": self._task.args.get("folder", "/var/lib/sugar-deploy")}
        self._vars = task_vars
        project = Project(Path(task_vars["playbook_dir"]) / "repository")
        found = self._module(step="look", wanted=project.state)
        if found.get("failed"):
            return {**result, **found}
        result.update(path=found["path"], in_use=found["in_use"], changed=not found["there"],
                      snapshot=project.snapshot())  # fmt: skip
        if self._task.check_mode and found["in_use"] != found["path"]:
            facts = task_vars.get("ansible_facts", {})
            result["offered"] = project.offered(facts.get("distribution_release", ""), found["architecture"])
        if not found["there"]:
            result.update(self._carry(project, found))
        return result

    def _carry(self, project, found):
        files = packed(project.files)
        here = {"tree": str(project.tree)} if self._connection.transport == "local" else {}
        compared = self._module(step="compare", wanted=project.state, files=files, **here)
        if compared.get("failed"):
            return compared
        sizes = project.sizes()
        missing = compared["missing"]
        if lost := project.held.intersection(missing):
            return {
                "failed": True,
                "changed": False,
                "msg": f"The server lacks {len(lost)} files that this bundle expects it to have: it builds upon a "
                "snapshot that this server was never given. Use a complete bundle. Nothing was changed.",
            }
        size = sum(sizes[digest] for digest in missing)
        told = {
            "diff": {
                "before": f"{os.path.basename(found['in_use'])}\n" if found["in_use"] else "",
                "after": f"{os.path.basename(found['path'])}: snapshot {project.snapshot()}, "
                f"{len(project.files)} files, {len(missing)} of them to carry ({megabytes(size)} MB)\n",
                "before_header": "carried repository",
                "after_header": "carried repository",
            },
            "carried_files": len(missing),
            "carried_bytes": size,
        }
        if self._task.check_mode:
            return told
        made = self._make(project, files, missing, here)
        return {**made, "changed": False} if made.get("failed") else told

    def _make(self, project, files, missing, here):
        if here or not missing:
            return self._module(step="make", wanted=project.state, files=files, **here)
        home = self._remote_expand_user("~", sudoable=False)
        remote = f"{home}/{SENT}"
        try:
            self._connection.put_file(str(self._packed(project, missing)), remote)
        except OSError as error:
            folder = constants.DEFAULT_LOCAL_TMP
            raise AnsibleActionFail(f"{folder} on this machine cannot be written: {error.strerror}.") from None
        return self._module(step="make", wanted=project.state, files=files, archive=remote)

    def _packed(self, project, missing):
        """One file for all servers that lack the same, in a folder that ends with this run."""
        name = hashlib.sha256(("\n".join([project.state, *missing])).encode()).hexdigest()[:16]
        target = Path(constants.DEFAULT_LOCAL_TMP) / f"carry-{name}.tar.gz"
        with open(target.with_suffix(".lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not target.exists():
                draft = target.with_suffix(".draft")
                project.pack(missing, draft)
                draft.rename(target)
        return target

    def _module(self, **arguments):
        return self._execute_module(
            module_name=MODULE, module_args={**self._given, **arguments}, task_vars=self._vars, wrap_async=False
        )
