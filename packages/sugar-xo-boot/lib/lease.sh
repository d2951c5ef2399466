#!/bin/sh
# shellcheck disable=SC2034  # the other parts read what this one sets
# Leases for this laptop, in files of lines and in the wrapper of many laptops' leases. To be sourced.

# LEASE: the first good lease in FILE; if there is none, WHY tells what was wrong with the last that was for us.
find_lease() {
    # In the wrapper [1,{"SERIAL":"act01: ...  the serial number and its quotes stand before the line.
    sed -n "s/\r\$//; s/^\(.*\"$SERIAL\":\"\)\{0,1\}\(act01: $SERIAL .*\)\$/\2/p" "$1" >"$XO_WORK/lines"
    # The last line may lack its end.
    while IFS= read -r LEASE || [ -n "$LEASE" ]; do
        is_lease "$LEASE" && return 0
    done <"$XO_WORK/lines"
    return 1
}

is_lease() {
    line=$1
    set -f
    # shellcheck disable=SC2086
    set -- $line
    set +f
    WHY=form
    # Joined by single blanks again it is the same: the firmware takes no others.
    [ "$*" = "$line" ] && [ ${#line} -lt 8191 ] && [ $# -ge 8 ] || return 1
    [ "$1 $2" = "act01: $SERIAL" ] && [ ${#3} -eq 1 ] || return 1
    in_time "$4" || return 1
    text="$SERIAL:$UUID:$3:$4"
    shift 4
    is_signed "$text" "$@"
}

# The lease that was kept at the last activation; the firmware looks there before the next start.
find_kept_lease() {
    mount_store ro || return 1
    found=1
    [ -e "$XO_STORE/security/lease.sig" ] && find_lease "$XO_STORE/security/lease.sig" && found=0
    umount "$XO_STORE"
    return $found
}

# Keep LEASE for the firmware: alone in its file, whose first 2048 bytes are all that it reads safely.
keep_lease() {
    mount_store rw || return 1
    mkdir -p "$XO_STORE/security" && echo "$LEASE" >"$XO_STORE/security/lease.new" && sync &&
        mv "$XO_STORE/security/lease.new" "$XO_STORE/security/lease.sig"
    kept=$?
    sync
    umount "$XO_STORE"
    return $kept
}
