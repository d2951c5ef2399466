"""What a rendered project promises beyond its cases: same bytes, no secrets, no surprises."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sugar_deploy.deployment.load import load
from sugar_deploy.errors import DeployError, UsageError
from sugar_deploy.folder import Folder
from sugar_deploy.render.project import Rendered, render
from sugar_deploy.scenario.resolve import resolve
from tests.unit.render.golden import CASES, files
from tests.unit.render.test_render_golden import ansible

MIXTURE = next(case for case in CASES if case.name == "mixture")
VAULT = "$ANSIBLE_VAULT;1.1;AES256\n6162\n"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A deployment's folder that a test may change."""
    shutil.copytree(MIXTURE, tmp_path / "andes", ignore=shutil.ignore_patterns("expected"))
    return Folder(tmp_path / "andes")


def rendered(folder: Folder, out: Path | None = None) -> Rendered:
    return render(resolve(load(folder)), folder, out or folder.rendered)


def modes(project: Path) -> dict[str, int]:
    return {str(path.relative_to(project)): path.stat().st_mode for path in project.rglob("*")}


def test_same_input_same_bytes_and_modes(tmp_path: Path) -> None:
    surroundings = [
        {"PYTHONHASHSEED": "0", "LC_ALL": "C", "TZ": "UTC", "umask": "0o000"},
        {"PYTHONHASHSEED": "4711", "LC_ALL": "C.UTF-8", "TZ": "Asia/Kathmandu", "umask": "0o077"},
    ]
    for number, environment in enumerate(surroundings):
        umask = int(environment.pop("umask"), 8)
        case = tmp_path / str(number) / "andes"
        shutil.copytree(MIXTURE, case)
        subprocess.run(
            [sys.executable, "-m", "sugar_deploy", "render", "-o", tmp_path / f"out{number}"],
            cwd=case,
            env={**environment, "PATH": os.environ["PATH"], "PYTHONPATH": str(Path.cwd())},
            umask=umask,
            check=True,
            capture_output=True,
        )
    assert files(tmp_path / "out0") == files(tmp_path / "out1")
    assert modes(tmp_path / "out0") == modes(tmp_path / "out1")


def test_names_no_place_of_this_machine(folder: Folder) -> None:
    out = rendered(folder).out
    for name, data in files(out).items():
        assert os.fsencode(folder.root) not in data, name
        assert os.fsencode(Path.home()) + b"/" not in data or name.startswith(("roles/", "collections/")), name


def test_a_project_can_be_moved(folder: Folder, tmp_path: Path) -> None:
    """ssh is pointed at the project's own known_hosts wherever the project lies, whatever its folder is called."""
    out = tmp_path / "a 100% 'odd place"
    rendered(folder, tmp_path / "out").out.rename(out)
    (out / "known_hosts").write_text("[127.0.0.1]:1 ssh-ed25519 AAAA\n")
    play = tmp_path / "play.yml"
    play.write_text(
        "- hosts: feria\n  gather_facts: false\n  tasks:\n"
        "    - ansible.builtin.copy: {content: '{{ ansible_ssh_common_args }}', dest: '{{ target }}'}\n"
        "      delegate_to: localhost\n      vars: {ansible_connection: local, ansible_become: false}\n"
    )
    target = tmp_path / "arguments"
    ansible(
        "ansible-playbook",
        *("-i", out / "inventory", play, "-e", f"target={target}"),
        *("-e", f"ansible_python_interpreter={sys.executable}"),
        HOME=str(tmp_path),
    )
    options = shlex.split(target.read_text())
    told = subprocess.run(["ssh", "-F", "none", "-G", *options, "feria"], capture_output=True, text=True, check=True)
    settings = dict(line.split(" ", 1) for line in told.stdout.splitlines())
    assert settings["stricthostkeychecking"] == "true"
    assert settings["userknownhostsfile"].replace("%%", "%").strip('"') == str(out / "known_hosts")


