"""The inventory: hosts and groups in one INI file, variables in one JSON file a host.

Measured with ansible-core 2.19 on two cores, `ansible-inventory --host` over 10,000 schools of 23 variables:

    INI naming each host once, variables in host_vars/*.json     0.7 s   60 MB   (this one)
    the same as JSON instead of INI                              0.5 s   60 MB
    INI naming each host in each of its ten groups               2.2 s   70 MB
    YAML naming each host once, variables in host_vars/*.json    1.0 s   78 MB
    INI with the variables on the host's line                   10.6 s  390 MB
    one JSON inventory with the variables                       12.9 s  795 MB
    one YAML inventory with the variables, 1,000 schools only    6.6 s  278 MB

Ansible reads a host's file only when it needs that host, so that a run on one school does not pay for all the
others. INI is what people read and grep most easily, and needs no plugin, so that the project can be listed from
anywhere without a setting. An inventory plugin over one file of JSON lines would spare the disk 10,000 small files,
but only works where the collection is found; linking what has not changed since the last rendering spares them too
(draft.py). `python -m tests.bench.render` measures the first line again, and a YAML inventory as its baseline.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from sugar_deploy.scenario.offer import EVERYWHERE, OFF_BY_DEFAULT
from sugar_deploy.scenario.plan import Host
from sugar_deploy.scenario.site import OFFERS

HEADER = "# Written by `sugar-deploy render`. Edit deployment.yml instead, and render again.\n"


def inventory(hosts: Iterable[Host]) -> str:
    """The INI text: hosts in leaf groups of equals, which are the children of all their groups."""
    leaves: dict[str, list[str]] = defaultdict(list)
    parents: dict[str, set[str]] = defaultdict(set)
    for host in hosts:
        leaf = leaf_group(host)
        leaves[leaf].append(host.name)
        for group in host.groups:
            parents[group].add(leaf)
    sections = [(leaf, names) for leaf, names in sorted(leaves.items())]
    sections += [(f"{group}:children", sorted(names)) for group, names in sorted(parents.items())]
    return HEADER + "".join(f"\n[{title}]\n" + "".join(f"{name}\n" for name in names) for title, names in sections)


def leaf_group(host: Host) -> str:
    """A name for all hosts with exactly this one's groups: scenario, role, and what runs besides or does not."""
    school = host.school
    name = f"{school.scenario.value.replace('-', '_')}_{school.role.value}"
    offered = EVERYWHERE | OFFERS[school.scenario].lan_services
    if more := sorted(OFF_BY_DEFAULT & host.services):
        name += "_with_" + "_".join(more)
    if missing := sorted(offered - OFF_BY_DEFAULT - host.services):
        name += "_without_" + "_".join(missing)
    return name
