"""Makes a laptop with Sugar one of its deployment, from the school server's own repository, and starts Sugar."""

from __future__ import annotations

from pathlib import Path

from sugar_deploy.deployment.load import load
from sugar_deploy.errors import DeployError
from sugar_deploy.folder import Folder
from sugar_deploy.lab.machine import Machine
from sugar_deploy.lab.sugar import DESKTOP
from sugar_deploy.repository.client_settings import kinds
from sugar_deploy.scenario.plan import Host
from sugar_deploy.scenario.resolve import resolve

# $1 the deployment, $2 the server, $3 its repository, $4 Debian's suite, $5 the laptop's package. The lab's way to
# packages leads to Debian's mirror only; the school's server is a neighbour.
_INSTALL = """set -e
export DEBIAN_FRONTEND=noninteractive
echo "Acquire::http::Proxy::$2 \\"DIRECT\\";" > /etc/apt/apt.conf.d/91lab-school
apt-get -qy install /var/cache/apt/archives/repository-lab.deb
key=/usr/share/keyrings/$1-archive-keyring.asc
echo "deb [signed-by=$key] $3 $4 main" > /etc/apt/sources.list.d/lab-school.list
apt-get -q update
apt-get -qy install --no-install-recommends "$5" sugar-client
"""


def install_client(laptop: Machine, host: Host, folder: Folder, suite: str) -> None:
    """Install what docs/clients.md tells somebody to install, and log the child in."""
    plan = resolve(load(folder))
    name, scenario = plan.deployment.name, str(host.school.scenario)
    found = kinds(plan)
    kind = f"{scenario}-{host.name}" if f"{scenario}-{host.name}" in found else scenario
    laptop.put(_repository_package(folder, name), "/var/cache/apt/archives/repository-lab.deb")
    settings = found[kind]
    words = (name, settings.server, settings.repository_url, suite, f"{name}-{kind}-client")
    laptop.run(("sh", "-c", _INSTALL, "sh", *words), timeout_seconds=1800)
    laptop.run(("systemctl", "start", DESKTOP))


def _repository_package(folder: Folder, name: str) -> Path:
    packages = (folder.repository / "configuration").glob(f"{name}-repository_*.deb")
    newest = max(packages, key=lambda file: file.stat().st_mtime, default=None)
    if newest is None:
        raise DeployError(
            f"{folder.repository} holds no package {name}-repository",
            f"Publish it: sugar-deploy repo publish -C {folder.root}",
        )
    return newest
