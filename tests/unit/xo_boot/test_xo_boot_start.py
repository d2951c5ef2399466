"""When a lease is needed, where the root is, and what is read of a laptop."""

from __future__ import annotations

import calendar
import subprocess

import pytest

from tests.unit.xo_boot.conftest import PACKAGE, Laptop

FW_CFG = "sys/firmware/qemu_fw_cfg/by_name/opt/sugar-xo-boot/mfg-data"
NEEDS = "needs_activation && echo yes || echo no"


@pytest.mark.parametrize(
    ("bootpath", "tags", "needed"),
    [
        ("/sd/sdhci@d4281000/disk:\\boot\\actos4.zip", ("wp",), "yes"),
        ("/sd/sdhci@d4281000/disk:\\boot\\actrd4.zip", (), "yes"),
        ("/sd/sdhci@d4281000/disk:\\boot\\runos4.zip", ("wp",), "no"),
        ("/sd/sdhci@d4281000/disk:\\boot\\olpc.fth", ("wp",), "no"),
        ("/sd/sdhci@d4281000/disk:\\boot\\actos4.zip", ("wp", "ak"), "no"),
        ("", ("wp",), "yes"),
        ("", ("ww",), "no"),
        ("", (), "no"),
    ],
)
def test_the_firmware_decides_and_a_lock_where_it_cannot(
    laptop: Laptop, bootpath: str, tags: tuple[str, ...], needed: str
) -> None:
    laptop.tag("SN", b"SHC12345678")
    if bootpath:
        laptop.chosen("bootpath", bootpath)
    for tag in tags:
        laptop.tag(tag)
    assert laptop.says(NEEDS) == needed


def test_an_act_ramdisk_and_a_word_of_the_command_line_ask_for_a_lease_too(laptop: Laptop) -> None:
    assert laptop.says(NEEDS) == "no"
    laptop.write("proc/cmdline", b"quiet activate\n")
    assert laptop.says(NEEDS) == "yes"
    laptop.write("proc/cmdline", b"quiet deactivate activated\n")
    assert laptop.says(NEEDS) == "no"
    laptop.write("etc/sugar-xo-boot/act")
    laptop.chosen("bootpath", "/pci/usb@f,5/disk:\\boot\\runos1.zip")
    assert laptop.says(NEEDS) == "yes"


def test_fw_cfg_stands_for_manufacturing_data_only_where_there_is_no_device_tree(laptop: Laptop) -> None:
    script = 'read_identity && echo "$SERIAL $UUID" || echo none'
    laptop.write(f"{FW_CFG}/SN/raw", b"shc12345678\0")
    laptop.write(f"{FW_CFG}/U#/raw", b"0AB12C3D-1234-5678-9ABC-DEF012345678\0")
    laptop.write(f"{FW_CFG}/wp/raw")
    assert laptop.says(script) == "SHC12345678 0AB12C3D-1234-5678-9ABC-DEF012345678"
    assert laptop.says(NEEDS) == "yes"
    laptop.tag("SN", b"SHC00000002\0")
    assert laptop.says(script) == "none"
    laptop.write(f"{FW_CFG}/ak/raw")
    laptop.chosen("bootpath", "int:\\boot\\actos1.zip")
    assert laptop.says(NEEDS) == "yes", "what fw_cfg says unlocks no laptop"


@pytest.mark.parametrize(("serial", "uuid"), [("SHC1234567", "0" * 36), ("SHC:2345678", "0" * 36), ("", "")])
def test_without_a_sound_identity_nothing_is_activated(laptop: Laptop, serial: str, uuid: str) -> None:
    laptop.tag("SN", serial.encode())
    laptop.tag("U#", uuid.encode())
    assert laptop.says('activate || echo "$WHY"') == "identity"


