"""A small signed repository, as a project carries it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

from sugar_deploy.render.carried import CarriedFile, attach_repository


class Archive:
    """Publishes versions of one package into a project."""

    def __init__(self, work: Path, project: Path) -> None:
        self.work = work
        self.project = project
        self.home = work / "gnupg"
        self.home.mkdir(mode=0o700)
        self.environment = {**os.environ, "GNUPGHOME": str(self.home)}
        self._run("gpg", "--batch", "--passphrase", "", "--quick-generate-key", "lima", "rsa3072", "sign", "never")
        (project / "files").mkdir()
        (project / "files" / "repository-key.asc").write_bytes(self._run("gpg", "--armor", "--export"))

    def publish(self, version: str) -> None:
        """Replace the project's repository by one that holds this version."""
        root, deb, config = self.work / "aptly", self._deb(version), self.work / "aptly.conf"
        shutil.rmtree(root, ignore_errors=True)
        config.write_text(json.dumps({"rootDir": str(root), "gpgProvider": "gpg2", "skipContentsPublishing": True}))
        for suite in ("bookworm", "trixie"):
            self._aptly("repo", "create", suite)
            self._aptly("repo", "add", suite, str(deb))
            options = [f"-distribution={suite}", "-architectures=amd64,all", "-origin=lima", "-batch"]
            self._aptly("publish", "repo", *options, suite)
        tree = root / "public"
        (tree / "snapshot").write_text(f"{version}\n")
        paths = [path for path in tree.rglob("*") if path.is_file() and not path.is_symlink()]
        attach_repository(self.project, tree, [described(path, tree) for path in paths], ())

    def close(self) -> None:
        """End GnuPG's agent, which outlives its callers."""
        self._run("gpgconf", "--kill", "all")

    def _deb(self, version: str) -> Path:
        tree = self.work / f"bell-{version}"
        (tree / "DEBIAN").mkdir(parents=True, exist_ok=True)
        fields = {"Package": "bell", "Version": version, "Architecture": "all", "Description": "rings"}
        lines = [f"{name}: {value}\n" for name, value in {**fields, "Maintainer": "T <t@example.org>"}.items()]
        (tree / "DEBIAN" / "control").write_text("".join(lines))
        deb = self.work / f"bell_{version}_all.deb"
        self._run("dpkg-deb", "--build", "--root-owner-group", str(tree), str(deb))
        return deb

    def _aptly(self, *words: str) -> None:
        self._run("aptly", f"-config={self.work / 'aptly.conf'}", *words)

    def _run(self, *argv: str) -> bytes:
        done = subprocess.run(argv, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout


def described(path: Path, tree: Path) -> CarriedFile:
    """A file as a listing has it."""
    data = path.read_bytes()
    return CarriedFile(path.relative_to(tree).as_posix(), len(data), hashlib.sha256(data).hexdigest())
