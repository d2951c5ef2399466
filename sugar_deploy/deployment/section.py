"""A section of the deployment file: what all have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

S = TypeVar("S", bound="Section")


class Section(BaseModel):
    """A mapping of the deployment file: frozen after load, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=False)


def shared(section: type[S]) -> Callable[[], S]:
    """A section's default: one frozen instance for all, which thousands of schools share."""
    instance = section()
    return lambda: instance
