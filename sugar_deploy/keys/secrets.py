"""A deployment's secrets: made here, kept in vault files that are safe in version control."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from sugar_deploy.errors import DeployError, UsageError
from sugar_deploy.files import write_atomically
from sugar_deploy.folder import Folder
from sugar_deploy.keys.vault import VaultPassword, decrypt, encrypt

_NAME = re.compile(r"[a-z][a-z0-9_]*")
BECOME_PASSWORDS = "vault_become_passwords"  # the variable's name
AUTHORITY_KEY = "vault_authority_key"


class _Unsafe(str):
    """A value that Ansible must take as it is: a password may well hold `{{`."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    pass


class _Loader(yaml.SafeLoader):
    pass


def _as_it_is(dumper: yaml.SafeDumper, value: _Unsafe) -> yaml.Node:
    return dumper.represent_scalar("!unsafe", str(value), style="|" if "\n" in value else None)


_Dumper.add_representer(_Unsafe, _as_it_is)


def _taken_as_it_is(loader: yaml.SafeLoader, node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise yaml.constructor.ConstructorError(problem="!unsafe stands before a text")
    return str(loader.construct_scalar(node))


_Loader.add_constructor("!unsafe", _taken_as_it_is)


class Secrets:
    """The secrets of one deployment; values go to nobody but who asks for them by name."""

    def __init__(self, folder: Folder, deployment: str, *, environment: Mapping[str, str] | None = None) -> None:
        self._folder = folder.secrets
        self._own = folder.secrets / "deployment.yml"
        self._hosts = folder.secrets / "hosts.yml"
        self._password = VaultPassword(deployment, environment)

    def __repr__(self) -> str:
        return f"Secrets({str(self._folder)!r})"

    def get(self, name: str) -> str:
        """A secret by name; raises DeployError if there is none."""
        value = self._read(self._own).get(_checked(name))
        if value is None:
            raise DeployError(f"there is no secret called {name} in {self._own}")
        return str(value)

    def find(self, name: str) -> str | None:
        """A secret by name, or None."""
        value = self._read(self._own).get(_checked(name))
        return None if value is None else str(value)

    def set(self, name: str, value: str) -> None:
        """Keep a secret, in place of an earlier one of that name."""
        _checked(name)
        with self._changing(self._own) as content:
            content[name] = _Unsafe(value)

    def drop(self, name: str) -> None:
        """Forget a secret, if there is one of that name."""
        _checked(name)
        with self._changing(self._own) as content:
            content.pop(name, None)

    def generate(self, name: str, size_bytes: int = 32) -> str:
        """The secret of that name; made from SIZE_BYTES random bytes if there is none yet."""
        _checked(name)
        if found := self.find(name):
            return found
        with self._changing(self._own) as content:
            value = content.setdefault(name, _Unsafe(secrets.token_urlsafe(size_bytes)))
        return str(value)

    def set_become_password(self, school: str, password: str) -> None:
        """Keep the password by which the administrator of a school's server becomes root there."""
        with self._changing(self._hosts) as content:
            passwords = content.setdefault(BECOME_PASSWORDS, {})
            if not isinstance(passwords, dict):
                raise DeployError(f"{BECOME_PASSWORDS} in {self._hosts} is not a table of schools")
            passwords[school] = _Unsafe(password)

    def become_passwords(self) -> dict[str, str]:
        """The administrators' passwords, by school."""
        found = self._read(self._hosts).get(BECOME_PASSWORDS, {})
        return {str(school): str(value) for school, value in found.items()}

    def set_authority_key(self, pem: str) -> None:
        """Keep the key by which `apply` signs servers' certificates."""
        with self._changing(self._hosts) as content:
            content[AUTHORITY_KEY] = _Unsafe(pem)

    def authority_key(self) -> str | None:
        """That key, or None."""
        value = self._read(self._hosts).get(AUTHORITY_KEY)
        return None if value is None else str(value)

    def existing_password_file(self) -> Path | None:
        """The vault password's file, for `ansible-playbook --vault-password-file`; None before the first secret."""
        return self._password.existing_file()

    def values(self) -> tuple[str, ...]:
        """Every secret value of the deployment, the vault password too, longest first: what no log may hold."""
        if self.existing_password_file() is None:
            return ()
        found = {self._password.read().decode(errors="replace")}
        for file in sorted(self._folder.glob("*.yml")):
            found.update(_leaves(self._read(file)))
        # A log shows a text of many lines line by line.
        lines = {line for value in found for line in value.splitlines() if len(line) >= 16}
        shown = {value for value in found | lines if value and not value.startswith("-----")}
        return tuple(sorted(shown, key=lambda value: (-len(value), value)))

    def redact(self, text: str) -> str:
        """TEXT with every secret value blotted out."""
        for value in self.values():
            text = text.replace(value, "********")
        return text

    def _read(self, file: Path) -> dict[str, Any]:
        if not file.exists():
            return {}
        text = decrypt(file, self._password.read(), self._password.file)
        try:
            content = yaml.load(text, Loader=_Loader)  # noqa: S506 (a SafeLoader that knows !unsafe)
        except yaml.YAMLError:
            # The parser's own message would quote the secret.
            raise DeployError(f"{file} holds no valid YAML", f"Mend it: ansible-vault edit {file}") from None
        if content is None:
            return {}
        if not isinstance(content, dict):
            raise DeployError(f"{file} holds no table of names and values", f"Mend it: ansible-vault edit {file}")
        return content

    @contextlib.contextmanager
    def _changing(self, file: Path) -> Iterator[dict[str, Any]]:
        """Read, change and write a file as one step, also when two processes do so at once."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not any(self._folder.glob("*.yml")):
            self._password.create()
        password = self._password.read()
        lock = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            content = self._read(file)
            before = _dump(content)
            yield content
            after = _dump(content)
            if after != before or not file.exists():
                write_atomically(file, encrypt(after, password))
        finally:
            os.close(lock)


def _dump(content: Mapping[str, Any]) -> str:
    return yaml.dump(_unsafe(content), Dumper=_Dumper, allow_unicode=True, sort_keys=True, width=1000)


def _unsafe(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _unsafe(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_unsafe(child) for child in value]
    return _Unsafe(value) if isinstance(value, str) else value


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for child in value.values():
            yield from _leaves(child)
    elif isinstance(value, list):
        for child in value:
            yield from _leaves(child)
    elif value is not None:
        yield str(value)


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name for a secret", "Use small letters, digits and underscores")
    return name
