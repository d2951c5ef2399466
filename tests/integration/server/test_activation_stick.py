"""A stick with what activates laptops, as XS school servers took it; its manifest is made by the real sha1sum."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from olpc_security.sign import sign01

from tests import clock

from .deployment import LAPTOP, LEASE_KEY, OTHER, STRANGER, Deployment
from .test_server_activation import OWN


@pytest.fixture
def school(debian_server):
    """A server that knows its key, and what the deployment brings it."""
    deployment = Deployment(debian_server)
    deployment.place_key(OWN)
    debian_server.start()
    return deployment


@pytest.fixture
def stick(school, tmp_path):
    """The stick's root, with the folder of the server `lima`."""
    folder = tmp_path / "usb" / "xs-activation" / "lima"
    folder.mkdir(parents=True)
    shutil.copy(school.delegations(OWN.public, LAPTOP, OTHER), folder)
    shutil.copy(school.leases(STRANGER), folder)
    seal(folder)
    return tmp_path / "usb"


def seal(folder, key=None):
    for old in folder.glob("manifest.*"):
        old.unlink()
    files = sorted(path.name for path in folder.iterdir() if path.is_file())
    made = subprocess.run(["sha1sum", "--", *files], cwd=folder, capture_output=True, check=True).stdout
    (folder / "manifest.sha1").write_bytes(made)
    if key is not None:
        (folder / "manifest.sha1.sig").write_text(f"{sign01(key, made).text}\n")


def imported(school, stick, name="lima"):
    done = school.server.command("import-activation-stick", str(stick), "--name", name)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def known(school):
    return school.server.command("leases").stdout


def refused(school, stick, words, name="lima"):
    before = known(school)
    status, said, why = imported(school, stick, name)
    assert (status, said, words in why, known(school)) == (1, "", True, before), why


def test_a_stick_is_taken_once(school, stick):
    assert imported(school, stick)[:2] == (0, "1 of 1 leases are new.\n2 of 2 delegations are new.\n")
    for one in (LAPTOP, OTHER, STRANGER):
        assert one.serial in known(school)
    assert imported(school, stick)[:2] == (0, "0 of 1 leases are new.\n0 of 2 delegations are new.\n")


def test_what_is_for_another_server_is_left_alone(school, stick):
    refused(school, stick, "nothing there is for this server", "cusco")
    # What lies there directly is for whichever server.
    base = stick / "xs-activation"
    shutil.copy(school.leases(STRANGER), base)
    seal(base)
    assert imported(school, base, "cusco")[:2] == (0, "1 of 1 leases are new.\n")
    assert LAPTOP.serial not in known(school)


def test_nothing_is_taken_of_a_stick_that_is_not_as_it_was_made(school, stick):
    folder = stick / "xs-activation" / "lima"
    (folder / "leases.sig").rename(folder / "leases.old")
    refused(school, stick, "leases.sig: is in the manifest, and not on the stick")
    (folder / "leases.old").rename(folder / "leases.sig")
    (folder / "stolen.list").write_text("")
    refused(school, stick, "stolen.list: is not in the manifest")
    (folder / "stolen.list").unlink()
    good = (folder / "leases.sig").read_bytes()
    (folder / "leases.sig").write_bytes(good.replace(b" K 2", b" K 3"))
    refused(school, stick, "leases.sig: is damaged")
    # With a manifest that fits, what is in it still has to be the deployment's; the good rest is not taken either.
    (folder / "leases.sig").write_bytes(good)
    shutil.copy(school.delegations(OWN.public, LAPTOP, by=OWN), folder)
    seal(folder)
    refused(school, stick, "d-lease.sig: line 1")
    (folder / "manifest.sha1").unlink()
    refused(school, stick, "has no manifest.sha1")


def test_signed_sticks_and_where_only_those_are_taken(school, stick):
    folder = stick / "xs-activation" / "lima"
    school.server.configure("", "../xs-security-on")
    refused(school, stick, "wants signed sticks")
    seal(folder, OWN)
    refused(school, stick, "trusted-key")
    seal(folder, LEASE_KEY)
    signature = (folder / "manifest.sha1.sig").read_text()
    shutil.copy(school.leases(STRANGER, OTHER), folder)
    seal(folder)
    (folder / "manifest.sha1.sig").write_text(signature)
    refused(school, stick, "[signature: ")
    seal(folder, LEASE_KEY)
    assert imported(school, stick)[0] == 0


def test_a_list_of_stolen_laptops_counts_only_if_it_is_signed(school, stick):
    folder = stick / "xs-activation" / "lima"
    shutil.copy(school.stolen(LAPTOP), folder)
    seal(folder)
    refused(school, stick, "stolen.list counts only on a stick with a manifest.sha1.sig")
    seal(folder, LEASE_KEY)
    assert "SHC12345678 is stolen: it gets no lease any more.\n" in imported(school, stick)[1]
    (folder / "stolen.list").write_text("")
    seal(folder, LEASE_KEY)
    assert "SHC12345678 is stolen no longer.\n" in imported(school, stick)[1]


def test_a_server_with_a_wrong_clock_takes_nothing(school, stick):
    argv = school.server.argv("import-activation-stick", str(stick), "--name", "lima")
    done = subprocess.run(
        [*clock.at("2001-01-01 00:00:00"), *argv], env=school.server.environment(), capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, "Nothing was taken" in done.stderr) == (1, "", True), done.stderr
    assert LAPTOP.serial not in known(school)


def test_a_stick_of_the_deployer(school, tmp_path):
    """`sugar-deploy lease deliver` writes what the server takes, also where only signed sticks are."""
    from sugar_deploy.cli import main
    from sugar_deploy.deployment.model import Scenario
    from sugar_deploy.deployment.start import start
    from sugar_deploy.folder import Folder
    from sugar_deploy.keys.laptop.keyset import KeySet

    folder, words = Folder(tmp_path / "lima"), "correct horse battery staple"
    start(folder, Scenario.OFFLINE_SERVER, "lima")
    KeySet(folder, "lima").adopt("lease", LEASE_KEY, words, school.now - 60, 1)
    (tmp_path / "words").touch(0o600)
    (tmp_path / "words").write_text(words)
    brought = folder.leases / "san-martin"
    brought.mkdir(parents=True)
    shutil.copy(school.delegations(OWN.public, LAPTOP, OTHER), brought)
    folder.stolen.write_text(f"{OTHER.serial}\n")
    (tmp_path / "usb").mkdir()
    argv = ["lease", "deliver", "san-martin", str(tmp_path / "usb"), "-C", str(folder.root)]
    for name, status in (("san-martin", 0), ("cusco", 2)):
        argv[2] = name
        with pytest.raises(SystemExit) as ended:
            main([*argv, "--passphrase-file", str(tmp_path / "words")])
        assert (ended.value.code or 0) == status
    school.server.configure("", "../xs-security-on")
    told = "2 of 2 delegations are new.\nSHC00000002 is stolen: it gets no lease any more.\n"
    assert imported(school, tmp_path / "usb", "san-martin")[:2] == (0, told)
