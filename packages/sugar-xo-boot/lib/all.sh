#!/bin/sh
# shellcheck disable=SC2034  # the other parts read what this one sets
# All of the parts, and what they work with in the initramfs. To be sourced.
XO_SYSTEM=
XO_LIB=/usr/lib/sugar-xo-boot
XO_WORK=/run/sugar-xo-boot
XO_STORE=$XO_WORK/store
XO_MEDIUM=$XO_WORK/medium
XO_VERSION=$XO_WORK/version
XO_ROUNDS=4
XO_PAUSE_SECONDS=4
XO_OFF_SECONDS=60
mkdir -p "$XO_STORE" "$XO_MEDIUM"
# shellcheck source=/dev/null
[ -e /etc/sugar-xo-boot/boot.conf ] && . /etc/sugar-xo-boot/boot.conf
for part in laptop times signature lease media network screen disk versions activate; do
    # shellcheck source=/dev/null
    . "$XO_LIB/$part.sh"
done
