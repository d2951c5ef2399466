"""What is written down of a snapshot: who published what for whom, and when."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sugar_deploy.errors import DeployError

FORMAT = 1


@dataclass(frozen=True, slots=True, order=True)
class Item:
    """A package of a snapshot."""

    name: str
    version: str
    architecture: str
    sha256: str
    size: int
    """In bytes."""
    source: str
    source_version: str
    origin: str
    """ours, configuration, deployer or debian."""
    filename: str
    """Below the tree."""
    required: bool = field(default=False, compare=False)
    """Whether Debian says that every installation has it; the package itself may say otherwise."""

    def as_dict(self) -> dict[str, str | int]:
        """For JSON."""
        found = asdict(self)
        return found if self.required else {name: value for name, value in found.items() if name != "required"}

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Item:
        """From its JSON; raises KeyError."""
        known = {name: found[name] for name in cls.__slots__ if name != "required"}
        return cls(**known, required=bool(found.get("required")))


@dataclass(frozen=True, slots=True)
class Record:
    """One snapshot."""

    id: str
    serial: int
    """1, 2, 3 … in the order of first publication."""
    published_at: str
    """For the first time: UTC, as ISO 8601 writes it."""
    deployment: str
    suites: Mapping[str, tuple[Item, ...]]
    fingerprints: tuple[str, ...]
    """Of the keys that signed it."""
    tool: str

    @property
    def items(self) -> tuple[Item, ...]:
        """Every package once, sorted."""
        return tuple(sorted({item for items in self.suites.values() for item in items}))

    def text(self) -> str:
        """As a JSON document, a package a line."""
        head = {
            "format": FORMAT,
            "id": self.id,
            "serial": self.serial,
            "published_at": self.published_at,
            "deployment": self.deployment,
            "fingerprints": list(self.fingerprints),
            "tool": self.tool,
        }
        suites = [
            f" {json.dumps(suite)}: [\n" + ",\n".join(f"  {json.dumps(item.as_dict())}" for item in items) + "\n ]"
            for suite, items in sorted(self.suites.items())
        ]
        lines = [f" {json.dumps(name)}: {json.dumps(value)}" for name, value in head.items()]
        return "{\n" + ",\n".join(lines) + ',\n "suites": {\n' + ",\n".join(suites) + "\n }\n}\n"


def parse(text: str) -> Record:
    """A record from its text; raises ValueError."""
    try:
        found: dict[str, Any] = json.loads(text)
        if found["format"] != FORMAT:
            raise ValueError(f"its format is {found['format']!r}, and this version of sugar-deploy knows {FORMAT}")
        return Record(
            id=str(found["id"]),
            serial=int(found["serial"]),
            published_at=str(found["published_at"]),
            deployment=str(found["deployment"]),
            suites={str(suite): tuple(Item.of(one) for one in items) for suite, items in found["suites"].items()},
            fingerprints=tuple(map(str, found["fingerprints"])),
            tool=str(found["tool"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it is no record of a snapshot ({error!r})") from None


def read(path: Path) -> Record | None:
    """A record from its file; None if there is no such file. Raises DeployError if it is damaged."""
    try:
        return parse(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise DeployError(f"{path} is damaged: {error}", "Restore it from a copy, or remove it") from None
