"""The layout of a deployment's folder: what the deployer writes, and what sugar-deploy keeps beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SNAPSHOT_RECORD = "snapshot.json"
"""What a published tree says of its packages."""


@dataclass(frozen=True, slots=True)
class Folder:
    """Names every path in a deployment's folder; creates none of them."""

    root: Path

    @property
    def file(self) -> Path:
        """The deployment file."""
        return self.root / "deployment.yml"

    @property
    def overrides(self) -> Path:
        """The deployer's drop-ins: overrides/<service>/*.conf."""
        return self.root / "overrides"

    @property
    def debs(self) -> Path:
        """The deployer's own packages, published beside ours: debs/*.deb."""
        return self.root / "debs"

    @property
    def certificates(self) -> Path:
        """The deployer's own certificates, which every machine trusts: certificates/*.crt."""
        return self.root / "certificates"

    @property
    def secrets(self) -> Path:
        """Vault-encrypted secrets, safe to keep in version control: secrets/*.yml."""
        return self.root / "secrets"

    @property
    def laptop_keys(self) -> Path:
        """The keys that laptops trust: public ones, and private ones encrypted by a passphrase."""
        return self.root / "keys"

    @property
    def demo_keys(self) -> Path:
        """Keys for demonstrations, which protect nothing."""
        return self.root / "keys-demo"

    @property
    def leases(self) -> Path:
        """Below it a folder for each school: what is brought to its server of leases and delegations."""
        return self.root / "leases"

    @property
    def stolen(self) -> Path:
        """The serial numbers of stolen laptops, a line each: they get no lease."""
        return self.root / "stolen.list"

    @property
    def authority(self) -> Path:
        """The certificate of the deployment's own authority for its servers."""
        return self.root / "authority.crt"

    @property
    def known_hosts(self) -> Path:
        """The pinned SSH host keys of this deployment's servers."""
        return self.root / "known_hosts"

    @property
    def repository(self) -> Path:
        """The signed APT repository's working area and published tree."""
        return self.root / "repository"

    @property
    def published(self) -> Path:
        """The published tree: what a web server or a stick serves."""
        return self.repository / "public"

    @property
    def repository_key(self) -> Path:
        """The public key (ASCII armoured) that signs the repository."""
        return self.repository / "key.asc"

    @property
    def state(self) -> Path:
        """What sugar-deploy keeps for itself; never edited by hand."""
        return self.root / ".sugar-deploy"

    @property
    def rendered(self) -> Path:
        """The rendered Ansible project: the default output of `render`."""
        return self.state / "rendered"

    @property
    def runs(self) -> Path:
        """One folder a run: events.jsonl, ansible.log, result.json."""
        return self.state / "runs"

    @property
    def backups(self) -> Path:
        """The schools' backups, a folder each; what `backup` writes unless it is told otherwise."""
        return self.root / "backups"

    @property
    def lock(self) -> Path:
        """The deployment's lock: owner, reason, time."""
        return self.state / "lock"
