#!/bin/sh
# What the child sees. To be sourced.

show() {
    echo "$*"
}

# The display controller still holds the firmware's picture: let the console through.
unfreeze() {
    freeze=/sys/devices/platform/dcon/freeze
    if [ -w $freeze ]; then echo 0 >$freeze; fi
}

# Why there was no lease, in words.
reason() {
    case $1 in
        stolen) echo "This laptop has been reported stolen. Please give it back to its school." ;;
        expired) echo "The lease that was found has expired. A new one is needed." ;;
        clock) echo "The laptop's clock is wrong ($(date -u '+%Y-%m-%d %H:%M') UTC), so its lease cannot be judged." ;;
        signature) echo "The lease that was found is not signed by a key that this laptop trusts." ;;
        form | time) echo "The lease that was found is damaged." ;;
        identity) echo "The laptop's manufacturing data holds no serial number and UUID." ;;
        *) echo "No lease for this laptop was found, on a stick, on a card or on the school's network." ;;
    esac
}

refusal() {
    cat <<TEXT


  ============================================================
   THIS LAPTOP IS NOT ACTIVATED

   $(reason "$1")

   Serial number: ${SERIAL:-unknown}

   Bring it to your school, where it is activated over the
   school's open wireless network, or by a stick with lease.sig.

   It switches itself off in $XO_OFF_SECONDS seconds.
  ============================================================
TEXT
}
