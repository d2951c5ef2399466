"""What a machine is given before it first boots."""

from __future__ import annotations

from pathlib import Path

from sugar_deploy.lab.guest import GuestFile, Identity, guest_files, place
from sugar_deploy.lab.qemu import wire_files
from sugar_deploy.lab.spec import MachineSpec, Nic

IDENTITY = Identity("0" * 32, "PRIVATE", "PUBLIC", "ssh-ed25519 AAAA lab")
SERVER = MachineSpec("lima", "server", "lima", (Nic("eth0", "uplink", "192.0.2.10/24"), Nic("eth1", "lan0")))
LAPTOP = MachineSpec("lima-laptop", "client", "lima", (Nic("eth0", "lan0"),))
ONLINE_LAPTOP = MachineSpec("lima-laptop", "client", "lima", (Nic("eth0", "uplink", "192.0.2.110/24"),))


def by_path(machine: MachineSpec) -> dict[str, GuestFile]:
    return {file.path: file for file in guest_files(machine, IDENTITY, 40001)}


def test_a_server_has_its_uplink_and_its_lan_is_untouched() -> None:
    files = by_path(SERVER)
    assert "Address=192.0.2.10/24" in files["etc/systemd/network/20-eth0.network"].content
    assert not any("eth1" in file.path + file.content for file in files.values())
    assert not any("dhclient" in file.content for file in files.values())


def test_a_laptop_asks_by_dhcp_on_a_lan_only() -> None:
    assert "dhclient" in by_path(LAPTOP)["etc/systemd/system/lab-dhcp.service"].content
    assert "etc/systemd/system/lab-dhcp.service" not in by_path(ONLINE_LAPTOP)


def test_secrets_are_for_their_owner(tmp_path: Path) -> None:
    place(guest_files(SERVER, IDENTITY, 40001), tmp_path)
    assert (tmp_path / "etc/ssh/ssh_host_ed25519_key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "root/.ssh/authorized_keys").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "root/.ssh").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "etc/ssh").stat().st_mode & 0o777 == 0o755


def test_a_link_in_the_image_is_replaced_and_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("host's own")
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/resolv.conf").symlink_to(outside)
    place((GuestFile("etc/resolv.conf", "lab"),), root)
    assert outside.read_text() == "host's own"
    assert (root / "etc/resolv.conf").read_text() == "lab"


def test_the_labs_cable_is_the_nic_after_the_machines_own() -> None:
    unit = next(file for file in wire_files(SERVER, 40001) if file.path.endswith("system/lab-wire.service"))
    assert "link set eth2 netns lab-wire" in unit.content
    assert "lab-wire:tcp:10.0.2.15:40001 :tcp:127.0.0.1:40001" in unit.content