@pytest.mark.parametrize(
    ("bootpath", "root"),
    [
        ("/pci/sd@c,1/disk@2:\\boot\\runos0.zip", "ROOT=/dev/mmcblk5p2"),
        ("/pci/sd@c/disk@2:\\boot\\runos1.zip", "ROOT=/dev/mmcblk5p2"),
        ("/sd@d4280000/disk@2:\\boot\\runos2.zip", "ROOT=/dev/mmcblk5p2"),
        ("/sd/sdhci@d4281000/disk:\\boot\\runos4.zip", "ROOT=/dev/mmcblk5p2"),
        ("/pci/usb@f,5/scsi/disk@0:\\boot\\runos1.zip", "ROOT=/dev/sda2"),
        ("/pci/nandflash@c:\\boot\\runos0.zip", "ROOT=mtd0\nROOTFSTYPE=jffs2\nROOTFLAGS='-o rp_size=4096'"),
        ("", "ROOT=LABEL=OLPCRoot"),
    ],
)
def test_the_root_is_where_the_firmware_started_from(laptop: Laptop, bootpath: str, root: str) -> None:
    # The card's own number is not the bus's.
    laptop.write("sys/class/mmc_host/mmc1/mmc1:0001/block/mmcblk5/size", b"7744512\n")
    assert laptop.says('root_of_bootpath "$1"', bootpath) == root


def test_the_external_card_of_an_xo_4_is_on_another_bus(laptop: Laptop) -> None:
    laptop.write("sys/class/mmc_host/mmc1/mmc1:0001/block/mmcblk0/size")
    laptop.write("sys/class/mmc_host/mmc2/mmc2:aaaa/block/mmcblk1/size")
    assert laptop.says('root_of_bootpath "$1"', "/sd/sdhci@d4280000/disk:\\boot\\runos4.zip") == "ROOT=/dev/mmcblk1p2"


def test_a_partitioned_flash_has_its_root_on_ubi(laptop: Laptop) -> None:
    laptop.write("sys/class/mtd/mtd2/name", b"system\n")
    found = laptop.says('root_of_bootpath "$1"', "/pci/nandflash@c:boot,\\boot\\runos0.zip")
    assert found == "UBIMTD=2,2048\nROOT=ubi0_0\nROOTFSTYPE=ubifs"


def test_media_are_cards_before_sticks_and_partitions_before_the_whole(laptop: Laptop) -> None:
    for name in ("mmcblk0/mmcblk0p1", "mmcblk0boot0/ro", "mmcblk1/mmcblk1p1", "sda/sda1", "sdb/ro", "vda/vda1"):
        (laptop.system / "sys/block" / name).mkdir(parents=True)
    found = laptop.says("media mmcblk0").splitlines()
    assert found == ["/dev/mmcblk1p1", "/dev/mmcblk1", "/dev/sda1", "/dev/sda", "/dev/sdb"]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("19700101T000000Z", 0),
        ("20000229T120000Z", calendar.timegm((2000, 2, 29, 12, 0, 0))),
        ("20380119T031408Z", 2**31),
        ("21000301T000000Z", calendar.timegm((2100, 3, 1, 0, 0, 0))),
        ("20240809T080909Z", calendar.timegm((2024, 8, 9, 8, 9, 9))),
        ("99991231T235959Z", calendar.timegm((9999, 12, 31, 23, 59, 59))),
        ("20250231T000000Z", calendar.timegm((2025, 3, 3, 0, 0, 0))),
    ],
)
def test_times(laptop: Laptop, text: str, moment: int) -> None:
    assert laptop.says('seconds_of "$1"', text) == str(moment)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "20250601",
        "2025-0601T000000",
        "20251301T000000Z",
        "20250001T000000Z",
        "20250132T000000Z",
        "20250101T240000Z",
        "20250101T006000Z",
        "20250101T000060Z",
        "2025010aT000000Z",
        "00000101T000000Z",
        "$(reboot)",
    ],
)
def test_what_is_no_time(laptop: Laptop, text: str) -> None:
    assert laptop.says('seconds_of "$1" || echo none', text) == "none"


