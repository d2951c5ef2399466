"""What makes a machine of the lab out of an image: identity, the lab's key, addresses. Pure."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from sugar_deploy.lab.spec import APT_PORT, INTERNET_ADDRESS, MachineSpec


@dataclass(frozen=True, slots=True)
class GuestFile:
    """A file, or a symbolic link, for a machine's root."""

    path: str
    content: str = ""
    mode: int = 0o644
    link: str | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """What distinguishes one machine from another."""

    machine_id: str
    host_key: str
    host_key_public: str
    authorized_key: str


def guest_files(machine: MachineSpec, identity: Identity, ssh_port: int) -> tuple[GuestFile, ...]:
    """Files common to every backend."""
    common = (
        GuestFile("etc/hostname", f"{machine.name}\n"),
        GuestFile("etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {machine.name}\n::1 localhost\n"),
        GuestFile("etc/machine-id", f"{identity.machine_id}\n", 0o444),
        GuestFile("etc/resolv.conf", ""),
        GuestFile("etc/ssh/ssh_host_ed25519_key", identity.host_key, 0o600),
        GuestFile("etc/ssh/ssh_host_ed25519_key.pub", identity.host_key_public),
        # The port by which the deployer reaches a server is the one that its own firewall opens.
        GuestFile("etc/ssh/sshd_config.d/lab.conf", f"Port {ssh_port}\n"),
        GuestFile("root/.ssh/authorized_keys", identity.authorized_key, 0o600),
    )
    asks = machine.kind == "client" and machine.nics[0].address is None
    return (*common, *(() if machine.offline else (_PROXY,)), *(_dhcp(machine) if asks else _static(machine)))


_PROXY = GuestFile(
    "etc/apt/apt.conf.d/90lab-proxy",
    f'Acquire::http::Proxy "http://127.0.0.1:{APT_PORT}";\nAcquire::Retries "3";\nAcquire::Languages "none";\n',
)


def _static(machine: MachineSpec) -> tuple[GuestFile, ...]:
    """The uplink as its administrator set it; a server's LAN is left to its deployment."""
    return tuple(
        GuestFile(
            f"etc/systemd/network/20-{nic.name}.network",
            f"[Match]\nName={nic.name}\n\n[Network]\nAddress={nic.address}\nGateway={INTERNET_ADDRESS}\n"
            "LinkLocalAddressing=no\nIPv6AcceptRA=no\n",
        )
        for nic in machine.nics
        if nic.address
    )


# Laptops run dhclient from NetworkManager: ask until someone answers, take names and resolvers from the answer.
_DHCLIENT = """timeout 20;
retry 5;
initial-interval 1;
backoff-cutoff 5;
select-timeout 0;
send host-name = gethostname();
request subnet-mask, broadcast-address, routers, domain-name, domain-name-servers, domain-search, host-name,
  ntp-servers, interface-mtu;
"""


def _dhcp(machine: MachineSpec) -> tuple[GuestFile, ...]:
    nic = machine.nics[0].name
    unit = (
        f"[Unit]\nDescription=Address of {nic} by DHCP, as a laptop asks for it\n\n"
        "[Service]\nExecStartPre=-/usr/bin/rm -f /run/lab-dhclient.pid\n"
        f"ExecStart=/sbin/dhclient -d -cf /etc/dhcp/lab.conf -pf /run/lab-dhclient.pid {nic}\n"
        "Restart=always\nRestartSec=2\n\n[Install]\nWantedBy=multi-user.target\n"
    )
    return (
        GuestFile("etc/dhcp/lab.conf", _DHCLIENT),
        GuestFile("etc/systemd/system/lab-dhcp.service", unit),
        GuestFile(
            "etc/systemd/system/multi-user.target.wants/lab-dhcp.service",
            link="/etc/systemd/system/lab-dhcp.service",
        ),
    )


def place(files: tuple[GuestFile, ...], root: Path) -> None:
    """Write them under ROOT, which no running machine uses yet."""
    for file in files:
        target = root / file.path
        missing = [parent for parent in target.parents if not parent.exists()]
        target.parent.mkdir(parents=True, exist_ok=True)
        for parent in missing:
            parent.chmod(0o700 if parent.name == ".ssh" else 0o755)
        target.unlink(missing_ok=True)
        if file.link is not None:
            target.symlink_to(file.link)
            continue
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            os.fchmod(out.fileno(), file.mode)
            out.write(file.content)
