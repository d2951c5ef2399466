"""A laptop with Debian's Sugar: its image, and what makes it a desktop that somebody is logged in to. Pure."""

from __future__ import annotations

from dataclasses import replace

from sugar_deploy.lab.guest import GuestFile
from sugar_deploy.lab.image import Recipe

USER = "child"
NICK = "Ana"
VNC_PORT = 5900
"""On the laptop's own loopback."""
DESKTOP = "lab-sugar.service"

# Without recommended packages: Sugar itself with its activities, a session bus as desktops of Debian have it, and a
# screen that can be looked at from elsewhere.
PACKAGES = (
    "dbus-user-session",
    "dconf-gsettings-backend",
    "fonts-dejavu-core",
    "gvfs",
    "libglib2.0-bin",
    "libpam-systemd",
    "sucrose",
    # Only recommended by Sugar, whose shell does not start without it.
    "telepathy-mission-control-5",
    "tigervnc-standalone-server",
    "tzdata",
)
_CUSTOMISE = f"""chroot "$root" useradd --create-home --shell /bin/bash --comment {NICK} {USER}
"""
_SCREEN = f"""[Unit]
Description=Screen of the laptop, to be looked at by VNC on its own loopback
# Who logs out leaves programs behind, which end with their screen.
StopWhenUnneeded=yes

[Service]
User={USER}
ExecStart=/usr/bin/Xtigervnc :0 -geometry 1200x900 -localhost=1 -SecurityTypes None -rfbport {VNC_PORT} -nolisten tcp
ExecStartPost=/bin/sh -c 'until [ -S /tmp/.X11-unix/X0 ]; do sleep 0.1; done'
TimeoutStartSec=60
"""
# Nick and grade are what Sugar asks for at its first start.
_SUGAR = f"""[Unit]
Description=Sugar, as after {NICK}'s login
Requires=lab-screen.service
After=lab-screen.service systemd-user-sessions.service systemd-logind.service

[Service]
User={USER}
PAMName=login
WorkingDirectory=~
Environment=DISPLAY=:0 LANG=C.UTF-8 "SUGAR_PROFILE_NAME={NICK}"
ExecStartPre=/usr/bin/gsettings set org.sugarlabs.user group-label "4th Grade"
ExecStart=/usr/bin/sugar
"""


def with_sugar(plain: Recipe) -> Recipe:
    """The image of a laptop with Sugar, from that of a plain machine."""
    return replace(
        plain,
        packages=tuple(sorted({*plain.packages, *PACKAGES})),
        kind=f"sugar-{plain.kind}",
        customise=plain.customise + _CUSTOMISE,
    )


def desktop_files() -> tuple[GuestFile, ...]:
    """A screen, and Sugar on it as soon as `lab-sugar.service` is started."""
    return (
        GuestFile("etc/systemd/system/lab-screen.service", _SCREEN),
        GuestFile(f"etc/systemd/system/{DESKTOP}", _SUGAR),
    )
