"""Builds packages and a repository that rpm 4.4 to 4.10 and yum 3.2 to 3.4 can read, with the tools of today.

What is done for them: the payload is gzip, files have MD5 digests (the only ones that rpm 4.4 knows; what protects
them is the signature over all of it), signatures cover header and payload together as well as the header alone,
and the repository's checksums are of the type that yum calls "sha" and has known in every release.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import sugar_deploy
from sugar_deploy.errors import DeployError
from sugar_deploy.keys.gpg import clean_environment
from sugar_deploy.keys.rpm_key import RpmKey
from sugar_deploy.repository.rpm.files import RpmFile
from sugar_deploy.repository.rpm.spec import RELEASE, RpmPackage, spec

RPM_TOOLS = {"rpmbuild": "rpm", "rpmsign": "rpm", "createrepo_c": "createrepo-c"}
_IMPORTED_FROM = Path(sugar_deploy.__file__).resolve().parent.parent
_MACROS = {
    "_binary_payload": "w9.gzdio",
    "_binary_filedigest_algorithm": "1",
    "_buildhost": "reproducible",
    "_build_id_links": "none",
    "__os_install_post": "%{nil}",
    "debug_package": "%{nil}",
    "use_source_date_epoch_as_buildtime": "1",
    "clamp_mtime_to_source_date_epoch": "1",
}


def build_rpm(package: RpmPackage, version: str, epoch: int, area: Path, key: RpmKey) -> Path:
    """A signed package, built in the empty folder AREA; EPOCH is the date of all that it holds, in seconds."""
    sources = area / "SOURCES"
    for file in package.files:
        _place(file, sources / "root")
    description = area / f"{package.name}.spec"
    description.write_text(spec(package, version))
    environment = _environment(area, epoch)
    _run(rpmbuild_argv(area, description), environment)
    built = area / "RPMS" / "noarch" / f"{package.name}-{version}-{RELEASE}.noarch.rpm"
    with key.descriptor() as held:
        _run(rpmsign_argv(held, epoch, built), environment | {"PYTHONPATH": str(_IMPORTED_FROM)}, held)
    built.chmod(0o644)
    os.utime(built, (epoch, epoch))
    return built


def _place(file: RpmFile, root: Path) -> None:
    target = root / file.path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(file.text)


def rpmbuild_argv(area: Path, description: Path) -> tuple[str, ...]:
    """rpmbuild for a package of files alone, the same bytes each time."""
    defined = _defined({"_topdir": str(area), **_MACROS})
    return ("rpmbuild", "--quiet", "--nodeps", "--target", "noarch-linux", *defined, "-bb", str(description))


def rpmsign_argv(descriptor: int, epoch: int, package: Path) -> tuple[str, ...]:
    """rpmsign with a program of ours in GnuPG's place, which has the key from a descriptor.

    --rpmv3 adds the signature over header and payload together, which old rpms check.
    """
    signer = f'"{sys.executable}" "{sys.executable}" -m sugar_deploy.keys.rpm_sign /dev/fd/{descriptor} {epoch}'
    macros = {
        "_gpg_name": "rpm",
        "__gpg_sign_cmd": f'{signer} "%{{__plaintext_filename}}" "%{{__signature_filename}}"',
    }
    return ("rpmsign", *_defined(macros), "--rpmv3", "--addsign", str(package))


def _defined(macros: dict[str, str]) -> list[str]:
    return [word for name, value in macros.items() for word in ("--define", f"{name} {value}")]


def index(folder: Path, epoch: int, key: RpmKey) -> None:
    """Make the folder a yum repository, its index signed."""
    _run(createrepo_argv(folder, epoch), _environment(folder, epoch))
    repomd = folder / "repodata" / "repomd.xml"
    key.sign_file(repomd, repomd.with_name("repomd.xml.asc"), epoch)


def createrepo_argv(folder: Path, epoch: int) -> tuple[str, ...]:
    """createrepo_c as createrepo was: gzip, and checksums of type sha.

    Without databases: yum up to 3.2 takes every one for bzip2, whatever its name says, and reads the XML of so few
    packages in an instant.
    """
    old = ("--checksum=sha", "--repomd-checksum=sha", "--general-compress-type=gz", "--no-database")
    same = (f"--revision={epoch}", "--set-timestamp-to-revision")
    return ("createrepo_c", "--quiet", "--workers=1", *old, *same, str(folder))


def _environment(home: Path, epoch: int) -> dict[str, str]:
    """The same for every deployer: no macros and no settings of theirs."""
    return clean_environment() | {"HOME": str(home), "SOURCE_DATE_EPOCH": str(epoch), "LC_ALL": "C.UTF-8"}


def _run(argv: Sequence[str], environment: dict[str, str], *inherited: int) -> None:
    result = subprocess.run(
        argv,
        env=environment,
        pass_fds=inherited,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        umask=0o022,
    )
    if result.returncode:
        said = "\n".join((result.stdout + result.stderr).strip().splitlines()[-10:])
        raise DeployError(f"{argv[0]} failed (status {result.returncode}):\n{said}\n")
