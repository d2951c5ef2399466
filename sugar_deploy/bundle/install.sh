#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# At the school, as root:  sh install.sh [--fingerprint FPR] [--yes] [options of `sugar-deploy install`]
# Puts sugar-deploy on this server, from this stick alone, and lets it install the rest. Needs no network, and
# nothing that a minimal Debian 12 or 13 does not have.
set -u
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C.UTF-8
DEBIAN_FRONTEND=noninteractive
export PATH LC_ALL DEBIAN_FRONTEND
umask 022

state=/var/lib/sugar-deploy
tools=/opt/sugar-deploy
command=/usr/local/bin/sugar-deploy
work='' before=''

say() { printf '%s\n' "install.sh: $*"; }
# Status 1 for what failed, 2 for what was asked wrongly.
refuse() { printf '%s\n' "install.sh: $1" >&2; exit "${2:-1}"; }
clean() {
  # A clock that was set for a bundle that nothing has proved goes back.
  if [ -n "$before" ]; then date -u -s "@$((before + $(date -u +%s) - least - 1))" >/dev/null 2>&1; fi
  if [ -n "$work" ]; then rm -rf "$work"; fi
}
trap clean EXIT
trap 'exit 130' INT TERM HUP

# --- Where the bundle is ------------------------------------------------------------------------------------------
stick=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P) || refuse "the stick cannot be read"
folder=$stick/sugar-deploy
manifest=$folder/MANIFEST.json

# --- Options ------------------------------------------------------------------------------------------------------
fingerprint='' yes='' set_clock='' allow_older='' expect=''
for argument in "$@"; do
  if [ -n "$expect" ]; then fingerprint=$argument expect=''; continue; fi
  case $argument in
    --fingerprint) expect=1 ;;
    --fingerprint=*) fingerprint=${argument#*=} ;;
    --yes) yes=1 ;;
    --set-clock) set_clock=1 ;;
    --allow-older) allow_older=1 ;;
    -h | --help)
      printf '%s\n' "Usage: sh install.sh [--school SCHOOL] [--fingerprint FPR] [--set-clock] [--allow-older] [--yes]"
      exit 0 ;;
  esac
done
[ -z "$expect" ] || refuse "--fingerprint needs the fingerprint after it" 2
fingerprint=$(printf %s "$fingerprint" | tr -d ' :' | tr '[:lower:]' '[:upper:]')

# --- This machine -------------------------------------------------------------------------------------------------
[ "$(id -u)" = 0 ] || refuse "run it as root: sudo sh install.sh" 2
# A sugar-deploy that is there and works knows all the rules, proves the stick before anything of it is used, and takes
# over a newer one from it.
if [ -x "$command" ] && "$command" install --help >/dev/null 2>&1; then
  trap - EXIT
  exec "$command" install "$@" -- "$stick"
fi
[ -r /etc/os-release ] || refuse "this is not Debian: install Debian 12 or 13 on this machine first"
suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release | tr -d '"')
architecture=$(dpkg --print-architecture) || refuse "this machine has no dpkg: install Debian 12 or 13 on it first"

[ -d "$folder" ] || refuse "there is no bundle beside $0: it has no folder sugar-deploy/. Start it from the stick"
for needed in "$manifest" "$manifest.asc" "$folder/key.asc"; do
  [ -r "$needed" ] || refuse "the stick is only half copied: $needed is missing. Copy it again as a whole"
done

# --- What the manifest says; it is proved below, before any of it is used -----------------------------------------
# One field or file a line, as `sugar-deploy repo bundle` writes it.
field() { sed -n "s/^  \"$1\": \"\(.*\)\",\{0,1\}\$/\\1/p" "$2" 2>/dev/null; }
has() { sed -n "/^  \"$1\": \[/,/^  \]/p" "$manifest" | grep -q "^    \"$2\",\{0,1\}\$"; }
# serial FILE BEFORE: the number that stands in a line after what BEFORE says.
serial() { sed -n "s/^$2\"serial\": *\([0-9]\{1,18\}\)[^0-9]*\$/\\1/p" "$1" 2>/dev/null | sed -n 1p; }
deployment=$(field deployment "$manifest")
version=$(field tool "$manifest")
case $deployment:$version in
  *[!a-z0-9.+:-]* | :* | *:) refuse "the stick's MANIFEST.json is damaged. Write the stick again" ;;
