"""Command lines are pure data."""

from pathlib import Path

from sugar_deploy.run.ansible import Playbook, playbook_argv, playbook_environment

PROJECT = Path("/srv/lima/rendered")


def test_the_plain_command_names_inventory_and_playbook() -> None:
    program, *rest = playbook_argv(Playbook(PROJECT))
    assert Path(program).name == "ansible-playbook"
    assert rest == ["-i", "/srv/lima/rendered/inventory", "/srv/lima/rendered/site.yml"]


def test_every_option_has_its_words() -> None:
    argv = playbook_argv(
        Playbook(
            PROJECT,
            limit=("a", "b"),
            check=True,
            local=True,
            private_key=Path("/k"),
            vault_password_file=Path("/v"),
            extra_vars_file=Path("/x.json"),
            verbosity=2,
        )
    )
    assert argv[4:] == (
        "--limit",
        "a,b",
        "--check",
        "--diff",
        "--connection",
        "local",
        "--private-key",
        "/k",
        "--vault-password-file",
        "/v",
        "--extra-vars",
        "@/x.json",
        "-vv",
    )


def test_the_callers_ansible_settings_and_secrets_do_not_reach_the_run() -> None:
    caller = {
        "HOME": "/root",
        "LC_ALL": "es_PE.ISO-8859-1",
        "ANSIBLE_HOST_KEY_CHECKING": "False",
        "ANSIBLE_CONFIG": "/x",
        "AWS_SECRET": "s",
    }
    environment = playbook_environment(Playbook(PROJECT), caller)
    assert environment["HOME"] == "/root"
    assert environment["ANSIBLE_CONFIG"] == "/srv/lima/rendered/ansible.cfg"
    assert environment["LC_ALL"] == "C.UTF-8"
    assert "ANSIBLE_HOST_KEY_CHECKING" not in environment
    assert "AWS_SECRET" not in environment