def test_texts_that_look_like_templates_stay_texts(tmp_path: Path) -> None:
    case = next(case for case in CASES if case.name == "templates-in-texts")
    out = render(resolve(load(Folder(case))), Folder(case), tmp_path / "out").out
    play = tmp_path / "play.yml"
    play.write_text(
        "- hosts: tricky\n  gather_facts: false\n  tasks:\n"
        "    - ansible.builtin.debug: {msg: '<{{ sugar_server__title }}> <{{ lan__wireless.ssid }}>'}\n"
    )
    shown = ansible("ansible-playbook", "-i", out / "inventory", play)
    assert "<{{ lookup('pipe', 'id') }}> <{% raw %}>" in shown


def test_secrets_are_copied_encrypted(folder: Folder) -> None:
    folder.secrets.mkdir()
    (folder.secrets / "hosts.yml").write_text(VAULT)
    (folder.secrets / "other.yml").write_text(VAULT)
    out = rendered(folder).out
    assert (out / "secrets" / "hosts.yml").read_text() == VAULT
    assert [path.name for path in (out / "secrets").iterdir()] == ["hosts.yml"]


def test_secrets_in_the_clear_are_refused(folder: Folder) -> None:
    folder.secrets.mkdir()
    (folder.secrets / "hosts.yml").write_text("vault_become_passwords: {feria: sesame}\n")
    with pytest.raises(UsageError, match=r"hosts.yml is not encrypted.*ansible-vault encrypt") as raised:
        rendered(folder)
    assert "sesame" not in str(raised.value)
    assert not folder.rendered.exists()


def test_the_repository_is_linked_whole_and_its_state_named(folder: Folder) -> None:
    (folder.published / "pool").mkdir(parents=True)
    (folder.published / "dists" / "trixie").mkdir(parents=True)
    (folder.published / "pool" / "sugar_1_all.deb").write_bytes(b"deb")
    (folder.published / "dists" / "trixie" / "InRelease").write_bytes(b"signed")
    folder.repository_key.write_text("-----BEGIN PGP PUBLIC KEY BLOCK-----\n")
    out = rendered(folder).out
    carried = out / "repository"
    assert (carried / "tree" / "pool" / "sugar_1_all.deb").samefile(folder.published / "pool" / "sugar_1_all.deb")
    assert (carried / "tree" / "dists" / "trixie" / "InRelease").read_bytes() == b"signed"
    # As sha256sum tells them, of the files and of the listing's lines.
    deb = "9cfa1468c93fc18652e34a000f0c6614b0fa18f6f4887477ad9b0d36ca6a7eaa"
    signed = "4a3cdfae6f291c8f544daea5b72905cf9e74c1ed427d831ad0d7ca00c73c794d"
    assert json.loads((carried / "listing.json").read_text()) == [
        {"path": "dists/trixie/InRelease", "size": 6, "sha256": signed},
        {"path": "pool/sugar_1_all.deb", "size": 3, "sha256": deb},
    ]
    state = "455946e09b9f10fd386d88483bb53593c2bfe4b57a54b8e4e4debf83f9028968"
    assert (carried / "state").read_text() == f"{state}\n"
    assert (out / "files" / "repository-key.asc").read_text() == folder.repository_key.read_text()
    before = files(out)
    rendered(folder)
    assert files(out) == before


def test_what_only_images_are_composed_of_is_carried_to_no_server(folder: Folder) -> None:
    servers, images = ("server.deb", "shared.deb"), ("shared.deb", "sugar.deb")
    suites = {"bookworm": servers, "bookworm-images": images}
    for name in {*servers, *images}:
        (folder.published / "pool").mkdir(parents=True, exist_ok=True)
        (folder.published / "pool" / name).write_text(name)
    for suite in suites:
        (folder.published / "dists" / suite).mkdir(parents=True)
        (folder.published / "dists" / suite / "InRelease").write_text("signed")
    record = {"suites": {suite: [{"filename": f"pool/{name}"} for name in names] for suite, names in suites.items()}}
    (folder.published / "snapshot.json").write_text(json.dumps(record))
    listing = json.loads((rendered(folder).out / "repository" / "listing.json").read_text())
    paths = ["dists/bookworm/InRelease", "pool/server.deb", "pool/shared.deb", "snapshot.json"]
    assert [each["path"] for each in listing] == paths