esac
has suites "$suite" || refuse "this stick is not for ${suite:-this system}; see README.txt on it"
has architectures "$architecture" || refuse "this stick is not for $architecture; see README.txt on it"

# --- Whose server this is, by the rules of sugar_deploy/bundle/install/order.py -----------------------------------
# By the last stick's record, else by our source of apt's, which a server has that was deployed over SSH.
mine=$(field deployment "$state/bundle.json")
for source in /etc/apt/sources.list.d/*.sources; do
  if [ -z "$mine" ] && grep -qs "^# The deployment's own packages, kept by sugar-deploy\." "$source"; then
    mine=${source##*/} mine=${mine%.sources}
  fi
done
[ "${mine:-$deployment}" = "$deployment" ] ||
  refuse "this stick is of the deployment $deployment, and this server belongs to $mine. Use a stick of $mine"
school=$(field school "$state/bundle.json")
[ -z "$school" ] || has schools "$school" || refuse "this stick is for other schools, and this server is $school"

# --- The clock ----------------------------------------------------------------------------------------------------
# Signatures from the future do not hold, so a clock without a battery is told first. The signature says when it was
# made: subpacket 2 (05 02, four bytes) after the issuer's fingerprint (21, 0x21).
least=$(date -u -d "$(field created_at "$manifest")" +%s 2>/dev/null) || refuse "the stick's MANIFEST.json is damaged"
dearmoured() { sed -e '1,/^[[:space:]]*$/d' -e '/^=/d' -e '/^-----/d' "$1" | base64 -d -i 2>/dev/null; }
signed=$(dearmoured "$manifest.asc" | od -An -v -tx1 | tr -d ' \n' | sed -n 's/^.\{4,14\}04.\{6\}00..162104.\{40\}0502\(.\{8\}\).*/\1/p')
case $signed in
  ????????) signed=$((0x$signed)); if [ "$signed" -gt "$least" ]; then least=$signed; fi ;;
esac
if [ "$(date -u +%s)" -lt "$least" ]; then
  made=$(date -u -d "@$least" '+%Y-%m-%d %H:%M')
  [ -n "$set_clock" ] || refuse "this server's clock shows $(date -u '+%Y-%m-%d %H:%M') UTC, but the bundle was made on \
$made UTC. Set it: date -u -s '$made' with today's date and time in it; or say --set-clock, which sets it to the \
bundle's time. A clock that starts in the past each time needs a new battery"
  before=$(date -u +%s)
  date -u -s "@$((least + 1))" >/dev/null 2>&1 || refuse "the clock cannot be set: set it where it is kept, on the host"
fi

# --- Who has signed it --------------------------------------------------------------------------------------------
work=$(mktemp -d /var/tmp/sugar-deploy.XXXXXXXX) || refuse "this server's disk is full: make room in /var/tmp"
keys=$folder/key.asc known=''
for place in "$state/keys/$deployment.asc" "/etc/apt/keyrings/$deployment.asc"; do
  if [ -r "$place" ]; then keys=$place known=1; break; fi
done
cp -- "$keys" "$work/keys.asc" || refuse "the stick cannot be read, or this server's disk is full"
dearmoured "$work/keys.asc" >"$work/keys.gpg"
cp -- "$manifest" "$manifest.asc" "$work" ||
  refuse "the stick cannot be read, or this server's disk is full"
