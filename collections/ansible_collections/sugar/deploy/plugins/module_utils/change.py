# SPDX-License-Identifier: GPL-3.0-or-later
"""A change of a service's configuration: checked, swapped in, proved, or put back."""

from __future__ import annotations

import os
import time

from ansible_collections.sugar.deploy.plugins.module_utils.candidate import Candidate
from ansible_collections.sugar.deploy.plugins.module_utils.files import ConfigError, read_state
from ansible_collections.sugar.deploy.plugins.module_utils.unit import prove

UNIT_FILES = "/etc/systemd/system/"


class Failed(Exception):
    """The change failed; `facts` go into the module's result."""

    def __init__(self, message, **facts):
        super().__init__(message)
        self.facts = facts


class Change:
    """What has to be done so that the service runs with the wanted files, and the doing of it."""

    def __init__(self, service, wanted, unit, previous, health, running=True, enabled=True, action="restart",
                 force=False):  # fmt: skip
        self.service = service
        self.unit = unit
        self.previous = previous
        self.health = health
        self.running = running
        self.enabled = enabled
        self.action = action
        self.force = force
        self.wanted = wanted
        self.states = {file.path: read_state(file.path) for file in wanted}
        self.files = [file for file in wanted if not file.is_met_by(self.states[file.path])]
        self.pending = previous.pending()
        self.exists = unit.exists()
        self.was_active = self.exists and unit.is_active()
        self.was_enabled = self.exists and unit.is_enabled()

    @property
    def needed(self):
        """Whether anything at all is to be done."""
        moved = (self.was_active, self.was_enabled) != (self.running, self.enabled)
        if not self.running and not self.exists:
            moved = False
        return bool(self.files or self.pending or moved or (self.force and self.running))

    @property
    def brings_unit(self):
        """Whether the unit itself is among the wanted files."""
        return any(file.path == UNIT_FILES + self.unit.name and file.content is not None for file in self.wanted)

    @property
    def to_prove(self):
        """Whether the service has to come up anew."""
        return self.running and bool(self.files or self.pending or self.force or not self.was_active)

    def diff(self):
        """What --diff shows."""
        shown = [file.diff_from(self.states[file.path]) for file in self.files]
        was, will = _manner(self.was_active, self.was_enabled), _manner(self.running, self.enabled)
        if was != will and (self.exists or self.running):
            shown.append({"before": was, "after": will, "before_header": self.unit.name,
                          "after_header": self.unit.name})  # fmt: skip
        return shown

    def validate(self, argv, trees):
        """Have the candidate checked; returns whether it was."""
        if not argv or not self.to_prove:
            return False
        complaint = Candidate(self.wanted, trees).check(argv)
        if complaint is not None:
            raise Failed(
                f"{self.service}: its own checker refuses the new configuration, so nothing was changed: {complaint}",
                validated=False, rolled_back=False,
            )  # fmt: skip
        return True

    def carry_out(self):
        """Do it; raises Failed, with everything as it was before, when the service does not come up."""
        if not self.running:
            self._stop()
            return
        if not self.exists and not self.brings_unit:
            raise Failed(
                f"{self.service}: there is no unit {self.unit.name}. Install the service's package first",
                rolled_back=False,
            )
        if self.to_prove:
            self._swap_and_prove()
        if self.was_enabled != self.enabled:
            self._insist(self.unit.enable(self.enabled), "enable" if self.enabled else "disable")

    def _stop(self):
        if self.exists:
            if self.was_active:
                self._insist(self.unit.act("stop"), "stop")
            if self.was_enabled:
                self._insist(self.unit.enable(False), "disable")
        self._write()
        self.previous.proved()

    def _insist(self, outcome, what):
        status, output = outcome
        if status != 0:
            raise Failed(f"{self.service}: cannot {what} {self.unit.name}: {output}", rolled_back=False)

    def _write(self):
        for file in self.files:
            file.write()
        self._reread_units()

    def _reread_units(self):
        paths = [file.path for file in self.files] + list((self.pending or {}).get("files", ()))
        if any(path.startswith(UNIT_FILES) for path in paths):
            self.unit.daemon_reload()

    def _swap_and_prove(self):
        since = time.time()
        swapped = bool(self.files or self.pending)
        if swapped:
            self.previous.keep([file.path for file in self.files], self.was_active)
        try:
            self._write()
        except (OSError, ConfigError) as error:
            wrong = f"the files could not be written: {error}"
        else:
            wrong = self._come_up()
        if wrong is None:
            self.previous.proved()
            return
        journal = self.unit.journal(since)
        if swapped:
            raise self._put_back(wrong, journal)
        raise Failed(
            f"{self.service}: {wrong}, with an unchanged configuration.{_quoted(journal)}", rolled_back=False
        )

    def _come_up(self):
        action = self.action if self.files or self.pending or self.force else "start"
        status, output = self.unit.act(action)
        wrong = prove(self.unit, self.health)
        return wrong if wrong is None or status == 0 else f"{wrong}; {output}"

    def _put_back(self, wrong, journal):
        begin = f"{self.service} did not come up with the new configuration: {wrong}."
        active = self.previous.pending()["active"]
        if not active:
            # While its unit is still the one that was started.
            self.unit.act("stop")
        try:
            self.previous.put_back()
        except OSError as error:
            return Failed(
                f"{begin} And the previous one could not be put back: {error}. It is kept in "
                f"{self.previous.folder}.{_quoted(journal)}", rolled_back=False,
            )  # fmt: skip
        self._reread_units()
        since = time.time()
        if active:
            self.unit.act("restart")
        still = prove(self.unit, self.health) if active else None
        self.previous.proved()
        if still is not None:
            return Failed(
                f"{begin} The previous configuration was put back, but the service does not come up with it either: "
                f"{still}.{_quoted(journal + chr(10) + self.unit.journal(since))}", rolled_back=True, running=False,
            )  # fmt: skip
        runs = "and the service runs with it" if active else "and the service is stopped, as it was"
        return Failed(
            f"{begin} The previous configuration was put back {runs}.{_quoted(journal)}",
            rolled_back=True, running=active,
        )  # fmt: skip


def _quoted(journal):
    return f" The service's last words:\n{journal.strip()}" if journal.strip() else ""


def _manner(active, enabled):
    return f"{'running' if active else 'stopped'}, {'started at boot' if enabled else 'not started at boot'}\n"


def can_check(change, trees):
    """Whether, in check mode, the service is there so far that its checker can be asked."""
    return change.exists and all(os.path.exists(tree) for tree in trees)
