"""The yum repository of a deployment: built once for each state of its settings, then copied into place."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from sugar_deploy.files import write_atomically
from sugar_deploy.folder import Folder
from sugar_deploy.keys.gpg import Gpg
from sugar_deploy.keys.rpm_key import RpmKey, rpm_key
from sugar_deploy.keys.secrets import Secrets
from sugar_deploy.repository.configuration.record import Generated, read_record, write_record
from sugar_deploy.repository.rpm.build import RPM_TOOLS, build_rpm, index
from sugar_deploy.repository.rpm.layout import PUBLISHED_UNDER, SUMS, SUMS_SIGNATURE, key_name
from sugar_deploy.repository.rpm.spec import RpmPackage, content_digest, rpm_packages
from sugar_deploy.repository.tools import require
from sugar_deploy.repository.tree import remove
from sugar_deploy.scenario.plan import Plan

Say = Callable[[str], None]
RECORD = "versions.json"
_RECORDED = "yum"


def built_yum(
    folder: Folder, plan: Plan, say: Say, secrets: Secrets | None = None, *, clock: Callable[[], float] = time.time
) -> Path | None:
    """The folder of the deployment's yum repository, built if need be; its name is its version.

    None if there is no school to serve. To be called within the repository's lock.
    """
    if not plan.hosts:
        return None
    require(RPM_TOOLS, "packages for laptops on OLPC OS cannot be built")
    area = folder.repository / "yum"
    area.mkdir(parents=True, exist_ok=True)
    name = plan.deployment.name
    return yum_repository(plan, area, rpm_key(secrets or Secrets(folder, name), name), say, clock=clock)


def yum_repository(
    plan: Plan, area: Path, key: RpmKey, say: Say, *, clock: Callable[[], float] = time.time
) -> Path | None:
    """Build the repository in a folder of its own under AREA, unless it is there and whole."""
    public = key.public
    packages = rpm_packages(plan, public)
    if not packages:
        return None
    generated = dated(content_digest(packages), area / RECORD, clock())
    version = version_of(generated)
    into = area / version
    _clear(area, plan.deployment.repository.keep, into)
    if is_whole(into):
        return into
    say(f"Building {len(packages)} packages for laptops on OLPC OS, version {version}")
    with tempfile.TemporaryDirectory(prefix=f".{version}.", dir=area) as draft:
        tree = Path(draft) / "tree"
        tree.mkdir()
        _build(packages, generated, tree, key)
        (tree / key_name(plan.deployment.name)).write_text(public)
        write_atomically(tree / SUMS, sums(tree), 0o644)
        remove(into)
        tree.replace(into)
    return into


def _clear(area: Path, keep: int, wanted: Path) -> None:
    """Remove what killed builds left, and what is older than any snapshot that can be rolled back to."""
    folders = sorted(path for path in area.iterdir() if path.is_dir())
    for path in folders:
        if path.name.startswith("."):
            remove(path)
    built = [path for path in folders if not path.name.startswith(".") and path != wanted]
    for path in built[: -(keep - 1)]:
        remove(path)


def dated(content: str, record: Path, now: float) -> Generated:
    """When this content was generated: later than any other before it, the same while it stays the same."""
    before = read_record(record).get(_RECORDED)
    if before and before.content == content:
        return before
    found = Generated(content, max(int(now), before.epoch + 1) if before else int(now))
    write_record(record, {_RECORDED: found})
    return found


def version_of(generated: Generated) -> str:
    """A version for rpm: a sign of plus would be written otherwise in a URL."""
    return generated.version.replace("+", ".")


def _build(packages: Iterable[RpmPackage], generated: Generated, tree: Path, key: RpmKey) -> None:
    for package in packages:
        # Not beside the tree: rpmbuild's macros and scripts do not bear every name that a deployer's folder may have.
        with tempfile.TemporaryDirectory(prefix="rpm-") as area:
            built = build_rpm(package, version_of(generated), generated.epoch, Path(area), key)
            shutil.copy2(built, tree)
    index(tree, generated.epoch, key)


def sums(tree: Path) -> str:
    """Every file of a tree with its SHA-256, as sha256sum writes it."""
    files = sorted(path.relative_to(tree) for path in tree.rglob("*") if path.is_file() and path.name != SUMS)
    return "".join(f"{hashlib.sha256((tree / path).read_bytes()).hexdigest()}  {path}\n" for path in files)


def is_whole(built: Path) -> bool:
    """Whether a built repository is there as it was built."""
    try:
        return (built / SUMS).read_text() == sums(built)
    except OSError:
        return False


def add_yum(staged: Path, built: Path, gpg: Gpg, fingerprints: Iterable[str]) -> None:
    """Put a built yum repository into a staged tree, endorsed by the repository's own keys.

    To be called after the tree is staged and before it is verified.
    """
    target = staged / PUBLISHED_UNDER
    remove(target)
    shutil.copytree(built, target)
    signers = [word for fingerprint in fingerprints for word in ("--local-user", fingerprint)]
    output = ("--yes", "--armor", "--output", str(target / SUMS_SIGNATURE))
    gpg.run(*output, *signers, "--detach-sign", str(target / SUMS))
    for path in [target, *target.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