manifest=$work/MANIFEST.json
if command -v gpgv >/dev/null; then
  # Of several signatures one by a known key is enough, but none may be false.
  gpgv --status-fd 1 --keyring "$work/keys.gpg" "$manifest.asc" "$manifest" >"$work/said" 2>/dev/null
  who=$(awk '$2 == "NEWSIG" { good = 0 } $2 == "BADSIG" { bad = 1 } $2 == "GOODSIG" { good = 1 }
    $2 == "VALIDSIG" && good { who = who $NF "\n" } END { if (!bad) printf "%s", who }' "$work/said")
else
  who=$(sqv --keyring "$work/keys.gpg" "$manifest.asc" "$manifest" 2>"$work/said") || who=''
fi
if [ -z "$who" ]; then
  if [ -n "$known" ] && grep -qi 'expired\|EXPKEYSIG' "$work/said"; then
    refuse "the key in $keys, which this server trusts for $deployment, has expired; or this server's clock is far \
ahead. If the key was given a longer life, remove that file: you are then asked for the key's fingerprint"
  fi
  if [ -n "$known" ]; then
    refuse "this stick cannot be trusted: its manifest is not signed by the key that this server trusts for \
$deployment, or was changed. Use a stick of your own deployment"
  fi
  refuse "this stick cannot be trusted: its manifest is not what its key signed. Write the stick again"
fi
if [ -n "$fingerprint" ]; then
  printf '%s\n' "$who" | grep -qx -- "$fingerprint" ||
    refuse "this stick is signed by $(printf '%s' "$who" | tr '\n' ' '), not by $fingerprint: do not use it"
elif [ -z "$known" ] && [ -z "$yes" ]; then
  [ -t 0 ] || refuse "this server does not know yet who has signed the stick: $(printf '%s' "$who" | tr '\n' ' '). \
Compare it with the fingerprint that you were told, then give it: --fingerprint FPR" 2
  printf '%s\n' "The deployment $deployment is new to this server. Its stick is signed by"
  printf '%s\n' "$who" | sed 's/..../& /g; s/^/  /'
  printf '%s' "Is that the fingerprint that you were told? [y/N] "
  read -r answer || answer=n
  case $answer in
    [yY]*) ;;
    *) refuse "nothing was changed" ;;
  esac
fi
[ -n "$fingerprint" ] || fingerprint=$(printf '%s\n' "$who" | sed -n 1p)
if [ -n "$before" ]; then
  before=''
  # The hardware's clock, where there is one: else the time is wrong again after the next start.
  if command -v hwclock >/dev/null; then hwclock --systohc --utc >/dev/null 2>&1; fi
fi

# --- Whether it is its turn ---------------------------------------------------------------------------------------
number=$(serial "$manifest" '  ') since=$(serial "$manifest" '    ')
current=$(serial "$state/repository/snapshot.json" '.*')
[ -n "$current" ] || current=$(serial "$state/bundle.json" '  ')
[ -n "$allow_older" ] || [ "${number:-0}" -ge "${current:-0}" ] ||
  refuse "this stick is older (number $number) than what this server has (number $current). Use the newest stick; to \
go back on purpose, say --allow-older"
[ "${since:-0}" -le "${current:-0}" ] ||
  refuse "this stick carries only what changed since number $since, and this server has ${current:-none}. Install the \
stick with number $since first, or use a complete one"

# --- All of it is proved before any of it is used: the tool itself proves the rest only once it is there ----------
sed -n '/^  "files": \[$/,/^  \]/s|^    {"path": "\(.*\)", "size": [0-9]*, "sha256": "\([0-9a-f]\{64\}\)"},\{0,1\}$|\2  \1|p' \
  "$manifest" >"$work/sums"
lock=wheels/$suite-$architecture.txt
digest=$(sed -n "s|^\([0-9a-f]*\)  $lock\$|\1|p" "$work/sums")
[ -n "$digest" ] || refuse "the stick brings no sugar-deploy for $suite on $architecture. Write the stick again"
say "Checking all files of the stick"
if ! (cd "$folder" && exec sha256sum --check --quiet "$work/sums") >"$work/log" 2>/dev/null; then
  missing=$(sed -n 's/: FAILED open or read$//p' "$work/log" | sed -n 1p)
  [ -z "$missing" ] || refuse "the stick is only half copied, or cannot be read: $missing is missing. Was it pulled \
out? Else copy it again as a whole"
  wrong=$(sed -n '1s/: FAILED$//p' "$work/log")
  refuse "${wrong:-a file} on the stick is damaged or was tampered with. Write the stick again"
fi

# --- The tool: its list of wheels is proved by the manifest, and each wheel by the list ---------------------------
# Once more, from here: a stick may give something else when it is read again.
cp -- "$folder/$lock" "$work/lock.txt" || refuse "$lock on the stick cannot be read. Copy the stick again"
printf '%s  %s\n' "$digest" "$work/lock.txt" | sha256sum --check --status ||
  refuse "$lock on the stick is damaged or was tampered with. Write the stick again"
