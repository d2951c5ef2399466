"""A school server from a stick, without any network: installed, upgraded, a bad upgrade survived, wrong ones told.

The sticks are written by our own command line from the deployment's folder; the server is a bare Debian, and has what
is on them, and nothing else.
"""

from __future__ import annotations

import json
import shutil
from typing import Any

from sugar_deploy.deployment.load import load
from sugar_deploy.errors import DeployError
from sugar_deploy.folder import Folder
from sugar_deploy.lab.lab import Lab
from sugar_deploy.lab.laptop import ready_laptop
from sugar_deploy.lab.newer import CAUSE, Newer
from sugar_deploy.lab.school import Now, SchoolServer
from sugar_deploy.lab.seclusion import prove_secluded
from sugar_deploy.lab.steps import Outcome, Say, Steps, own_argv, report_of, simple, verify
from sugar_deploy.lab.stick import Stick
from sugar_deploy.scenario.resolve import resolve

CHILDREN = ("Ana", "Bruno", "Carla")
MINIMAL = frozenset({"openssh-server", "tzdata"})
"""What a school server needs and a minimal Debian that can be reached has anyway."""
MORE_THAN_MINIMAL = ("ca-certificates", "openssl", "sudo")
"""What the lab's image has besides."""
PIECE = 3
"""An incremental stick carries less than one part in so many of the complete one."""


