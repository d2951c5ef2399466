#!/bin/sh
# Where the root file system is, and where the laptop keeps its lease. To be sourced.

# The lines for /conf/param.conf by which initramfs-tools finds the root, from the path that the firmware started from.
root_of_bootpath() {
    case $1 in
        /pci/nandflash@c:*) nand_root ;;
        /pci/sd@c,1/disk@[1-9]:* | /pci/sd@c/disk@[1-9]:* | /sd@d4280000/disk@[1-9]:*)
            bus=${1#*/disk@}
            card_root $((${bus%%:*} - 1))
            ;;
        /sd/sdhci@d4281000/disk:*) card_root 1 ;;
        /sd/sdhci@d4280000/disk:*) card_root 2 ;;
        /pci/usb@*) echo ROOT=/dev/sda2 ;;
        *) echo ROOT=LABEL=OLPCRoot ;;
    esac
}

nand_root() {
    if [ "$(cat "$XO_SYSTEM/sys/class/mtd/mtd2/name" 2>/dev/null)" = system ]; then
        # Behind the comma, where UBI's headers are: at the second page, whatever parts of pages the chip could write.
        printf '%s\n' UBIMTD=2,2048 ROOT=ubi0_0 ROOTFSTYPE=ubifs
    else
        printf '%s\n' ROOT=mtd0 ROOTFSTYPE=jffs2 "ROOTFLAGS='-o rp_size=4096'"
    fi
}

# Partition 2 of the card on an MMC bus; the bus keeps its number where the card's own may change.
card_root() {
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        for card in "$XO_SYSTEM/sys/class/mmc_host/mmc$1/mmc$1":*/block/mmcblk*; do
            [ -d "$card" ] && echo "ROOT=/dev/${card##*/}p2" && return 0
        done
        sleep 1
    done
    echo "ROOT=/dev/mmcblk$1p2"
}

# The root as a device. udev may still be at it.
root_device() {
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
        device=$(resolve_device "$ROOT") && [ -b "$device" ] && echo "$device" && return 0
        sleep 1
    done
    return 1
}

# The name of the disk of a partition, such as mmcblk0.
disk_of() {
    real=$(readlink -f "/sys/class/block/${1##*/}") || return 1
    [ -e "$real/partition" ] && real=${real%/*}
    echo "${real##*/}"
}

# Where security/ is: partition 1 of the root's disk, if that is not the root itself, else the root.
store_device() {
    case $ROOT in
        ubi*) echo "mtd1 jffs2" && return ;;
        mtd*) echo "$ROOT jffs2" && return ;;
    esac
    device=$(root_device) || return 1
    disk=$(disk_of "$device")
    for first in "/sys/block/$disk/$disk"1 "/sys/block/$disk/${disk}p1"; do
        [ -d "$first" ] && [ "/dev/${first##*/}" != "$device" ] && device=/dev/${first##*/}
    done
    echo "$device $(get_fstype "$device")"
}

store_disk() {
    device=$(store_device) && disk_of "${device% *}"
}

mount_store() {
    device=$(store_device) || return 1
    mount -t "${device#* }" -o "$1" "${device% *}" "$XO_STORE"
}
