# SPDX-License-Identifier: GPL-3.0-or-later
"""Sugar's plug-in that updates activities from a school server: backend 'schoolserver.SchoolServerUpdater'.

It does what jarabe.model.update.microformat is for. That one cannot read any page in Python 3 (TypeError), and the
Downloader of Sugar 0.121, half changed over to libsoup 3, cannot finish any download; so what is fetched here is
fetched with Python's own library, in threads. Contents (.xol) are installed by this plug-in: Sugar's ContentBundle
cannot read them in Python 3 (TypeError).
"""

import logging
import os
import tempfile
import threading
from pathlib import Path
from urllib.parse import urlsplit

from gi.repository import Gio, GLib, GObject
from jarabe import config
from jarabe.model import bundleregistry
from jarabe.model.update import BundleUpdate, updater
from sugar3 import env
from sugar3.bundle import helpers
from sugar3.bundle.bundleversion import NormalizedVersion

from sugar_client.update import choose, content, fetch, page
from sugar_client.update.version import Version

_logger = logging.getLogger("schoolserver")
_AGENT = f"Sugar/{config.version}"


def _proxies(url):
    """Sugar's own setting, in the words of Python's library."""
    try:
        proxy = Gio.ProxyResolver.get_default().lookup(url, None)[0]
    except GLib.Error:
        return {}
    return {} if proxy.startswith("direct:") else {"http": proxy, "https": proxy}


def _installed():
    """The version of each content in the child's library and of each activity that Sugar has registered, by id."""
    found = content.installed(Path(env.get_user_library_path()))
    for bundle in bundleregistry.get_registry():
        try:
            version = Version(bundle.get_activity_version())
        except ValueError:
            continue
        found[bundle.get_bundle_id()] = max(version, found.get(bundle.get_bundle_id(), version))
    return found


class Download(GObject.GObject):
    """Takes the place of jarabe.util.downloader.Downloader for the updater, which knows nothing but these signals."""

    __gsignals__ = {  # noqa: RUF012 - as GObject wants it
        "progress": (GObject.SignalFlags.RUN_FIRST, None, ([float])),
        "complete": (GObject.SignalFlags.RUN_FIRST, None, (object,)),
    }

    def __init__(self, url, session=None, request_headers=None):
        GObject.GObject.__init__(self)
        self._url = url
        self._path = None
        self._cancel = threading.Event()

    def download_to_temp(self):
        """Fetch into a new file; `complete` comes with None, or with an exception."""
        name = Path(urlsplit(self._url).path)
        folder = Path(env.get_profile_path(), "data")
        folder.mkdir(parents=True, exist_ok=True)
        # The name's end tells Sugar what it is.
        handle, self._path = tempfile.mkstemp(dir=folder, prefix=name.stem[:100], suffix=name.suffix[:10])
        os.close(handle)
        threading.Thread(target=self._fetch, args=(_proxies(self._url),), daemon=True).start()

    def cancel(self):
        self._cancel.set()

    def get_local_file_path(self):
        return self._path

    def _fetch(self, proxies):
        last = [-1]

        def progress(part):
            if int(part * 100) > last[0]:
                last[0] = int(part * 100)
                GLib.idle_add(self.emit, "progress", part)

        result = None
        try:
            fetch.download(self._url, Path(self._path), _AGENT, self._cancel, progress, proxies)
        except Exception as error:
            result = error
        GLib.idle_add(self.emit, "complete", result)


class Content:
    """A content bundle in the words of sugar3.bundle, as far as the updater asks for them."""

    def __init__(self, path):
        self._path = Path(path)

    def get_bundle_id(self):
        """None: Sugar registers activities only, and would try its own ContentBundle."""
        return

    def get_name(self):
        return content.name_of(self._path)

    def get_path(self):
        return str(self._path)

    def install(self):
        return str(content.install(self._path, Path(env.get_user_library_path())))


def bundle_from_archive(path):
    """What the updater installs from a downloaded file."""
    return Content(path) if path.endswith(".xol") else helpers.bundle_from_archive(path)


def bundle_from_dir(path):
    """What Sugar registers of a folder that appeared: activities. It watches the library, too, and would stumble."""
    is_activity = Path(path, "activity", "activity.info").exists()
    return helpers.bundle_from_dir(path) if is_activity else None


class SchoolServerUpdater:
    """Finds newer activities on the page that org.sugarlabs.update microformat-update-url names."""

    def __init__(self):
        self._cancel = threading.Event()
        updater.Downloader = Download
        updater.bundle_from_archive = bundle_from_archive
        bundleregistry.bundle_from_dir = bundle_from_dir

    def fetch_update_info(self, installed_bundles, auto, progress_cb, completion_cb, error_cb):
        """Look for updates; then one of the last two is called in the main loop, with BundleUpdates or a message."""
        self._cancel = threading.Event()
        url = Gio.Settings.new("org.sugarlabs.update").get_string("microformat-update-url")
        if not url:
            completion_cb([])
            return
        progress_cb(None, 0)
        names = {bundle.get_bundle_id(): bundle.get_name() for bundle in installed_bundles}
        job = (url, names, _installed(), auto, self._cancel, _proxies(url), progress_cb, completion_cb, error_cb)
        threading.Thread(target=self._check, args=job, daemon=True).start()

    def cancel(self):
        self._cancel.set()

    def clean(self):
        pass

    def _check(self, url, names, installed, auto, cancel, proxies, progress_cb, completion_cb, error_cb):
        try:
            offers = page.read(fetch.page(url, _AGENT, proxies), url)
            updates = []
            wanted = choose.newer(offers.values(), installed, auto)
            for number, offer in enumerate(wanted):
                if cancel.is_set():
                    break
                name = names.get(offer.bundle_id) or offer.name
                GLib.idle_add(_once, progress_cb, name, number / len(wanted))
                try:
                    size = fetch.size(offer.url, _AGENT, proxies)
                except fetch.Unreachable as error:
                    _logger.warning("Left out: %s", error)
                    continue
                version = NormalizedVersion(str(offer.version))
                updates.append(BundleUpdate(offer.bundle_id, name, version, offer.url, size, optional=offer.optional))
            GLib.idle_add(_once, completion_cb, updates)
        except Exception as error:
            _logger.warning("Failed to look for updates: %s", error)
            GLib.idle_add(_once, error_cb, str(error))


def _once(callback, *arguments):
    """Call it in the main loop, and not again."""
    callback(*arguments)
    return False
