"""A small system as `image build` composes one: owners, modes, links, a device, a capability, a kernel."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath

from sugar_deploy.files import sha256_of

EPOCH = 1_600_000_000
X86 = bytes(0x202) + b"HdrS" + bytes(600)
ARM = bytes(0x24) + b"\x18\x28\x6f\x01" + bytes(600)
CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")
"""cap_net_raw=ep, as `setcap` writes it."""
SNAPSHOT = "2020-09-13"


def compose(
    folder: Path,
    model: str,
    kernel: bytes = X86,
    ramdisk: bytes = b"070701 a ramdisk",
    more: Mapping[str, bytes] = {},
    packages: Sequence[str] = (),
    attributes: Mapping[str, Mapping[str, bytes]] = {},
) -> Path:
    """The folder of a composed image."""
    folder.mkdir()
    with tarfile.open(folder / "root.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        for name in ("", "bin", "boot", "dev", "etc", "home"):
            _add(tar, f"./{name}", kind=tarfile.DIRTYPE, mode=0o755)
        _add(tar, "./boot/vmlinuz-6.1", kernel)
        _add(tar, "./boot/initrd.img-6.1", ramdisk)
        _add(tar, "./boot/vmlinuz", kind=tarfile.SYMTYPE, link="vmlinuz-6.1")
        _add(tar, "./boot/initrd.img", kind=tarfile.SYMTYPE, link="initrd.img-6.1")
        _add(tar, "./bin/su", b"su", mode=0o4755)
        _add(tar, "./bin/also-su", kind=tarfile.LNKTYPE, link="./bin/su")
        _add(tar, "./bin/ping", b"ping", mode=0o755, attributes={"security.capability": CAPABILITY})
        _add(tar, "./dev/null", kind=tarfile.CHRTYPE, mode=0o666, device=(1, 3))
        _add(tar, "./etc/shadow", b"*", mode=0o640, owner=(0, 42))
        _add(tar, "./home/ana", kind=tarfile.DIRTYPE, mode=0o700, owner=(1000, 1000))
        _add(tar, './home/ana/a "quoted" name', b"ana", owner=(1000, 1000))
        there = {".", *(f"./{name}" for name in ("bin", "boot", "dev", "etc", "home"))}
        for name, content in more.items():
            for parent in reversed(PurePath(name).parents):
                path = "." if str(parent) == "." else f"./{parent}"
                if path not in there:
                    _add(tar, path, kind=tarfile.DIRTYPE, mode=0o755)
                    there.add(path)
            _add(tar, name, content, attributes=attributes.get(name, {}))
    recipe = {"model": model, "suite": "bookworm", "architecture": "i386", "snapshot": SNAPSHOT, "stages": []}
    listed = [{"name": one, "version": "1", "architecture": "all", "source": one} for one in packages]
    listed += [
        {"name": "dash", "version": "0.5.12-2", "architecture": "i386", "source": "dash"},
        {"name": "sucrose", "version": "0.120-1", "architecture": "all", "source": "sugar", "licenses": ["GPL-3+"]},
    ]
    (folder / "recipe.json").write_text(json.dumps(recipe), "utf-8")
    (folder / "packages.json").write_text(json.dumps(listed), "utf-8")
    return folder


def lay_settings(image: Path, settings: Mapping[str, bytes | None]) -> None:
    """Give a composed image settings: a file's bytes, or nothing for a folder; and a link, /etc/issue."""
    with tarfile.open(image / "settings.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in settings.items():
            kind = tarfile.DIRTYPE if content is None else tarfile.REGTYPE
            _add(tar, name, content or b"", kind=kind, mode=0o640 if content else 0o755, date=EPOCH)
        _add(tar, "./etc/issue", kind=tarfile.SYMTYPE, mode=0o777, link="motd", date=EPOCH)
    hashes = {f"{name}_sha256": sha256_of(image / f"{name}.tar") for name in ("root", "settings")}
    recipe = json.loads((image / "recipe.json").read_text()) | hashes | {"source_date_epoch": EPOCH}
    (image / "recipe.json").write_text(json.dumps(recipe), "utf-8")


def _add(
    tar: tarfile.TarFile,
    name: str,
    content: bytes = b"",
    *,
    kind: bytes = tarfile.REGTYPE,
    mode: int = 0o644,
    owner: tuple[int, int] = (0, 0),
    link: str = "",
    device: tuple[int, int] = (0, 0),
    attributes: Mapping[str, bytes] = {},
    date: int = 0,
) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.linkname, member.size = kind, mode, link, len(content)
    member.uid, member.gid = owner
    member.devmajor, member.devminor = device
    member.mtime = date or EPOCH - (0 if name == "./boot/vmlinuz-6.1" else 3600)
    member.pax_headers = {
        f"SCHILY.xattr.{attribute}": value.decode("utf-8", "surrogateescape")
        for attribute, value in attributes.items()
    }
    tar.addfile(member, io.BytesIO(content))
