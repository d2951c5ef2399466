#!/bin/sh
# shellcheck disable=SC2034  # the other parts read what this one sets
# Activation, from looking for a lease to keeping it. To be sourced, after the others.

# LEASE, wherever it is; or WHY there is none. A stick may come late, and a network may need a second try.
find_any_lease() {
    WHY=none
    find_kept_lease && FROM="the laptop" && return 0
    round=0
    while [ $round -lt "$XO_ROUNDS" ]; do
        round=$((round + 1))
        show "Looking for a lease for $SERIAL ($round of $XO_ROUNDS) ..."
        find_lease_on_media "$(store_disk)" && FROM="a stick or card" && return 0
        find_lease_on_network
        case $? in
            0) FROM="the school's server" && return 0 ;;
            2) return 1 ;;
        esac
        sleep "$XO_PAUSE_SECONDS"
    done
    return 1
}

# Whether the laptop may go on.
activate() {
    NOW=$(date -u +%s)
    WHY=identity
    read_identity || return 1
    read_trusted
    find_any_lease || return 1
    show "Activated by a lease of $FROM."
    [ "$FROM" = "the laptop" ] || keep_lease || show "The lease could not be kept; it will be asked for again."
    return 0
}
