#!/bin/sh
# shellcheck disable=SC2034  # the other parts read what this one sets
# A lease from the school's server: TCP port 191, over each cable and each open wireless network. To be sourced.
# The server is asked under the names and addresses, and in the order, that laptops in the field know.

# LEASE: the school server's; status 2, and WHY is stolen, if it says that the laptop is.
find_lease_on_network() {
    for folder in /sys/class/net/*; do
        interface=${folder##*/}
        [ "$interface" = lo ] && continue
        ip link set "$interface" up 2>/dev/null || continue
        if [ -e "$folder/phy80211" ]; then
            ask_open_networks
        else
            await_carrier "$folder" && ask_servers
        fi
        answered=$?
        leave_network
        [ $answered -ne 1 ] && return $answered
    done
    return 1
}

# What has an address already is left alone by the system's NetworkManager, and would have no names there.
leave_network() {
    ip address flush dev "$interface" 2>/dev/null
    ip link set "$interface" down 2>/dev/null
}

await_carrier() {
    for _ in 1 2 3 4 5; do
        [ "$(cat "$1/carrier" 2>/dev/null)" = 1 ] && return 0
        sleep 1
    done
    return 1
}

# The first server that accepts the connection decides for this network, even if it has nothing to say.
ask_servers() {
    udhcpc -i "$interface" -n -q -t 4 -T 2 -s "$XO_LIB/dhcp" >/dev/null 2>&1
    for server in schoolserver "fe80::abcd:ef02%$interface" 172.18.0.1; do
        show "Asking $server ($interface) for a lease ..."
        # KILL, for what is ignored here is ignored by nc too.
        if printf %s "$SERIAL" | timeout -s KILL 60 nc -w 3 "$server" 191 >"$XO_WORK/reply" 2>/dev/null; then
            judge_reply
            return
        fi
    done
    return 1
}

judge_reply() {
    if [ "$(cat "$XO_WORK/reply")" = STOLEN ] && [ "$(wc -c <"$XO_WORK/reply")" -eq 6 ]; then
        WHY=stolen
        return 2
    fi
    find_lease "$XO_WORK/reply"
}

ask_open_networks() {
    iw dev "$interface" scan 2>/dev/null | open_networks >"$XO_WORK/networks"
    while IFS= read -r network; do
        # iw writes what is not plain ASCII as \xNN.
        iw dev "$interface" connect "$(printf %b "$network")" 2>/dev/null || continue
        is_associated && ask_servers </dev/null
        answered=$?
        iw dev "$interface" disconnect 2>/dev/null
        [ $answered -ne 1 ] && return $answered
    done <"$XO_WORK/networks"
    return 1
}

is_associated() {
    for _ in 1 2 3 4 5 6 7 8; do
        iw dev "$interface" link | grep -q '^Connected' && return 0
        sleep 1
    done
    return 1
}

# Of what `iw scan` prints: names of infrastructure networks without encryption, each once.
open_networks() {
    awk '
        function tell() { if (name != "" && infrastructure && !closed && !(name in told)) { print name; told[name] = 1 } }
        /^BSS / { tell(); name = ""; infrastructure = closed = 0 }
        /^\tcapability:/ { infrastructure = / ESS/; closed = closed || / Privacy/ }
        /^\t(RSN|WPA):/ { closed = 1 }
        /^\tSSID: / { name = substr($0, 8) }
        END { tell() }'
}
