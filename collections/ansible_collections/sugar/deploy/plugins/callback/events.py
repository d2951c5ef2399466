# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes what happens as JSON lines to the file descriptor that sugar-deploy hands over."""

from __future__ import annotations

DOCUMENTATION = r"""
name: events
type: aggregate
short_description: What happens, as JSON lines, for sugar-deploy
description:
  - Writes one JSON object a line to the file descriptor named by E(SUGAR_DEPLOY_EVENTS_FD). Silent without it.
  - Results are cut down to what a report needs. Arguments of modules are never written, and nothing of a task
    with C(no_log).
"""

import json
import os
import time

from ansible.plugins.callback import CallbackBase

TEXT_LIMIT = 20_000


class CallbackModule(CallbackBase):
    """One event per task's start and per host's result."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "sugar.deploy.events"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._descriptor = int(os.environ.get("SUGAR_DEPLOY_EVENTS_FD", "-1"))
        self._started = {}
        if self._descriptor < 0:
            self.disabled = True

    def _emit(self, event, **fields):
        record = {"event": event, "time": round(time.time(), 3), **fields}
        data = (json.dumps(record, default=str) + "\n").encode()
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError:
            # sugar-deploy is gone; its guard ends this run.
            self.disabled = True

    @staticmethod
    def _phase(task):
        return task._role.get_name() if task._role else ""

    def _result(self, status, result, **extra):
        body = result._result
        task = result._task
        hidden = bool(getattr(task, "no_log", False) or body.get("_ansible_no_log"))
        host = result._host.get_name()
        started = self._started.pop((host, task._uuid), None)
        fields = {
            "host": host,
            "phase": self._phase(task),
            "task": task.get_name(),
            "action": task.action,
            "status": status,
            "changed": bool(body.get("changed")),
            "seconds": round(time.time() - started, 3) if started else None,
            **extra,
        }
        if status in {"failed", "unreachable"}:
            fields["message"] = "censored (no_log)" if hidden else self._message(body)
        if body.get("changed") and "diff" in body and not hidden:
            fields["diff"] = self._strip(self._get_diff(body["diff"]))
        if body.get("warnings") and not hidden:
            fields["warnings"] = [self._strip(warning) for warning in body["warnings"]]
        self._emit("result", **fields)

    @staticmethod
    def _strip(text):
        # Bytes that are no UTF-8 arrive as lone surrogates, which no terminal and no file takes.
        return str(text)[:TEXT_LIMIT].encode("utf-8", "backslashreplace").decode()

    def _message(self, body):
        failed_items = [item for item in body.get("results", []) if isinstance(item, dict) and item.get("failed")]
        if failed_items:
            return self._strip("; ".join(self._message(item) for item in failed_items))
        parts = [str(body.get("msg", "")).strip(), str(body.get("stderr", "")).strip()]
        return self._strip("\n".join(part for part in parts if part)) or "no message"

    def v2_playbook_on_play_start(self, play):
        self._emit("play", name=play.get_name())

    def v2_runner_on_start(self, host, task):
        self._started[host.get_name(), task._uuid] = time.time()
        self._emit("task", host=host.get_name(), phase=self._phase(task), task=task.get_name())

    def v2_runner_on_ok(self, result):
        self._result("ok", result)

    def v2_runner_on_skipped(self, result):
        self._result("skipped", result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._result("failed", result, ignored=bool(ignore_errors))

    def v2_runner_on_unreachable(self, result):
        self._result("unreachable", result)

    def v2_runner_retry(self, result):
        self._emit("retry", host=result._host.get_name(), task=result._task.get_name())

    def v2_playbook_on_stats(self, stats):
        hosts = sorted(stats.processed)
        self._emit("stats", hosts={host: stats.summarize(host) for host in hosts})
