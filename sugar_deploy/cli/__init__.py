"""The command line: click commands, one module per group, imported only when called."""

from __future__ import annotations

import errno
import importlib
import json
import sys
from io import TextIOWrapper
from typing import Any

import click

from sugar_deploy import __version__
from sugar_deploy.errors import DeployError, InvalidDeployment

# Faults of the machine that an error in the middle of writing tells without a file's name.
OF_THE_MACHINE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE})

# Each command's home and one-line help; the module is imported when the command is called.
COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("sugar_deploy.cli.init:init", "Write a commented deployment.yml, ready to edit."),
    "check": ("sugar_deploy.cli.check:check", "Report every fault in the deployment file and its CSVs."),
    "schema": ("sugar_deploy.cli.check:schema", "Print the JSON schema of the deployment file."),
    "render": ("sugar_deploy.cli.render:render", "Write the Ansible project of the deployment."),
    "host": (
        "sugar_deploy.cli.host:host",
        "First contact with a server: pin its key, install yours, probe it.",
    ),
    "plan": ("sugar_deploy.cli.apply:plan", "Show what apply would change, without changing it."),
    "apply": ("sugar_deploy.cli.apply:apply", "Bring servers to their described state."),
    "verify": ("sugar_deploy.cli.verify:verify", "Check every service as a laptop would."),
    "status": ("sugar_deploy.cli.status:status", "Show the last run, versions and health, per school."),
    "password": ("sugar_deploy.cli.password:password", "Make a new password for a school's teacher."),
    "backup": ("sugar_deploy.cli.backup:backup", "Save what only the schools' servers know."),
    "restore": ("sugar_deploy.cli.backup:restore", "Bring a school's backup onto new hardware."),
    "install": ("sugar_deploy.cli.install:install", "At the school: install or upgrade a server from a stick."),
    "first-start": (
        "sugar_deploy.cli.first_start:first_start",
        "Of an image with a server: make its laptop that server.",
    ),
    "repo": ("sugar_deploy.cli.repo:repo", "Build, sign and publish the deployment's packages."),
    "image": ("sugar_deploy.cli.image:image", "Images for laptops, as their firmware flashes them."),
    "keys": ("sugar_deploy.cli.keys:keys", "The keys that laptops trust: make, replace, share, sign."),
    "lease": ("sugar_deploy.cli.lease:lease", "Leases for laptops: issue, delegate, look at, put on sticks."),
    "lab": ("sugar_deploy.cli.lab:lab", "Throw-away machines for trying a deployment and for CI."),
    "demo": ("sugar_deploy.cli.demo:demo", "A school server brought up and verified in the lab, end to end."),
}


class LazyGroup(click.Group):
    """A group whose commands are named here and imported on use, so that --help is instant."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sugar-deploy")
def cli() -> None:
    """Put Sugar and its school servers to work in real schools.

    \b
    Example:
      sugar-deploy init lima --scenario offline-server
      sugar-deploy apply -C lima
    """


def main(argv: list[str] | None = None) -> None:
    """Run the command line; exit 0 done, 1 failed, 2 wrong input or usage, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal that knows no "é" or "…" shows a question mark rather than a traceback.
            stream.reconfigure(errors="replace")
    words = argv if argv is not None else sys.argv[1:]
    # Behind "--" stand another program's words.
    as_json = "--json" in words[: words.index("--") if "--" in words else None]
    try:
        result: Any = cli.main(args=argv, standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):
        _tell("Interrupted.", "Interrupted", as_json=as_json)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        _tell("", error.format_message(), as_json=as_json)
        sys.exit(2 if error.exit_code == 2 else 1)
    except DeployError as error:
        _report(error, as_json=as_json)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        # A full disk, a folder without permission: the deployer's to mend, not a fault of the program.
        if error.strerror is None or (error.filename is None and error.errno not in OF_THE_MACHINE):
            raise
        where = f"{_shortened(str(error.filename))}: " if error.filename is not None else ""
        _tell(f"sugar-deploy: {where}{error.strerror}.", f"{where}{error.strerror}", as_json=as_json)
        # Nothing on this machine makes such a name possible: it was given wrongly.
        sys.exit(2 if error.errno == errno.ENAMETOOLONG else 1)
    sys.exit(result if isinstance(result, int) else 0)


def _report(error: DeployError, *, as_json: bool) -> None:
    if not isinstance(error, InvalidDeployment):
        _tell(f"sugar-deploy: {error}", error.message, error.remedy, as_json=as_json)
    elif as_json:
        fields = ("file", "line", "column", "key", "message", "remedy")
        problems = [{name: getattr(problem, name) for name in fields} for problem in error.problems]
        click.echo(json.dumps({"valid": False, "problems": problems}, indent=2))
    else:
        click.echo(str(error), err=True)


def _tell(text: str, error: str, remedy: str = "", *, as_json: bool) -> None:
    """An error for people and, where standard output is a script's, for that as well."""
    if text:
        click.echo(text, err=True)
    if as_json:
        click.echo(json.dumps({"error": error, "remedy": remedy}, indent=2))


def _shortened(name: str, length: int = 200) -> str:
    """A name that fits on a screen."""
    return name if len(name) <= length else f"{name[:length]}…"
