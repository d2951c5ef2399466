# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back from an upgrade: repository, packages, settings, data and services as they were.

Each step may be repeated: a plug pulled in the middle leaves the restore point, marked, and the next run goes on.
"""

from __future__ import annotations

from ansible_collections.sugar.deploy.plugins.module_utils import record
from ansible_collections.sugar.deploy.plugins.module_utils.apt import DPKG_KEEPS
from ansible_collections.sugar.deploy.plugins.module_utils.files import write
from ansible_collections.sugar.deploy.plugins.module_utils.restore import PIN
from ansible_collections.sugar.deploy.plugins.module_utils.unit import Health, Unit, prove

PERMITTED = ("--allow-downgrades", "--allow-change-held-packages", "-o", "APT::Get::AutomaticRemove=false")


class Comeback:
    """What has to come back, and the bringing back."""

    def __init__(self, apt, point, previous, source, carried):
        self.apt, self.point, self.previous, self.source, self.carried = apt, point, previous, source, carried
        self.content = point.read()
        self.left = []
        self.unfinished = False

    def carry_out(self):
        """Bring everything back; returns what could not be. The restore point goes when there is no use for it."""
        self.point.begin_return(self.content)
        # Nothing of the new state may touch the data any more, not even from a package's scripts.
        units = [unit for unit in map(Unit, self.content["units"]) if unit.exists()]
        self._still(units)
        try:
            self._repository()
            if self._packages():
                self._data()
            else:
                # Programs of the new state would spoil them once more.
                self.left.append("settings and data wait in the restore point until they are")
        finally:
            # Every path is whole at any time: a school is not left without its services for want of room.
            self._start(units)
        record.forget_journal(self.point.base)
        if not self.unfinished:
            self.previous.proved()
            self.point.remove()
        return self.left

    def _fail(self, complaint):
        """Something that another go may bring back."""
        self.left.append(complaint)
        self.unfinished = True

    def _data(self):
        if stays := self.point.put_back(self.content):
            self.left.append(f"what was there meanwhile stays in {', '.join(stays)}")

    def _still(self, units):
        for unit in units:
            unit.act("stop")
            self.apt.run(["systemctl", "mask", "--runtime", "--", unit.name])

    def _repository(self):
        if self.previous.pending():
            self.previous.put_back()
        if not self.carried:
            # At its URL is the state that failed: nothing may take it from there until the next run tries again.
            names = sorted({name for name, _old, _new in self.content["changes"]})
            pins = [f"Package: {name}\nPin: version {self._was(name)}\nPin-Priority: 1001\n" for name in names
                    if self._was(name)]  # fmt: skip
            write(PIN, "\n".join(pins).encode(), 0o644, 0, 0)
        else:
            self.apt.forget_lists(self.source)
        complaint = self.apt.update(self.source)
        if complaint is not None:
            self.left.append(f"the package lists could not be read: {complaint}")

    def _was(self, name):
        versions = self.content["installed"]
        return next((version for key, version in sorted(versions.items()) if key.split(":")[0] == name), None)

    def _packages(self):
        """The former versions, and nothing that was not there; returns whether all that are to be had are back."""
        self.apt.configure()
        back, gone, lost = self._differing()
        if lost:
            self._fail(f"{', '.join(lost)} stay as they are: their former versions are not on this server")
        if not back and not gone:
            return True
        words = ["install", *PERMITTED, "--", *back.values(), *(f"{name}-" for name in gone)]
        complaint = self.apt.act(words)
        if complaint is not None and back:
            # apt may refuse a system that an interrupted script has left; dpkg takes packages one by one.
            self.apt.run(["dpkg", "--install", "--force-downgrade", "--force-remove-reinstreq", *DPKG_KEEPS,
                          *back.values()])  # fmt: skip
            self.apt.configure()
            complaint = self.apt.act(words)
        if automatic := [name for name in back if name not in set(self.content["by_hand"])]:
            self.apt.run(["apt-mark", "auto", *automatic])
        back, gone, _lost = self._differing() if complaint is not None else ({}, [], [])
        if back or gone:
            self._fail(f"the packages are not all back ({', '.join([*back, *gone])}): {complaint}")
        return not back and not gone

    def _differing(self):
        """Former versions to install, as files by name; packages to remove; names whose files are missing."""
        was = self.content["installed"]
        now = {f"{name}:{arch}": version for (name, arch), version in self.apt.installed().items()}
        back, lost = {}, []
        for key in sorted(was):
            name = key.split(":")[0]
            if now.get(key) != was[key]:
                file = self.point.deb(self.content, name)
                if file is None:
                    lost.append(name)
                else:
                    back[name] = file
        names = {key.split(":")[0] for key in was}
        gone = sorted({key.split(":")[0] for key in now} - names)
        unfinished = {name.split(":")[0] for name in self.apt.unfinished()}
        return back, sorted({*gone, *(unfinished - names)}), lost

    def _start(self, units):
        for unit in units:
            self.apt.run(["systemctl", "unmask", "--runtime", "--", unit.name])
        self.apt.run(["systemctl", "daemon-reload"])
        running = [unit for unit in units if unit.name in self.content["running"]]
        for unit in running:
            unit.act("restart")
        for unit in running:
            wrong = prove(unit, Health(steady_seconds=2.0 if unit.name.endswith(".service") else 0.0))
            if wrong is not None:
                self._fail(f"{unit.name} does not come up with them either: {wrong}")


def rolled_back(snapshot, left, unfinished=False):
    """What happened, in a sentence or two."""
    name = f"snapshot {snapshot}" if snapshot else "the packages from before"
    if not left:
        return f"rolled back to {name}: packages, settings and data are as they were, and the services run."
    again = " The restore point is kept, and the next apply tries again." if unfinished else ""
    return f"rolled back to {name}, but not wholly: {'; '.join(left)}.{again}"


def at_work(units):
    """The units that run."""
    return [name for name in units if Unit(name).exists() and Unit(name).is_active()]
