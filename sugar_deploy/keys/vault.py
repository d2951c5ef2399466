"""Files that ansible-vault can read, and the password that opens them."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sugar_deploy.errors import DeployError, UsageError
from sugar_deploy.files import write_atomically

HEADER = b"$ANSIBLE_VAULT;"
PASSWORD_VARIABLE = "ANSIBLE_VAULT_PASSWORD_FILE"  # noqa: S105 (the variable's name)


def own_password_file(deployment: str, environment: Mapping[str, str]) -> Path:
    """Where the tool keeps the vault password of a deployment, outside the deployment's folder."""
    home = Path(environment.get("HOME") or Path.home())
    base = environment.get("XDG_CONFIG_HOME", "")
    config = Path(base) if Path(base).is_absolute() else home / ".config"
    return config / "sugar-deploy" / deployment / "vault-password"


class VaultPassword:
    """The password of a deployment's vault: the deployer's own file, else one that the tool keeps."""

    def __init__(self, deployment: str, environment: Mapping[str, str] | None = None) -> None:
        environment = os.environ if environment is None else environment
        given = environment.get(PASSWORD_VARIABLE, "")
        self._given = bool(given)
        self.file = Path(given).expanduser() if given else own_password_file(deployment, environment)

    def existing_file(self) -> Path | None:
        """The password's file; None if there is none yet. Raises UsageError if the deployer's is missing."""
        if self._given and not self.file.is_file():
            raise UsageError(
                f"{PASSWORD_VARIABLE} names {self.file}, which is not a file", "Correct the variable, or unset it"
            )
        return self.file if self.file.is_file() else None

    def create(self) -> None:
        """Make the tool's own password file, unless there is a password already."""
        if self.existing_file():
            return
        self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = self.file.with_name(f".{self.file.name}.{secrets.token_hex(8)}")
        write_atomically(draft, secrets.token_urlsafe(32) + "\n")
        # A hard link never replaces what another process has just made, as a rename would.
        try:
            os.link(draft, self.file)
        except FileExistsError:
            pass
        finally:
            draft.unlink(missing_ok=True)

    def read(self) -> bytes:
        """The password, as Ansible takes it: from the file, or from the output of an executable one."""
        file = self.existing_file()
        if file is None:
            raise DeployError(
                f"the vault password of this deployment is not on this machine: there is no {self.file}",
                "Copy that file from the machine where the secrets were made, or name one with " + PASSWORD_VARIABLE,
            )
        if not self._given and file.stat().st_mode & 0o077:
            raise DeployError(f"others can read the vault password in {file}", f"Run: chmod 600 {file}")
        return _read_password(file)


def _read_password(file: Path) -> bytes:
    from ansible.errors import AnsibleError  # type: ignore[import-untyped]
    from ansible.parsing.dataloader import DataLoader  # type: ignore[import-untyped]
    from ansible.parsing.vault import get_file_vault_secret  # type: ignore[import-untyped]

    try:
        secret = get_file_vault_secret(filename=str(file.absolute()), loader=DataLoader())
        secret.load()
    except (AnsibleError, OSError) as error:
        raise DeployError(
            f"the vault password cannot be read from {file}: {_reason(error)}",
            "It is a file with the password as its only line, or a program that prints it",
        ) from None
    password: bytes = secret.bytes
    return password


def _reason(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")


def _vault(password: bytes) -> Any:
    from ansible.constants import DEFAULT_VAULT_IDENTITY  # type: ignore[import-untyped]
    from ansible.parsing.vault import VaultLib, VaultSecret

    return VaultLib([(DEFAULT_VAULT_IDENTITY, VaultSecret(password))])


def encrypt(text: str, password: bytes) -> str:
    """What `ansible-vault encrypt` would write."""
    encrypted: bytes = _vault(password).encrypt(text.encode())
    return encrypted.decode("ascii")


def decrypt(file: Path, password: bytes, password_file: Path) -> str:
    """A vault file's content; raises DeployError naming the file and what is wrong with it."""
    from ansible.errors import AnsibleError

    try:
        content = file.read_bytes()
    except OSError as error:
        raise DeployError(f"{file} cannot be read: {error.strerror}") from None
    if not content.startswith(HEADER):
        raise DeployError(f"{file} is not encrypted by ansible-vault", f"Encrypt it: ansible-vault encrypt {file}")
    try:
        plain: bytes = _vault(password).decrypt(content)
        return plain.decode()
    except (AnsibleError, UnicodeDecodeError):
        raise DeployError(
            f"{file} does not open with the vault password in {password_file}, or it is damaged",
            f"Use the password that it was made with, naming its file with {PASSWORD_VARIABLE}; "
            "or restore the file from a copy",
        ) from None