SCAN = """BSS 02:00:00:00:00:01(on wlan0)
\tfreq: 2412
\tcapability: ESS Privacy ShortSlotTime (0x0411)
\tsignal: -40.00 dBm
\tSSID: Home
\tRSN:\t * Version: 1
BSS 02:00:00:00:00:02(on wlan0)
\tcapability: ESS ShortSlotTime (0x0401)
\tSSID: Escuela \\xc3\\x91and\\xc3\\xba 1
BSS 02:00:00:00:00:03(on wlan0)
\tcapability: IBSS (0x0002)
\tSSID: olpc-adhoc
BSS 02:00:00:00:00:04(on wlan0)
\tcapability: ESS (0x0001)
\tSSID: Escuela \\xc3\\x91and\\xc3\\xba 1
BSS 02:00:00:00:00:05(on wlan0)
\tcapability: ESS (0x0001)
\tSSID: Office
\tWPA:\t * Version: 1
BSS 02:00:00:00:00:06(on wlan0)
\tcapability: ESS (0x0001)
\tSSID:\x20
BSS 02:00:00:00:00:07(on wlan0)
\tcapability: ESS (0x0001)
\tSSID: Library
"""


def test_only_open_infrastructure_networks_are_asked(laptop: Laptop) -> None:
    found = laptop.says("open_networks", input=SCAN.encode())
    assert found.splitlines() == ["Escuela \\xc3\\x91and\\xc3\\xba 1", "Library"]


@pytest.mark.parametrize("why", ["none", "stolen", "expired", "clock", "signature", "form", "time", "identity"])
def test_a_refusal_says_why_and_whose_it_is_on_a_small_screen(laptop: Laptop, why: str) -> None:
    text = laptop.says('SERIAL=SHC12345678 XO_OFF_SECONDS=60; refusal "$1"', why)
    assert "NOT ACTIVATED" in text
    assert "SHC12345678" in text
    assert ("no lease" in text.lower()) == (why == "none")
    assert ("stolen" in text) == (why == "stolen")
    # A console of the XO-1 with its usual font of 12 by 22 has 100 columns and 40 rows.
    assert max(map(len, text.splitlines())) <= 100
    assert len(text.splitlines()) <= 40


@pytest.mark.parametrize(("bootpath", "build"), [("", "32010"), ("int:\\boot-alt\\runos4.zip", "31905")])
def test_the_boot_partition_names_the_build(laptop: Laptop, bootpath: str, build: str) -> None:
    store, root = laptop.system / "store", laptop.system / "root"
    for folder in (store, root / "versions/pristine"):
        folder.mkdir(parents=True)
    (store / "boot").symlink_to("boot-versions/32010")
    (store / "boot-alt").symlink_to("boot-versions/31905")
    if bootpath:
        laptop.chosen("bootpath", bootpath)
    assert laptop.says('current_build "$1"', root) == build


def test_an_unpartitioned_flash_names_it_in_its_root(laptop: Laptop) -> None:
    root = laptop.system / "root"
    (root / "versions/configs/802").mkdir(parents=True)
    (root / "versions/pristine/802").mkdir(parents=True)
    (root / "versions/boot").symlink_to("configs/802")
    (root / "versions/configs/802/current").symlink_to("/versions/pristine/802")
    # The target does not exist on the machine that looks; only its name counts.
    assert laptop.says('current_build "$1"', root) == "802"


def test_an_image_forgets_who_it_was(tmp_path) -> None:
    kept = ("etc/ssh/sshd_config", "etc/hosts")
    gone = ("etc/ssh/ssh_host_ed25519_key", "etc/ssh/ssh_host_ed25519_key.pub", "etc/hostname")
    gone += ("var/lib/dbus/machine-id", "var/lib/sugar-xo-boot/enrolled", "var/lib/systemd/random-seed")
    for name in (*kept, *gone, "etc/machine-id"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x\n")
    subprocess.run([PACKAGE / "bin/forget", tmp_path], check=True)
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert left == sorted((*kept, "etc/machine-id"))
    assert (tmp_path / "etc/machine-id").read_text() == ""


@pytest.mark.parametrize("words", [(), ("/",), ("//",), ("/nowhere",)])
def test_no_machine_forgets_itself(words: tuple[str, ...]) -> None:
    done = subprocess.run([PACKAGE / "bin/forget", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr
