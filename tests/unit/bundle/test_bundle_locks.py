"""The lists of Python packages for schools agree with the tool's own pins."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sugar_deploy.errors import DeployError
from sugar_deploy.locks import BUILD_LOCK, MACHINES, PYTHONS, debian_python_packages, lock_text
from sugar_deploy.locks.platforms import pip_arguments

ROOT = Path(__file__).resolve().parents[3]
TARGETS = [(suite, architecture) for suite in PYTHONS for architecture in MACHINES]
STAND_INS = {
    "PyYAML": "python3-yaml",
    "cryptography": "python3-cryptography",
}


def pins() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


@pytest.mark.parametrize(("suite", "architecture"), TARGETS)
def test_every_pin_of_the_tool_is_in_every_list(suite: str, architecture: str) -> None:
    listed = dict(
        re.findall(r"^([a-z0-9-]+)==(\S+) --hash=sha256:[0-9a-f]{64}$", lock_text(suite, architecture), re.M)
    )
    for name, version in pins().items():
        if STAND_INS.get(name) not in debian_python_packages(suite, architecture):
            assert listed[name.lower()] == version, "run: python -m sugar_deploy.locks"


@pytest.mark.parametrize("suite", PYTHONS)
def test_what_has_no_wheel_comes_from_debian(suite: str) -> None:
    assert debian_python_packages(suite, "amd64") == ()
    assert debian_python_packages(suite, "arm64") == ()
    assert {"python3-cryptography", "python3-yaml"} <= set(debian_python_packages(suite, "i386"))
    assert {"python3-cryptography", "python3-yaml"} <= set(debian_python_packages(suite, "armhf"))


@pytest.mark.parametrize(("suite", "architecture"), TARGETS)
def test_nothing_is_both_wheel_and_debian_package(suite: str, architecture: str) -> None:
    names = {"python3-nacl": "pynacl", "python3-yaml": "pyyaml"}
    listed = set(re.findall(r"^([a-z0-9-]+)==", lock_text(suite, architecture), re.M))
    stand_ins = {names.get(one, one.removeprefix("python3-")) for one in debian_python_packages(suite, architecture)}
    assert not listed & stand_ins


def test_a_target_without_a_list_is_told() -> None:
    with pytest.raises(DeployError, match="no list of Python packages for sid on riscv64"):
        lock_text("sid", "riscv64")


def test_the_build_backend_is_pinned() -> None:
    assert re.search(r"^hatchling==\S+ --hash=sha256:[0-9a-f]{64}$", BUILD_LOCK.read_text(), re.M)


def test_pip_asks_for_wheels_of_the_other_machine() -> None:
    arguments = pip_arguments("3.13", "armhf")
    assert {"--platform=manylinux_2_17_armv7l", "--abi=cp313", "--abi=abi3", "--python-version=3.13"} <= set(
        arguments
    )
    assert "--only-binary=:all:" in arguments
    # glibc of bookworm is 2.36: what asks for a newer one would not start there.
    assert not any("manylinux_2_37" in one for one in arguments)
