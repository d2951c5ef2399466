"""sugar-deploy's own wheel: the same source gives the same bytes."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path, PurePosixPath

import sugar_deploy
from sugar_deploy import __version__
from sugar_deploy.errors import DeployError
from sugar_deploy.repository.sources import entries

_EPOCH = "1577836800"  # 2020-01-01: a zip file cannot say anything before 1980, and any fixed day will do
_ZIP_TIME = (2020, 1, 1, 0, 0, 0)
_ROOMS = ("sugar_deploy", "inventories", "playbooks", "roles", "collections", "image")
_SETTINGS = ("pyproject.toml", "README.md")


def own_wheel(cache: Path, backend: Callable[[], Sequence[Path]], say: Callable[[str], None]) -> Path:
    """The wheel of this very sugar-deploy, built from its checkout or packed again from its installation."""
    root = Path(sugar_deploy.__file__).resolve().parent.parent
    if not (root / "pyproject.toml").is_file():
        return _repacked(cache)
    with tempfile.TemporaryDirectory() as name:
        clean = Path(name) / "source"
        digest = _copy_clean(root, clean)
        wheel = cache / digest / f"sugar_deploy-{__version__}-py3-none-any.whl"
        if not wheel.is_file():
            say("Building sugar-deploy's own wheel")
            _build(clean, backend(), wheel)
        return wheel


def _copy_clean(root: Path, target: Path) -> str:
    """Copy what the wheel is made from; its hash."""
    target.mkdir()
    # The packages' leavings are named from each package's own folder.
    packages = [f"packages/{path.name}" for path in sorted((root / "packages").iterdir()) if path.is_dir()]
    for room in (*_ROOMS, *packages):
        (target / room).mkdir(parents=True)
        for relative, path in entries(root / room):
            _copy(path, target / room / relative)
    for name in _SETTINGS:
        shutil.copyfile(root / name, target / name)
    total = hashlib.sha256()
    for path in sorted(target.rglob("*")):
        if path.is_file():
            path.chmod(0o755 if os.access(path, os.X_OK) else 0o644)
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            total.update(f"{path.relative_to(target)} {path.stat().st_mode:o} {content}\n".encode())
    return total.hexdigest()[:16]


def _copy(path: Path, copy: Path) -> None:
    if path.is_dir():
        copy.mkdir()
    else:
        shutil.copy(path, copy)


def _build(source: Path, backend: Sequence[Path], wheel: Path) -> None:
    from sugar_deploy.bundle.wheels import pip

    wheel.parent.mkdir(parents=True, exist_ok=True)
    # Nothing of this machine's settings for pip may tell how the wheel is made.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    environment = kept | {"PIP_CONFIG_FILE": os.devnull, "SOURCE_DATE_EPOCH": _EPOCH}
    with tempfile.TemporaryDirectory(dir=wheel.parent) as draft:
        options = ["--no-deps", "--no-index", *(f"--find-links={path}" for path in backend)]
        purpose = "sugar-deploy's own wheel cannot be built"
        pip("wheel", "-w", draft, *options, str(source), purpose=purpose, environment=environment)
        next(Path(draft).glob("*.whl")).replace(wheel)


def _repacked(cache: Path) -> Path:
    """A wheel made from the installed files of this sugar-deploy."""
    try:
        installed = distribution("sugar-deploy")
    except PackageNotFoundError:
        raise DeployError("this sugar-deploy was not installed by pip, so that no wheel can be made of it") from None
    cache.mkdir(parents=True, exist_ok=True)
    wheel = cache / f"sugar_deploy-{installed.version}-py3-none-any.whl"
    draft = wheel.with_suffix(".part")
    record: list[str] = []
    with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as archive:
        names = sorted(str(path) for path in installed.files or () if _of_the_wheel(PurePosixPath(str(path))))
        for name in names:
            _add(archive, name, Path(str(installed.locate_file(name))), record)
        listing = next(_record_names(names))
        archive.writestr(_member(listing, executable=False), "".join(record) + f"{listing},,\n")
    draft.replace(wheel)
    return wheel


def _of_the_wheel(path: PurePosixPath) -> bool:
    made_by_pip = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}
    return ".." not in path.parts and path.suffix != ".pyc" and path.name not in made_by_pip


def _record_names(names: Sequence[str]) -> Iterator[str]:
    yield from (name.removesuffix("METADATA") + "RECORD" for name in names if name.endswith(".dist-info/METADATA"))


def _add(archive: zipfile.ZipFile, name: str, path: Path, record: list[str]) -> None:
    data = path.read_bytes()
    archive.writestr(_member(name, executable=os.access(path, os.X_OK)), data)
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    record.append(f"{name},sha256={digest},{len(data)}\n")


def _member(name: str, *, executable: bool) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, _ZIP_TIME)
    member.external_attr = (0o100755 if executable else 0o100644) << 16
    member.compress_type = zipfile.ZIP_DEFLATED
    return member