def test_pinned_keys_are_copied(folder: Folder) -> None:
    line = b"10.43.0.1 ssh-ed25519 AAAA la m\xe1quina\n"
    folder.known_hosts.write_bytes(line)
    assert (rendered(folder).out / "known_hosts").read_bytes() == line


def test_overrides_that_nobody_reads_are_named(folder: Folder) -> None:
    result = rendered(folder)
    assert result.left_out == ("overrides/dnsmasq/library.conf.bak",)
    (folder.overrides / "prosdy").mkdir()
    with pytest.raises(UsageError, match=r'overrides/prosdy: .*Did you mean "prosody"\?'):
        rendered(folder)


def test_an_override_outside_a_service_is_refused(folder: Folder) -> None:
    (folder.overrides / "limits.conf").write_text("")
    with pytest.raises(UsageError, match=r"overrides/limits.conf: .*Services that do: chrony"):
        rendered(folder)


def test_an_override_that_leads_nowhere_is_refused(folder: Folder) -> None:
    (folder.overrides / "prosody" / "gone.conf").symlink_to("nowhere")
    with pytest.raises(UsageError, match=r"overrides/prosody/gone\.conf is not a file"):
        rendered(folder)


def test_overrides_must_be_a_folder(folder: Folder) -> None:
    shutil.rmtree(folder.overrides)
    folder.overrides.write_text("")
    with pytest.raises(UsageError, match="overrides is a file"):
        rendered(folder)


def test_a_school_taken_out_leaves_nothing_behind(folder: Folder) -> None:
    out = rendered(folder).out
    assert (out / "inventory" / "host_vars" / "puna-10.json").exists()
    rows = (folder.root / "schools.csv").read_text().splitlines()
    (folder.root / "schools.csv").write_text("\n".join(rows[:-1]) + "\n")
    rendered(folder)
    assert not any("puna-10" in name for name in files(out))
    assert b"puna-10" not in (out / "inventory" / "hosts.ini").read_bytes()


def test_what_has_not_changed_is_not_written_again(folder: Folder) -> None:
    out = rendered(folder).out
    known = {name: (out / name).stat().st_ino for name in files(out)}
    (out / "site.yml").write_text("edited by hand\n")
    (out / "phase.yml").chmod(0o644)
    file = folder.root / "schools.csv"
    file.write_text(file.read_text().replace("Puna 08", "Puna ocho"))
    before = files(out)
    rendered(folder)
    rewritten = {name for name in files(out) if (out / name).stat().st_ino != known[name]}
    assert rewritten == {"site.yml", "phase.yml", "inventory/host_vars/puna-08.json"}
    changed = {name for name, data in files(out).items() if data != before[name]}
    assert changed == {"site.yml", "inventory/host_vars/puna-08.json"}
    assert (out / "phase.yml").stat().st_mode & 0o777 == 0o600


def test_a_full_disk_changes_nothing(folder: Folder, tmp_path: Path) -> None:
    """A file's size is limited, which fails a write as a full disk does."""
    out = rendered(folder, tmp_path / "out").out
    before = files(out)
    (folder.root / "overrides" / "prosody" / "large.conf").write_bytes(b"-" * 300_000)
    script = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
        f"from sugar_deploy.cli import main; main(['render', '-C', {str(folder.root)!r}, '-o', {str(out)!r}])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 1
    assert "cannot render into" in done.stderr and "Traceback" not in done.stderr
    assert files(out) == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".out")] == []


def test_a_place_that_cannot_be_written(folder: Folder) -> None:
    with pytest.raises(DeployError, match="/proc"):
        rendered(folder, Path("/proc/self/project"))