class OfflineTrial(Steps):
    """A deployment whose first school has no network."""

    def __init__(self, lab: Lab, folder: Folder, say: Say = lambda _: None) -> None:
        super().__init__(say)
        self.lab = lab
        self.folder = folder
        self.host = resolve(load(folder)).hosts[0]
        self.server = SchoolServer(lab.machines[self.host.name], self.host.name)
        self.laptop = lab.laptop(self.host.name)
        self.work = lab.place.disks / "_sticks"
        self.work.mkdir(exist_ok=True)
        self.newer = Newer(folder, self.work)
        self.written: dict[str, dict[str, Any]] = {}
        self.sticks: dict[str, Stick] = {}
        self.expected: dict[str, str] = {}
        self.before: Now | None = None

    def run(self) -> bool:
        """Whether every step did what it should."""
        at = ("-C", str(self.folder.root))
        return self.run_all(
            (
                ("check", lambda: simple("check", *at)),
                ("repo publish", lambda: simple("repo", "publish", *at)),
                ("write stick 1", lambda: self._write("1")),
                ("a bare server", self._bare),
                ("no network", self._secluded),
                ("stick 1 is lost", self._lose_the_first),
                ("install stick 1", lambda: self._install("1", first=True)),
                ("laptops join", lambda: self._said(ready_laptop(self.lab, self.host, self.folder))),
                ("verify", lambda: verify(self.lab, self.folder)),
                ("children register", self._register),
                ("write stick 2", lambda: self._write_newer("2", since="1")),
                ("upgrade from stick 2", lambda: self._install("2")),
                ("verify the upgrade", lambda: verify(self.lab, self.folder)),
                ("stick 1 again", lambda: self._refused("1", "older")),
                ("write a foreign stick", self._write_foreign),
                ("foreign stick", lambda: self._refused("foreign", "belongs to")),
                ("write stick 3, broken", lambda: self._write_newer("3", since="2", broken=True)),
                ("broken upgrade", self._broken),
                ("verify what came back", lambda: verify(self.lab, self.folder)),
                ("write stick 4", self._write_mended),
                ("stick 4 mends it", lambda: self._install("4")),
                ("verify at the end", lambda: verify(self.lab, self.folder)),
                ("still no network", self._secluded),
            )
        )

    # --- Sticks -----------------------------------------------------------------------------------------------------

    def _write(self, name: str, *, since: str | None = None, folder: Folder | None = None) -> Outcome:
        stick = Stick.make(self.work / f"stick-{name}")
        at = self.work / "mounted"
        words = ["repo", "bundle", str(at), "-C", str((folder or self.folder).root), "--json"]
        words += ["--school", self.host.name, *(("--since", self.written[since]["snapshot"]) if since else ())]
        # The password of another deployment's keys is no business of the deployer's own settings.
        own = ("env", f"XDG_CONFIG_HOME={self.work / 'config'}") if folder else ()
        report = report_of(stick.mounted(at, (*own, *own_argv(*words))))
        self.written[name], self.sticks[name] = report, stick
        size = f"{report['bytes'] / 2**20:.1f} MiB"
        kind = f"{report['kind']}, number {report['serial']}, {report['files']} files, {size}"
        return report["kind"] == ("incremental" if since else "complete"), kind, []

    def _write_newer(self, name: str, *, since: str, broken: bool = False) -> Outcome:
        self.expected = self.newer.add(int(name), broken=broken)
        ok, seen, details = self._write(name, since=since)
        whole = self.written["1"]["bytes"]
        small = self.written[name]["bytes"] * PIECE < whole
        return ok and small, f"{seen}, instead of {whole / 2**20:.1f} MiB", details

    def _write_mended(self) -> Outcome:
        self.newer.take_back(3)
        return self._write_newer("4", since="2")

    def _write_foreign(self) -> Outcome:
        """Another deployment's stick, for a school that happens to have the same name."""
        root = self.work / "foreign"
        keep_out = shutil.ignore_patterns("repository", ".sugar-deploy", "debs", "secrets")
        shutil.copytree(self.folder.root, root, ignore=keep_out, symlinks=True)
        folder = Folder(root)
        text = folder.file.read_text(encoding="utf-8")
        comment, brace, document = text.partition("{")
        described = json.loads(brace + document) | {"name": "another-country"}
        folder.file.write_text(comment + json.dumps(described, indent=2) + "\n", encoding="utf-8")
        return self._write("foreign", folder=folder)

    # --- The server -------------------------------------------------------------------------------------------------

    def _bare(self) -> Outcome:
        """Nothing is there but a minimal Debian with sshd and Python, not even the Internet's certificates."""
        purge = ("apt-get", "-qy", "purge", "--autoremove", *MORE_THAN_MINIMAL)
        self.server.machine.run(("env", "DEBIAN_FRONTEND=noninteractive", "SUDO_FORCE_REMOVE=yes", *purge))
        has = self.server.has()
        needed = set(self.host.packages) - MINIMAL
        found = sorted(name for name in has if name in needed or name.startswith(("python3-", "sugar", "lua")))
        found = [name for name in found if name != "python3-minimal"]
        return not found, f"{len(has)} packages, none of those that a school server needs besides", found

    def _secluded(self) -> Outcome:
        tried = prove_secluded(self.server.machine)
        details = [f"{'shut' if each.shut else 'OPEN'}: {each.tried}: {each.seen}" for each in tried]
        return all(each.shut for each in tried), f"{len(tried)} ways out, all shut", details

    def _lose_the_first(self) -> Outcome:
        said = self.server.install_and_lose_the_stick(self.sticks["1"], first=True)
        ok = said.status == 1 and "cannot be read" in said.text and "Traceback" not in said.text
        return ok, said.error, said.lines

    def _install(self, name: str, *, first: bool = False) -> Outcome:
        before = self.before
        said = self.server.install(self.sticks[name], first=first)
        if said.status:
            return False, f"status {said.status}", said.lines
        now = self.server.now()
        wrong = [f"{package} is {now.packages.get(package)}" for package in self._due(now)]
        wrong += [f"failed: {now.failed}"] if now.failed else []
        wrong += [f"{unit} is {how}" for unit, how in now.services.items() if how != "active"]
        if now.record is None or now.record["serial"] != self.written[name]["serial"]:
            wrong.append(f"the server has recorded {now.record}")
        if before:
            wrong += now.differs(before, "packages", "settings", "services", "record")
        self.before = now
        return not wrong, f"number {self.written[name]['serial']}, {len(now.packages)} packages", wrong

    def _due(self, now: Now) -> dict[str, str]:
        """Packages that should be newer than they are."""
        return {name: version for name, version in self.expected.items() if now.packages.get(name) != version}

    def _register(self) -> Outcome:
        """Children register and meet; what the server keeps of them must outlast everything that follows."""
        for child in CHILDREN:
            who = ("--server", self.host.fqdn, "--profile", f"/root/{child}")
            self.laptop.run(("sugaroid", "register", *who, "--nick", child))
            self.laptop.run(("sugaroid", "online", *who, "--seconds", "2"))
        self.before = now = self.server.now()
        nicks = sorted(each["nick"] for each in now.registrations or [])
        ok = nicks == sorted(CHILDREN) and len(now.accounts) >= len(CHILDREN)
        return ok, f"{len(nicks)} registrations, {len(now.accounts)} accounts", [*nicks, *now.accounts]

    def _refused(self, name: str, word: str) -> Outcome:
        said = self.server.install(self.sticks[name])
        differs = self.server.now().differs(self._known())
        ok = said.status in {1, 2} and word in said.text and "Traceback" not in said.text and not differs
        return ok, said.error, [*differs, *said.lines]

    def _broken(self) -> Outcome:
        """It fails, says so, and is as it was."""
        said = self.server.install(self.sticks["3"])
        differs = self.server.now().differs(self._known())
        back_to = f"rolled back to snapshot {self.written['2']['snapshot']}"
        told = back_to in said.text and CAUSE in said.text and "Traceback" not in said.text
        verdict = next((line.strip() for line in said.lines if back_to in line), said.error)
        return said.status == 1 and told and not differs, verdict, [*differs, *said.lines]

    def _known(self) -> Now:
        if self.before is None:
            raise DeployError("Nothing is known yet of the server")
        return self.before

    def _said(self, text: str) -> Outcome:
        return True, text, []
