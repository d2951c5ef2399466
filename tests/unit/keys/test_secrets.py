"""The secrets store: what it keeps, who may read it, and what it says when something is wrong."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest

from sugar_deploy.errors import DeployError, UsageError
from sugar_deploy.folder import Folder
from sugar_deploy.keys.secrets import Secrets


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config")}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "lima")


@pytest.fixture
def secrets(folder: Folder, environment: dict[str, str]) -> Secrets:
    return Secrets(folder, "lima", environment=environment)


def test_nothing_is_made_by_reading(secrets: Secrets, tmp_path: Path) -> None:
    assert secrets.find("salt") is None
    assert secrets.values() == ()
    assert secrets.existing_password_file() is None
    assert list(tmp_path.iterdir()) == []


def test_a_secret_comes_back_as_it_went_in(secrets: Secrets, folder: Folder, environment: dict[str, str]) -> None:
    hard = {"plain": "chalk", "multi": "one\n  two\n\nthree\n", "yes": "yes", "number": "0123", "jinja": "{{ x }}"}
    for name, value in hard.items():
        secrets.set(name, value)
    fresh = Secrets(folder, "lima", environment=environment)
    assert {name: fresh.get(name) for name in hard} == hard


def test_files_are_encrypted_and_private(secrets: Secrets, folder: Folder, tmp_path: Path) -> None:
    secrets.set("salt", "a-grain-of-salt")
    secrets.set_become_password("san-martin", "open-sesame")
    password_file = tmp_path / "config/sugar-deploy/lima/vault-password"
    for file in (folder.secrets / "deployment.yml", folder.secrets / "hosts.yml", password_file):
        assert file.stat().st_mode & 0o777 == 0o600
        assert b"grain" not in file.read_bytes()
        assert b"sesame" not in file.read_bytes()
    assert folder.secrets.stat().st_mode & 0o777 == 0o700
    assert (folder.secrets / "hosts.yml").read_text().startswith("$ANSIBLE_VAULT;1.1;AES256\n")
    assert len(password_file.read_text().strip()) >= 43, "256 bits"
    assert list(folder.secrets.glob(".*")) == []


def test_a_generated_secret_is_random_and_stays(secrets: Secrets) -> None:
    salt = secrets.generate("salt")
    assert len(salt) >= 43, "256 bits in base64"
    assert secrets.generate("salt") == salt
    assert secrets.generate("pepper") != salt


def test_become_passwords_are_kept_by_school(secrets: Secrets) -> None:
    secrets.set_become_password("san-martin", "one")
    secrets.set_become_password("bolivar", "two")
    secrets.set_become_password("san-martin", "three")
    assert secrets.become_passwords() == {"san-martin": "three", "bolivar": "two"}


def test_values_and_redact_know_every_secret(secrets: Secrets, tmp_path: Path) -> None:
    secrets.set("salt", "a-grain-of-salt")
    secrets.set("armour", "-----BEGIN-----\nQUJDREVGR0hJSktMTU5PUA==\n-----END-----\n")
    secrets.set_become_password("san-martin", "open-sesame")
    password = (tmp_path / "config/sugar-deploy/lima/vault-password").read_text().strip()
    values = secrets.values()
    assert {"a-grain-of-salt", "open-sesame", "QUJDREVGR0hJSktMTU5PUA==", password} <= set(values)
    assert [len(value) for value in values] == sorted((len(value) for value in values), reverse=True)
    log = f"with open-sesame and {password}: a-grain-of-salt\nQUJDREVGR0hJSktMTU5PUA==\nand nothing else"
    assert secrets.redact(log) == "with ******** and ********: ********\n********\nand nothing else"
    assert "salt" not in repr(secrets)


def test_the_wrong_password_is_told_apart_from_none(
    secrets: Secrets, folder: Folder, environment: dict[str, str], tmp_path: Path
) -> None:
    secrets.set("salt", "a-grain-of-salt")
    other = tmp_path / "other"
    other.write_text("not the password\n")
    with_other = Secrets(folder, "lima", environment=environment | {"ANSIBLE_VAULT_PASSWORD_FILE": str(other)})
    with pytest.raises(DeployError, match=r"deployment\.yml does not open with the vault password in") as error:
        with_other.get("salt")
    assert str(other) in str(error.value)
    elsewhere = Secrets(folder, "lima", environment={"HOME": str(tmp_path / "elsewhere")})
    with pytest.raises(DeployError, match="vault password of this deployment is not on this machine") as error:
        elsewhere.get("salt")
    assert "elsewhere/.config/sugar-deploy/lima/vault-password" in str(error.value)
    with pytest.raises(DeployError, match="not on this machine"):
        elsewhere.set("pepper", "x")
    assert not (tmp_path / "elsewhere").exists(), "a second password would split the store in two"
    missing = Secrets(folder, "lima", environment={"ANSIBLE_VAULT_PASSWORD_FILE": "/nowhere/at-all"})
    with pytest.raises(UsageError, match="ANSIBLE_VAULT_PASSWORD_FILE names /nowhere/at-all"):
        missing.existing_password_file()


def test_a_program_may_print_the_password(
    secrets: Secrets, folder: Folder, environment: dict[str, str], tmp_path: Path
) -> None:
    secrets.set("salt", "a-grain-of-salt")
    program = tmp_path / "print-password"
    program.write_text(f"#!/bin/sh\ncat {tmp_path}/config/sugar-deploy/lima/vault-password\n")
    program.chmod(0o700)
    by_program = Secrets(folder, "lima", environment={"ANSIBLE_VAULT_PASSWORD_FILE": str(program)})
    assert by_program.get("salt") == "a-grain-of-salt"
    program.write_text("#!/bin/sh\nexit 3\n")
    with pytest.raises(DeployError, match="vault password cannot be read from"):
        by_program.get("salt")
    empty = tmp_path / "empty"
    empty.touch()
    with pytest.raises(DeployError, match="vault password cannot be read from"):
        Secrets(folder, "lima", environment={"ANSIBLE_VAULT_PASSWORD_FILE": str(empty)}).get("salt")


def test_a_password_that_others_can_read_is_refused(secrets: Secrets, tmp_path: Path) -> None:
    secrets.set("salt", "a-grain-of-salt")
    password_file = tmp_path / "config/sugar-deploy/lima/vault-password"
    password_file.chmod(0o644)
    with pytest.raises(DeployError, match="others can read") as error:
        secrets.get("salt")
    assert error.value.remedy == f"Run: chmod 600 {password_file}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"salt: in the clear\n", "is not encrypted by ansible-vault"),
        (b"", "is not encrypted by ansible-vault"),
        (b"$ANSIBLE_VAULT;1.1;AES256\n6162\n", "does not open with"),
        (b"$ANSIBLE_VAULT;1.1;AES256\nnot hex\n", "does not open with"),
        (b"$ANSIBLE_VAULT;9.9;ROT13\n6162\n", "does not open with"),
        (b"$ANSIBLE_VAULT;\xff\xfe", "does not open with"),
    ],
)
def test_a_damaged_file_is_named(secrets: Secrets, folder: Folder, content: bytes, message: str) -> None:
    secrets.set("pepper", "x")
    file = folder.secrets / "deployment.yml"
    file.write_bytes(content)
    with pytest.raises(DeployError, match=message) as error:
        secrets.get("salt")
    assert str(file) in str(error.value)
    assert "in the clear" not in str(error.value)


def test_a_missing_secret_and_a_bad_name(secrets: Secrets) -> None:
    secrets.set("pepper", "x")
    with pytest.raises(DeployError, match="no secret called salt"):
        secrets.get("salt")
    with pytest.raises(UsageError, match="is no name for a secret"):
        secrets.set("../salt", "x")


def _add(root: str, environment: str, number: int) -> None:
    Secrets(Folder(Path(root)), "lima", environment=json.loads(environment)).set(f"secret_{number}", str(number))


def test_processes_at_once_lose_nothing(folder: Folder, environment: dict[str, str]) -> None:
    context = multiprocessing.get_context("fork")
    arguments = [(str(folder.root), json.dumps(environment), number) for number in range(4)]
    processes = [context.Process(target=_add, args=one) for one in arguments]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    secrets = Secrets(folder, "lima", environment=environment)
    assert [secrets.get(f"secret_{number}") for number in range(4)] == ["0", "1", "2", "3"]
