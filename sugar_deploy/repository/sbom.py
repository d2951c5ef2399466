"""A snapshot's software bill of materials, as CycloneDX describes it: the same bytes each time."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any

from sugar_deploy.deployment.types import FOR_IMAGES
from sugar_deploy.repository.record import Item, Record

SPECIFICATION = "1.6"
_NAMESPACE = uuid.UUID("6b1b36cb-a2bd-5e6e-9f1f-6a2b3c9d1e57")
"""For serial numbers; any would do, as long as it stays the same."""


def sbom(record: Record) -> str:
    """The document, as JSON."""
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output.json import JsonV1Dot6

    main = Component(
        type=ComponentType.PLATFORM,
        name=f"{record.deployment} repository",
        version=record.id,
        bom_ref=f"snapshot-{record.id}",
    )
    tool = Component(type=ComponentType.APPLICATION, name="sugar-deploy", version=record.tool, bom_ref="sugar-deploy")
    bom = Bom(
        serial_number=uuid.uuid5(_NAMESPACE, f"{record.deployment} {record.id}"),
        version=1,
        metadata=BomMetaData(
            component=main,
            tools=_tools(tool),
            timestamp=datetime.fromisoformat(record.published_at),
            properties=[_property("snapshot", record.id), _property("serial", str(record.serial))],
        ),
        components=[_component(record, suite, item) for suite, item in _each(record)],
    )
    bom.register_dependency(main, bom.components)
    document: dict[str, Any] = json.loads(JsonV1Dot6(bom).output_as_string())
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _each(record: Record) -> Iterator[tuple[str, Item]]:
    """Each package of each Debian release once, whether servers take it or images."""
    seen = set()
    for name, items in sorted(record.suites.items()):
        suite = name.removesuffix(FOR_IMAGES)
        for item in items:
            if (suite, item) not in seen:
                seen.add((suite, item))
                yield suite, item


def _tools(tool: Any) -> Any:
    from cyclonedx.model.tool import ToolRepository

    return ToolRepository(components=[tool])


@lru_cache(maxsize=64)
def _property(name: str, value: str) -> Any:
    from cyclonedx.model import Property

    return Property(name=f"sugar-deploy:{name}", value=value)


def _component(record: Record, suite: str, item: Item) -> Any:
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.component import Component, ComponentType

    url = package_url(record.deployment, suite, item)
    properties = [_property("suite", suite), _property("origin", item.origin), _property("source", item.source)]
    if item.source_version != item.version:
        properties.append(_property("source-version", item.source_version))
    return Component(
        type=ComponentType.APPLICATION,
        name=item.name,
        version=item.version,
        purl=url,
        bom_ref=url.to_string(),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=item.sha256)],
        properties=properties,
    )


def package_url(deployment: str, suite: str, item: Item) -> Any:
    """pkg:deb/debian/… for what is Debian's; for the rest, the vendor is who published it: the deployment."""
    from packageurl import PackageURL

    vendor = "debian" if item.origin == "debian" else deployment
    return PackageURL("deb", vendor, item.name, item.version, {"arch": item.architecture, "distro": suite})
