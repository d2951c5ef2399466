#!/bin/sh
# shellcheck disable=SC2034  # the other parts read what this one sets
# Times as the firmware reads them: YYYYMMDDTHHMMSSZ, UTC, compared as signed 32-bit seconds. To be sourced.
# The sums are the shell's: `date` of a 32-bit system ends in 2038, leases do not.
NEVER=00000000T000000Z
EARLIEST_CLOCK=1167609600
HORIZON=2147483648

between() {
    [ "$1" -ge "$2" ] && [ "$1" -le "$3" ]
}

# A time in seconds since 1970. Days are not held against their month: 31 February is the 3rd of March.
seconds_of() {
    # A 1 before each part keeps the shell from reading a leading 0 as octal.
    # shellcheck disable=SC2046
    set -- $(echo "$1" | sed -n 's/^\(....\)\(..\)\(..\)T\(..\)\(..\)\(..\)Z$/1\1 1\2 1\3 1\4 1\5 1\6/p')
    [ $# -eq 6 ] || return 1
    case $1$2$3$4$5$6 in *[!0-9]*) return 1 ;; esac
    set -- $(($1 - 10000)) $(($2 - 100)) $(($3 - 100)) $(($4 - 100)) $(($5 - 100)) $(($6 - 100))
    between "$1" 1 9999 && between "$2" 1 12 && between "$3" 1 31 || return 1
    between "$4" 0 23 && between "$5" 0 59 && between "$6" 0 59 || return 1
    # The year begins in March: so the leap day is its last, and the months before need no table.
    year=$(($1 - ($2 <= 2)))
    month=$(($2 > 2 ? $2 - 3 : $2 + 9))
    days=$((year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + $3 - 1 - 719468))
    echo $((days * 86400 + $4 * 3600 + $5 * 60 + $6))
}

# Whether an expiry has not passed at NOW; else WHY tells: time, clock or expired.
in_time() {
    [ "$1" = "$NEVER" ] && return 0
    WHY='time'
    left=$(seconds_of "$1") || return 1
    left=$((left - NOW))
    WHY=clock
    between $((NOW - EARLIEST_CLOCK)) 0 $((HORIZON - 1)) || return 1
    WHY=expired
    between "$left" 0 $((HORIZON - 1))
}
