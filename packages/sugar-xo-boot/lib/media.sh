#!/bin/sh
# lease.sig in the root of an SD card or a USB stick. To be sourced.

# SD cards, then USB disks; of each the first partition, then the whole device.
media() {
    for disk in "$XO_SYSTEM"/sys/block/mmcblk* "$XO_SYSTEM"/sys/block/sd*; do
        name=${disk##*/}
        if [ ! -d "$disk" ] || [ "$name" = "$1" ]; then continue; fi
        case $name in
            mmcblk*boot* | mmcblk*rpmb*) continue ;;
            mmcblk*) first=${name}p1 ;;
            *) first=${name}1 ;;
        esac
        [ -d "$disk/$first" ] && echo "/dev/$first"
        echo "/dev/$name"
    done
}

mount_medium() {
    for type in vfat exfat ext4; do
        mount -t "$type" -o ro "$1" "$XO_MEDIUM" 2>/dev/null && return 0
    done
    return 1
}

# LEASE: the first good one on any medium but the disk that the system is on.
find_lease_on_media() {
    for device in $(media "$1"); do
        mount_medium "$device" || continue
        found=1
        [ -f "$XO_MEDIUM/lease.sig" ] && find_lease "$XO_MEDIUM/lease.sig" && found=0
        umount "$XO_MEDIUM"
        [ $found -eq 0 ] && return 0
    done
    return 1
}
