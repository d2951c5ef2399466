"""The models that images are made for: what each file of image/models/ says, validated against one schema."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sugar_deploy.errors import UsageError
from sugar_deploy.image.bundles.kinds import MODELS
from sugar_deploy.image.bundles.kinds import Model as BundleModel
from sugar_deploy.resources import model_names, resource

XO_BOOT = "sugar-xo-boot"
"""The package by which a composed system starts on an XO."""
Text = Annotated[str, Field(min_length=1)]
Bytes = Annotated[int, Field(gt=0)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Flow(StrEnum):
    """How an image comes onto the machine."""

    ZD = "zd"
    """The firmware writes a partitioned disk from a .zd."""
    NAND = "nand"
    """The firmware writes raw NAND from an .img with its .crc, or from an .onu with its .uim."""
    DISK = "disk"
    """Somebody writes the disk image onto a disk."""


class NandFilesystem(StrEnum):
    """What an image for raw NAND holds."""

    JFFS2 = "jffs2"
    """One JFFS2 over all of it: .img and .crc."""
    UBIFS = "ubifs"
    """A small JFFS2 that the firmware reads, and UBIFS: .onu and .uim."""


class Kernel(_Part):
    """What starts the model: Debian's package of a kernel, or one that the deployer supplies."""

    package: Text | None = Field(None, description="Debian's package in this suite; none where none can run it.")
    why: Text = Field(description="What the package's own configuration says, or what it lacks.")


class Suite(_Part):
    """A Debian release on the model."""

    name: Literal["bullseye", "bookworm", "trixie"]
    kernel: Kernel
    userland: Text = Field(description="Which CPU the release's programs are made for, and whether this is one.")


class Medium(_Part):
    """A size of the storage that an image is made for; the image is never larger."""

    name: Text
    size: Bytes = Field(description="In bytes.")


class Partition(_Part):
    """A partition of the disk, in sectors of 512 bytes; the last one without a length takes the rest."""

    label: Annotated[str, Field(min_length=1, max_length=16)]
    filesystem: Literal["ext2", "ext4", "vfat"]
    start: Annotated[int, Field(gt=0)]
    sectors: Annotated[int, Field(gt=0)] | None = None
    active: bool = False
    mount: Text = Field(description="Where the running system has it.")


class Nand(_Part):
    """Raw NAND, sizes in bytes and in erase blocks."""

    erase_block: Bytes
    page: Bytes
    blocks: Annotated[int, Field(gt=0)] = Field(description="Erase blocks of the smallest chip that was shipped.")
    boot_blocks: Annotated[int, Field(gt=0)] = Field(description="Of the partition that the firmware reads.")
    spare_blocks: Annotated[int, Field(gt=0)] = Field(
        description="Left for bad blocks, their table, the partition map and UBI's own; no image takes them."
    )
    filesystem: NandFilesystem = Field(description="What is made where nobody asks for the other one.")

    @property
    def system_blocks(self) -> int:
        """Erase blocks that are left for the system behind the boot partition."""
        return self.blocks - self.boot_blocks - self.spare_blocks


class Model(_Part):
    """A model: the suites that can run on it, how it is flashed, and what was proved."""

    name: Text
    title: Text
    number: int | None = Field(None, description="What the firmware's bundles carry in their names; none on PCs.")
    architecture: Literal["i386", "armhf", "amd64"]
    suites: Annotated[tuple[Suite, ...], Field(min_length=1)] = Field(description="The default one first.")
    flow: Flow
    media: tuple[Medium, ...] = ()
    partitions: tuple[Partition, ...] = ()
    nand: Nand | None = None
    console: tuple[Text, ...] = Field(
        description="Consoles for the kernel's command line; the last one is /dev/console."
    )
    packages: tuple[Text, ...] = Field((), description="What it needs of Debian besides what all images have.")
    firmware: tuple[Text, ...] = Field((), description="Debian's packages of firmware that devices load.")
    ramdisk: tuple[Text, ...] = Field(
        (),
        description="Drivers in its ramdisk besides those of sugar-xo-boot and of image/ramdisk.yml, which then come "
        "behind them; without any, most that the kernel has.",
    )
    long_nops: tuple[Text, ...] = Field(
        (), description="Packages whose programs hold the long NOP, which the processor lacks: it is rewritten."
    )
    proved: tuple[Text, ...] = Field((), description="What was seen to work, and on what.")
    unproved: Annotated[tuple[Text, ...], Field(min_length=1)] = Field(description="What only hardware can prove.")

    @property
    def bundle(self) -> BundleModel | None:
        """Its constants in the firmware's bundles."""
        return next((one for one in MODELS if one.number == self.number), None)

    def suite(self, name: str | None = None) -> Suite:
        """One of its suites, by default the first; UsageError where there is none of that name."""
        for suite in self.suites:
            if name in {None, suite.name}:
                return suite
        known = ", ".join(suite.name for suite in self.suites)
        raise UsageError(f"{self.name}: no images of {name} are made for it", f"Choose one of: {known}")


def read_model(name: str, folder: Path | None = None) -> Model:
    """A model by its name; UsageError where there is none, or its file breaks the schema."""
    file = (folder or resource("image") / "models") / f"{name}.yml"
    if not file.is_file():
        raise UsageError(f"{name}: there is no such model", f"Choose one of: {', '.join(model_names())}")
    try:
        read = Model.model_validate({"name": name, **yaml.safe_load(file.read_text(encoding="utf-8"))})
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise UsageError(f"{file}: {faults}", "Correct the model's file") from None
    return read.model_copy(update={"ramdisk": (*read.ramdisk, *_common_drivers())}) if read.ramdisk else read


def _common_drivers() -> tuple[str, ...]:
    """What is in the ramdisk of each model that says what is in it."""
    return tuple(yaml.safe_load((resource("image") / "ramdisk.yml").read_text(encoding="utf-8"))["drivers"])


def models() -> tuple[Model, ...]:
    """All of them, by name."""
    return tuple(read_model(name) for name in model_names())
