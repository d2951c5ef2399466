#!/bin/sh
# shellcheck disable=SC2034  # the other parts read what this one sets
# Signature lines, held against the keys that the laptop trusts for leases: the rules of the firmware. To be sourced.
# The arithmetic is OpenSSL's: RSA-2048 with PSS over SHA-256 and a salt of 8 bytes.
NEWLINE='
'
# What OpenSSL wants before the 270 bytes of a PKCS#1 key: an SPKI header for RSA.
SPKI=30820122300d06092a864886f70d01010105000382010f00

# Whether TEXT is lower-case hexadecimal of so many digits.
is_hex() {
    case $1 in '' | *[!0-9a-f]*) return 1 ;; esac
    [ ${#1} -eq "$2" ]
}

# Whether HEX is a public key as the firmware takes it: 2048 bits, exponent 65537.
is_key() {
    is_hex "$1" 540 || return 1
    case $1 in 3082010a0282010100*0203010001) return 0 ;; esac
    return 1
}

# TRUSTED: the key that the image was built with, whose place tag a0 takes, and the tags a1 to a9.
read_trusted() {
    TRUSTED=
    has_tag a0 || for file in "$XO_SYSTEM"/etc/sugar-xo-boot/keys/*.public; do
        [ -e "$file" ] && trust "$(xxd -p <"$file" | tr -d '\n')"
    done
    for number in 0 1 2 3 4 5 6 7 8 9; do
        has_tag "a$number" && trust "$(tag_hex "a$number")"
    done
}

trust() {
    is_key "$1" && TRUSTED="$TRUSTED $1"
}

# KEY: the trusted key that a key field names, by its keyid or whole.
find_trusted() {
    is_hex "$1" 64 || is_hex "$1" 540 || return 1
    for KEY in $TRUSTED; do
        case $KEY in *"$1") return 0 ;; esac
    done
    return 1
}

# The bytes that HEX stands for. The xxd of bullseye's busybox reads none, and dash's printf knows octal numbers only.
bytes_of() {
    # shellcheck disable=SC2046,SC2059  # words without blanks; a format of numbers
    printf "$(printf '\\%03o' $(echo "$1" | sed 's/../0x& /g'))"
}

# signed_by KEY SIGNATURE TEXT
signed_by() {
    is_hex "$2" 512 || return 1
    bytes_of "$SPKI$1" >"$XO_WORK/key"
    bytes_of "$2" >"$XO_WORK/signature"
    printf %s "$3" >"$XO_WORK/text"
    openssl dgst -sha256 -verify "$XO_WORK/key" -keyform DER -sigopt rsa_padding_mode:pss \
        -sigopt rsa_pss_saltlen:8 -signature "$XO_WORK/signature" "$XO_WORK/text" >/dev/null 2>&1
}

# is_signed TEXT WORD FIELD...: whether the fields of a signature line are a good signature of TEXT.
is_signed() {
    WHY=signature
    signed=$1
    shift
    case $1 in
        sig01:) [ $# -eq 4 ] && [ "$2" = sha256 ] && find_trusted "$3" && signed_by "$KEY" "$4" "$signed" ;;
        sig02:) shift && is_chain_signed "$@" ;;
        *) return 1 ;;
    esac
}

# Groups of hash, key, expiry and signature: each signs the next one's key for this laptop, the last one the text.
is_chain_signed() {
    groups=0
    while [ $# -ge 4 ] && [ $groups -lt 100 ]; do
        [ "$1" = sha256 ] || return 1
        # The first key must be trusted, whole or not; the others come by being signed for.
        if [ $groups -gt 0 ] && is_key "$2"; then KEY=$2; else find_trusted "$2" || return 1; fi
        in_time "$3" || return 1
        WHY=signature
        if [ $# -eq 4 ]; then
            signed_by "$KEY" "$4" "$SERIAL:$3:$signed"
            return
        fi
        [ $# -ge 8 ] && signed_by "$KEY" "$4" "$SERIAL:$3:key01: $6$NEWLINE" || return 1
        shift 4
        groups=$((groups + 1))
    done
    return 1
}
