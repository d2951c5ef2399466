"""The backends by name, and what one must know of them before anything is started."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from sugar_deploy.errors import UsageError
from sugar_deploy.lab.backend import Backend
from sugar_deploy.lab.nspawn import Nspawn
from sugar_deploy.lab.qemu import Qemu, kernel_packages


@dataclass(frozen=True, slots=True)
class Traits:
    """What a backend needs of its image, and how long it may take."""

    make: Callable[[], Backend]
    boot_seconds: float
    image_kind: str = "plain"
    image_packages: Callable[[str], tuple[str, ...]] = lambda _architecture: ()


BACKENDS: dict[str, Traits] = {
    "qemu-kvm": Traits(partial(Qemu, "kvm"), 120, "kernel", kernel_packages),
    "nspawn": Traits(Nspawn, 90),
    "qemu-tcg": Traits(partial(Qemu, "tcg"), 900, "kernel", kernel_packages),
}
"""The fastest first."""


def traits(name: str) -> Traits:
    """What to know of the backend of this name."""
    try:
        return BACKENDS[name]
    except KeyError:
        raise UsageError(f"There is no backend {name}", f"Choose one of: {', '.join(BACKENDS)}") from None


def backend(name: str) -> Backend:
    """The backend of this name."""
    return traits(name).make()
