"""`manifest.json` and `sbom.json`: what an image was made of, and every file's size and hash."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sugar_deploy.errors import UsageError, cause
from sugar_deploy.files import sha256_of
from sugar_deploy.image.models import Model
from sugar_deploy.image.outputs.composed import Composed
from sugar_deploy.image.outputs.job import Job

NAME, SBOM = "manifest.json", "sbom.json"
VERSION = 1


def describe(job: Job) -> None:
    """Write the manifest beside all of an image's files."""
    model, composed, folder = job.model, job.composed, job.draft
    files = [_file(path, job.sound.sha256) for path in sorted(folder.iterdir()) if path.is_file()]
    content = {
        "version": VERSION,
        "model": model.name,
        "title": model.title,
        "flow": model.flow.value,
        "medium": job.medium.model_dump() if job.medium else None,
        "recipe": composed.recipe,
        "root_sha256": composed.sha256,
        "time": datetime.fromtimestamp(composed.epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "keys": job.signer.used if job.signer else [],
        "files": files,
        "packages": composed.packages,
        "filesystem": job.filesystem.value if job.filesystem else None,
        "sizes": composed.survey.sizes(),
        "notes": job.notes,
        "proved": list(model.proved),
        "unproved": list(model.unproved),
    }
    (folder / NAME).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")


def read(folder: Path) -> dict[str, Any]:
    """An image's manifest; raises UsageError if there is none, or none that this version can read."""
    file = folder / NAME
    try:
        content: dict[str, Any] = json.loads(file.read_text("utf-8"))
        if content["version"] != VERSION:
            raise ValueError(f"of version {content['version']}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{file} is no image's manifest: {cause(error)}", "Give the folder of an image") from error
    return content


def changed(folder: Path, content: dict[str, Any], hash_of: Callable[[Path], str] = sha256_of) -> list[str]:
    """The files that are not as the manifest says; HASH_OF tells a file's SHA-256."""
    faults = []
    for said in content["files"]:
        path = folder / said["name"]
        if not path.is_file():
            faults.append(f"{said['name']}: is missing")
        elif _file(path, hash_of) != said:
            faults.append(f"{said['name']}: is not what the manifest says")
    return faults


def names(folder: Path, name: str) -> bool:
    """Whether a folder has a file that is just as its manifest says."""
    try:
        return _file(folder / name) in read(folder)["files"]
    except (OSError, UsageError):
        return False


def _file(path: Path, hash_of: Callable[[Path], str] = sha256_of) -> dict[str, Any]:
    digest = hash_of(path)
    return {"name": path.name, "bytes": path.stat().st_size, "sha256": digest}


def write_bill(model: Model, composed: Composed, folder: Path) -> None:
    """Write the bill of materials: CycloneDX, the same bytes each time."""
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.license import DisjunctiveLicense
    from cyclonedx.output.json import JsonV1Dot6
    from packageurl import PackageURL

    main = Component(
        type=ComponentType.OPERATING_SYSTEM,
        name=f"image for {model.title}",
        version=composed.sha256[:16],
        bom_ref="image",
    )
    suite, own = composed.recipe.get("suite", ""), frozenset(composed.recipe.get("own", ()))
    parts = []
    for package in composed.packages:
        where = {"arch": package["architecture"], "distro": suite}
        # The vendor of the deployment's own packages is who published them.
        vendor = composed.recipe["deployment"] if package["name"] in own else "debian"
        url = PackageURL("deb", vendor, package["name"], package["version"], where)
        parts.append(
            Component(
                type=ComponentType.APPLICATION,
                name=package["name"],
                version=package["version"],
                purl=url,
                bom_ref=url.to_string(),
                licenses=[DisjunctiveLicense(name=name) for name in package.get("licenses", ())],
                properties=_properties(package),
            )
        )
    bom = Bom(
        serial_number=uuid.UUID(str(composed.identity("sbom"))),
        version=1,
        metadata=BomMetaData(
            component=main,
            timestamp=datetime.fromtimestamp(composed.epoch, UTC),
            properties=_properties({key: value for key, value in composed.recipe.items() if isinstance(value, str)}),
        ),
        components=parts,
    )
    bom.register_dependency(main, bom.components)
    document: dict[str, Any] = json.loads(JsonV1Dot6(bom).output_as_string())
    text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    (folder / SBOM).write_text(text, "utf-8")


def _properties(values: dict[str, Any]) -> Any:
    from cyclonedx.model import Property

    told = ("source", "source_version", "snapshot", "model", "suite", "architecture")
    return [Property(name=f"sugar-deploy:{name}", value=values[name]) for name in told if values.get(name)]
