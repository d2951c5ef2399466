"""How pip is told to fetch wheels for another machine than this one."""

from __future__ import annotations

from sugar_deploy.locks import MACHINES

# glibc of bookworm; wheels for any older one run there and on trixie, too. Newest first: pip takes the first match.
_NEWEST_GLIBC, _OLDEST_GLIBC = 36, 5
_LEGACY = ("manylinux2014", "manylinux2010", "manylinux1", "linux")


def pip_arguments(python: str, architecture: str) -> list[str]:
    """Options of `pip download` for a Debian server with this Python (3.11) and architecture (arm64): wheels only."""
    machine = MACHINES[architecture]
    tags = [f"manylinux_2_{minor}" for minor in range(_NEWEST_GLIBC, _OLDEST_GLIBC - 1, -1)]
    platforms = [f"--platform={tag}_{machine}" for tag in (*tags, *_LEGACY)]
    abis = [f"--abi={abi}" for abi in (f"cp{python.replace('.', '')}", "abi3", "none")]
    return [
        "--no-deps",
        "--only-binary=:all:",
        f"--python-version={python}",
        "--implementation=cp",
        *abis,
        *platforms,
    ]
