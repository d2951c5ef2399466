"""A deployment's folder made ready for the lab."""

from __future__ import annotations

from pathlib import Path

from sugar_deploy.deployment.load import load
from sugar_deploy.folder import Folder
from sugar_deploy.lab.adapt import adapt
from sugar_deploy.lab.machine import Machine
from sugar_deploy.lab.places import LabPlace
from sugar_deploy.lab.topology import machines_for

DEPLOYMENT = """version: 1
name: peru
title: "Perú: yes"
languages: [es_PE]
schools_from: schools.csv
services:
  upgrades: {at: "03:30"}
"""
SCHOOLS = """name,scenario,role,server.address,lan.interface,lan.address,laptops
lima,offline-server,master,10.9.9.9,enp1s0,172.18.96.1/19,laptops/lima.csv
"""


def made(folder: Path) -> tuple[Folder, Folder, LabPlace]:
    source, target = Folder(folder / "peru"), Folder(folder / "ready")
    place = LabPlace(folder / "run", folder / "disks")
    for path in (source.root / "laptops", source.overrides / "prosody", source.state, source.repository, place.root):
        path.mkdir(parents=True)
    source.file.write_text(DEPLOYMENT, encoding="utf-8")
    (source.root / "schools.csv").write_text(SCHOOLS)
    (source.root / "laptops" / "lima.csv").write_text("serial\nSHC00700123\n")
    (source.overrides / "prosody" / "big.conf").write_text("-- ours\n")
    source.known_hosts.write_text("10.9.9.9 ssh-ed25519 REAL\n")
    (source.state / "id_ed25519").write_text("REAL KEY")
    (source.repository / "signing").write_text("REAL KEY")
    place.known_hosts.write_text("[127.0.0.1]:40001 ssh-ed25519 LAB\n")
    place.key.write_text("LAB KEY")
    place.key.with_name("id_ed25519.pub").write_text("LAB PUBLIC")
    machines = {each.name: Machine(place, each, 40001, 60) for each in machines_for(load(source))}
    adapt(source, place, machines, target, "trixie")
    return source, target, place


def test_it_is_the_same_deployment_at_another_address(tmp_path: Path) -> None:
    source, target, _place = made(tmp_path)
    before, after = load(source), load(target)
    assert (after.title, after.languages) == (before.title, before.languages)
    # The machines' load is their host's.
    lab_s = before.services.model_copy(
        update={"backup": before.services.backup.model_copy(update={"most_load": 1000})}
    )
    assert after.services == lab_s
    assert (after.schools["lima"].server.address, after.schools["lima"].server.port) == ("127.0.0.1", 40001)
    assert after.schools["lima"].laptops == before.schools["lima"].laptops
    assert (target.overrides / "prosody" / "big.conf").read_text() == "-- ours\n"


def test_the_deployers_keys_and_pins_stay_where_they_are(tmp_path: Path) -> None:
    source, target, _place = made(tmp_path)
    assert target.known_hosts.read_text() == "[127.0.0.1]:40001 ssh-ed25519 LAB\n"
    key = target.state / "id_ed25519"
    assert (key.read_text(), key.stat().st_mode & 0o777) == ("LAB KEY", 0o600)
    assert not target.repository.exists()
    assert (source.state / "id_ed25519").read_text() == "REAL KEY"


def test_the_deployers_folder_is_not_written(tmp_path: Path) -> None:
    source, _target, _place = made(tmp_path)
    assert source.file.read_text(encoding="utf-8") == DEPLOYMENT
    assert sorted(path.name for path in source.root.iterdir()) == [
        *(".sugar-deploy", "deployment.yml", "known_hosts", "laptops", "overrides", "repository", "schools.csv"),
    ]