target=$tools/$version-$(printf %.8s "$digest")

# Installs Debian's packages from the stick alone, whatever the system's own sources are.
from_stick() {
  # A link of our own: a URI has no room for the spaces of a path. The lists are read as root: on many sticks no
  # other user may read.
  ln -sfn "$folder/repository" "$work/repository"
  mkdir -p "$work/parts" "$work/lists/partial" "$work/archives/partial"
  cat >"$work/parts/stick.sources" <<SOURCES
Types: deb
URIs: file:$work/repository
Suites: $suite
Components: main
Signed-By: $work/keys.asc
SOURCES
  cat >"$work/apt.conf" <<CONFIGURATION
Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts "$work/parts";
Dir::State::Lists "$work/lists";
Dir::Cache::Archives "$work/archives";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
DPkg::Lock::Timeout "600";
CONFIGURATION
  # Power may have been cut in the middle of an earlier installation.
  dpkg --configure -a >"$work/log" 2>&1
  if ! apt-get -q -c "$work/apt.conf" update >>"$work/log" 2>&1 ||
    ! apt-get -q -c "$work/apt.conf" --yes --no-install-recommends install "$@" >>"$work/log" 2>&1; then
    tail -n 8 "$work/log" >&2
    refuse "Debian's packages cannot be installed from the stick. If it is damaged, write it again"
  fi
}

say "sugar-deploy $version for $deployment, $suite on $architecture"
if ! python3 -I -c 'import ensurepip, venv' 2>/dev/null; then
  say "Installing Python from the stick"
  from_stick python3 python3-venv
fi
if ! [ -e "$target/.complete" ]; then
  say "Installing sugar-deploy into $target"
  rm -rf "$target"
  mkdir -p "$tools"
  # Debian's packages that stand in for wheels that nobody makes for this architecture.
  stand_ins=$(sed -n 's/^# Debian: *//p' "$work/lock.txt")
  if [ -n "$stand_ins" ]; then
    # shellcheck disable=SC2086 # names of packages
    from_stick $stand_ins
    set -- --system-site-packages "$target" "$@"
  else
    set -- "" "$target" "$@"
  fi
  if ! python3 -I -m venv ${1:+"$1"} "$2" >"$work/log" 2>&1 ||
    ! "$target/bin/python" -I -m pip --isolated --disable-pip-version-check install --quiet --no-index --no-deps \
      --no-cache-dir --require-hashes --root-user-action=ignore \
      --find-links "$folder/wheels" --requirement "$work/lock.txt" >>"$work/log" 2>&1; then
    tail -n 8 "$work/log" >&2
    rm -rf "$target"
    refuse "sugar-deploy cannot be installed: is the disk full, or the stick damaged? Nothing else was changed"
  fi
  shift 2
  sync
  : >"$target/.complete"
  sync "$target"
fi

# --- The link to the version in use; the former version stays, older ones go --------------------------------------
former=$(readlink "$command" 2>/dev/null) || former=''
former=${former%/bin/sugar-deploy}
mkdir -p "${command%/*}"
if ! ln -sfn "$target/bin/sugar-deploy" "$command.new" || ! mv -fT "$command.new" "$command"; then
  refuse "$command cannot be written"
fi
for other in "$tools"/*; do
  case $other in
    "$target" | "$former") ;;
    *) rm -rf "$other" ;;
  esac
done

# --- The rest is the tool's ---------------------------------------------------------------------------------------
# What was answered above is not asked again. The clock is right by now.
count=$#
expect=''
while [ "$count" -gt 0 ]; do
  argument=$1
  shift
  count=$((count - 1))
  if [ -n "$expect" ]; then expect=''; continue; fi
  case $argument in
    --fingerprint) expect=1 ;;
    --fingerprint=* | --set-clock) ;;
    *) set -- "$@" "$argument" ;;
  esac
done
clean
trap - EXIT
exec "$command" install "$@" --fingerprint "$fingerprint" -- "$stick"
