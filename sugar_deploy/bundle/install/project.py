"""The bundle's Ansible project, unpacked on the server and joined to the repository that was taken."""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path

from sugar_deploy.bundle.manifest import BadManifest
from sugar_deploy.render.carried import CarriedFile, attach_repository


def lay_out(archive: Path, project: Path, school: str, repository: Path, files: tuple[CarriedFile, ...]) -> None:
    """Unpack a project of this school, and let it carry the REPOSITORY that lies on this server already.

    Raises BadManifest for an archive that cannot be a project of it.
    """
    _unpack(archive, project, school)
    attach_repository(project, repository, files, ())


def _unpack(archive: Path, project: Path, school: str) -> None:
    """Unpack a project in place of the former one; for its owner only: it names children.

    Raises BadManifest for an archive that holds anything but files in folders, or not this school.
    """
    draft = project.with_name(f".{project.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                _unpack_one(tar, member, draft)
        if not (draft / "site.yml").is_file():
            raise BadManifest("the bundle's project has no site.yml", "Write the stick again")
        if not (draft / "inventory" / "host_vars" / f"{school}.json").is_file():
            raise BadManifest(f"the bundle's project does not have the school {school}", "Write the stick again")
        shutil.rmtree(project, ignore_errors=True)
        draft.rename(project)
    except tarfile.TarError as error:
        raise BadManifest(f"the bundle's project cannot be unpacked: {error}", "Write the stick again") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _unpack_one(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    parts = Path(member.name).parts
    if member.name.startswith("/") or ".." in parts or not (member.isreg() or member.isdir()):
        raise BadManifest(f"the bundle's project holds {member.name!r}, which is no file of it", "Write it again")
    target = folder.joinpath(*parts)
    if member.isdir():
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        return
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    source = tar.extractfile(member)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o700 if member.mode & 0o100 else 0o600)
    with os.fdopen(descriptor, "wb") as out:
        if source:
            shutil.copyfileobj(source, out)
