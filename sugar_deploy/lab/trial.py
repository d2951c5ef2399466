"""All of it, tried: check, render, publish, apply, verify from the laptops, look from the uplink, apply again."""

from __future__ import annotations

from sugar_deploy.deployment.load import load
from sugar_deploy.folder import Folder
from sugar_deploy.lab.lab import Lab
from sugar_deploy.lab.laptop import ready_laptop
from sugar_deploy.lab.steps import Outcome, Say, Steps, own, report_of, simple, verify
from sugar_deploy.lab.uplinkproof import prove, prove_gateway, prove_no_dhcp
from sugar_deploy.scenario.resolve import resolve


class Trial(Steps):
    """A deployment in the lab."""

    def __init__(self, lab: Lab, folder: Folder, say: Say = lambda _: None) -> None:
        super().__init__(say)
        self.lab = lab
        self.folder = folder

    def run(self) -> bool:
        """Whether every step did what it should."""
        at = ("-C", str(self.folder.root))
        return self.run_all(
            (
                ("check", lambda: simple("check", *at)),
                ("render", lambda: simple("render", *at)),
                ("repo publish", lambda: simple("repo", "publish", *at)),
                ("apply", lambda: self._apply(again=False)),
                ("laptops join", self._laptops),
                ("verify from the laptops", lambda: verify(self.lab, self.folder)),
                ("look from the uplink", self._uplink),
                ("apply again", lambda: self._apply(again=True)),
            )
        )

    def _apply(self, *, again: bool) -> Outcome:
        done = own(("apply", "-C", str(self.folder.root), "--yes", "--json"))
        report = report_of(done)
        hosts = report["hosts"]
        changed = sum(host["changed"] for host in hosts.values())
        details = [
            f"{name}: {change.get('phase', '')}: {change['task']}"
            for name, host in sorted(hosts.items())
            for change in host["changes"]
        ]
        details += [
            f"{name}: {host['phase']}: {host['task']}: {host['message']}"
            for name, host in sorted(hosts.items())
            if host["message"]
        ]
        if done.returncode:
            details += [f"Log: {report['log']}", f"Replay: {report['command']}"]
        ok = done.returncode == 0 and not (again and changed)
        return ok, f"{report['status']}, changed={changed}", details

    def _laptops(self) -> Outcome:
        hosts = resolve(load(self.folder)).hosts
        seen = [ready_laptop(self.lab, host, self.folder) for host in hosts]
        return True, "; ".join(seen), seen

    def _uplink(self) -> Outcome:
        hosts = resolve(load(self.folder)).hosts
        checks = [check for host in hosts for check in prove(self.lab, host)]
        checks += [prove_gateway(self.lab, host) for host in hosts if host.school.lan]
        checks.append(prove_no_dhcp(self.lab))
        details = [f"{each.school}: {'ok' if each.ok else 'FAIL'}: {each.tried}: {each.seen}" for each in checks]
        return all(each.ok for each in checks), f"{sum(each.ok for each in checks)} of {len(checks)} checks", details
