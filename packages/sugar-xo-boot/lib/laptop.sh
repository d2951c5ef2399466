#!/bin/sh
# What the laptop says of itself: its manufacturing data, and how its firmware started it. To be sourced.
# XO_SYSTEM is put before every path; it is empty but in tests.
XO_LAB_DATA=/sys/firmware/qemu_fw_cfg/by_name/opt/sugar-xo-boot

# The firmware's device tree as the kernel shows it; OLPC's own kernels of the XO-1 have /ofw.
firmware_tree() {
    for tree in "$XO_SYSTEM/ofw" "$XO_SYSTEM/proc/device-tree"; do
        [ -d "$tree" ] && echo "$tree" && return 0
    done
    return 1
}

# The file with a tag's value. A machine without a device tree is no XO: there a virtual machine's fw_cfg may give it
# manufacturing data, so that the lab can try what a locked laptop does. It can lock a PC, never unlock a laptop.
tag_file() {
    if tree=$(firmware_tree); then
        file=$tree/mfg-data/$1
    else
        file=$XO_SYSTEM$XO_LAB_DATA/mfg-data/$1/raw
    fi
    [ -e "$file" ] && echo "$file"
}

has_tag() {
    tag_file "$1" >/dev/null
}

tag_text() {
    file=$(tag_file "$1") && tr -d '\000\n' <"$file"
}

# A tag of raw bytes, in hexadecimal.
tag_hex() {
    file=$(tag_file "$1") && xxd -p <"$file" | tr -d '\n'
}

# A property of the firmware's /chosen: bootpath, rtc-status, rtc-timestamp, rtc-count.
chosen() {
    tree=$(firmware_tree) && [ -e "$tree/chosen/$1" ] && tr -d '\000\n' <"$tree/chosen/$1"
}

# SERIAL and UUID, as signatures hold them.
read_identity() {
    # shellcheck disable=SC2018,SC2019  # bullseye's busybox knows no classes
    SERIAL=$(tag_text SN | tr a-z A-Z)
    UUID=$(tag_text 'U#')
    case $SERIAL in *[!A-Z0-9]*) return 1 ;; esac
    case $UUID in *[!0-9A-Za-z-]*) return 1 ;; esac
    [ ${#SERIAL} -eq 11 ] && [ ${#UUID} -eq 36 ]
}

# Whether this start may only go on with a lease. The firmware decides that on a laptop, by the bundle that it starts;
# where it cannot be asked, a locked machine needs one. The ramdisk of an act bundle may say so itself.
needs_activation() {
    has_tag ak && return 1
    [ -e "$XO_SYSTEM/etc/sugar-xo-boot/act" ] && return 0
    case " $(cat "$XO_SYSTEM/proc/cmdline") " in *' activate '*) return 0 ;; esac
    case $(chosen bootpath) in
        *\\act*) return 0 ;;
        ?*) return 1 ;;
    esac
    has_tag wp
}
