"""The settings: layers that supplement, override and hide, and faults told with their remedy."""

from __future__ import annotations

import pytest
from sugar_server.config import InvalidConfig, load
from sugar_server.registration.store import KnownSerial

VENDOR = "usr/lib/sugar-server/conf.d/50-downstream.conf"
MAIN = "etc/sugar-server/sugar-server.conf"
LOCAL = "etc/sugar-server/conf.d/60-local.conf"


@pytest.fixture
def put(tmp_path):
    def write(path: str, text: str | bytes) -> None:
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text if isinstance(text, bytes) else text.encode())

    return write


def test_nothing_is_needed(tmp_path):
    config = load(tmp_path)
    assert (
        config.registration.enabled
        and config.registration.known_serial is KnownSerial.ACCEPT
        and config.registration.listed is None
    )
    assert config.title == config.fqdn


def test_layers(tmp_path, put):
    put(VENDOR, "[server]\ntitle = vendor\nfqdn = vendor.example\n[registration]\nknown_serial = hold\n")
    put(MAIN, "[server]\nfqdn = Main.Example\ntitle = main\n")
    put(LOCAL, "[server]\ntitle = local\n")
    config = load(tmp_path)
    assert (config.fqdn, config.title, config.registration.known_serial) == (
        "main.example",
        "local",
        KnownSerial.HOLD,
    )


def test_a_local_file_hides_the_vendors_of_the_same_name(tmp_path, put):
    put(VENDOR, "[registration]\nenabled = no\n")
    put("etc/sugar-server/conf.d/50-downstream.conf", "")
    assert load(tmp_path).registration.enabled


def test_titles_are_taken_as_they_are(tmp_path, put):
    for title in ('Escuela "Ñandú" #2; 100% & <b>', "می‌خواهم", "%(fqdn)s", "= x"):
        put(MAIN, f"[server]\ntitle = {title}\n")
        assert load(tmp_path).title == title


def test_listed_laptops(tmp_path, put):
    put(MAIN, "[registration]\nwho = listed\nlaptops = /etc/sugar-server/laptops.csv\n")
    put("etc/sugar-server/laptops.csv", "\ufeffnick,serial\nÑusta,shc00700123\n,\n,SHC00700999\n")
    assert load(tmp_path).registration.listed == {"SHC00700123", "SHC00700999"}


def test_groups_are_known_whoever_may_register(tmp_path, put):
    put(MAIN, "[registration]\nlaptops = /etc/sugar-server/laptops.csv\n")
    put("etc/sugar-server/laptops.csv", "serial,group\nshc00700123, a1 \nSHC00700124,\nSHC00700125\n")
    registration = load(tmp_path).registration
    assert registration.listed is None
    assert registration.groups == {"SHC00700123": "a1"}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[server]\n\nfqdn = a b\n", '{0}:3: [server] fqdn: "a b"'.replace('"', "'")),
        ("[server]\nfqdn = 10.0.0.1\n", "{0}:2: [server] fqdn: "),
        ("[server]\nfqdn = -a.b\n", "{0}:2: [server] fqdn: "),
        ("[server]\nfqdn =\n", "{0}:2: [server] fqdn: "),
        ("[server]\nfqnd = a.b\n", '{0}:2: [server] fqnd: unknown key. Did you mean "fqdn"?'),
        ("[registraton]\n", '{0}:1: [registraton]: unknown section. Did you mean "registration"?'),
        (
            "[registration]\nenabled = true\n",
            "{0}:2: [registration] enabled: 'true' is not a choice. Write one of: yes, no.",
        ),
        ("[registration]\nknown_serial = maybe\n", "{0}:2: [registration] known_serial: "),
        ("[registration]\nwho = listed\n", "{0}:2: [registration] laptops: is needed"),
        (
            "[registration]\nwho=listed\nlaptops=/none.csv\n",
            "{0}:3: [registration] laptops: /none.csv: cannot be read",
        ),
        ("[registration]\nlaptops = none.csv\n", "{0}:2: [registration] laptops: 'none.csv' is not an absolute path"),
        ("[health]\nminimum_free_mib = 1.5\n", "{0}:2: [health] minimum_free_mib: "),
        ("[server]\ntitle = a\ntitle = b\n", "{0}:3: [server] title: is there twice"),
        ("[server]\n[server]\n", "{0}:2: [server]: is there twice"),
        ("title = a\n", "{0}:1: the file: is not made of"),
        ("[server]\nnonsense\n", "{0}:2: the file: is not made of"),
        (b"[server]\ntitle = \xd1and\xfa\n", "{0}:1: the file: is not UTF-8 text. Save it as UTF-8."),
    ],
)
def test_faults(tmp_path, put, text, fault):
    put(MAIN, text)
    with pytest.raises(InvalidConfig) as caught:
        load(tmp_path)
    assert str(caught.value).startswith(fault.format("/" + MAIN))


def test_a_csv_without_serials(tmp_path, put):
    put(MAIN, "[registration]\nwho = listed\nlaptops = /l.csv\n")
    for content, why in (
        ("a,b\n", "no column named serial"),
        (b"serial\n\xff\n", "not a CSV in UTF-8"),
        ("", "no column"),
    ):
        put("l.csv", content)
        with pytest.raises(InvalidConfig, match=why):
            load(tmp_path)


def test_all_faults_at_once_sorted(tmp_path, put):
    put(MAIN, "[server]\nfqdn = a b\n[registration]\nwho = nobody\n")
    put(LOCAL, "[x]\n")
    with pytest.raises(InvalidConfig) as caught:
        load(tmp_path)
    assert [fault.file for fault in caught.value.faults] == ["/" + LOCAL, "/" + MAIN, "/" + MAIN]
