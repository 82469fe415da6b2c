#!/usr/bin/env bash
# Makes sure that the system tools of the demo and the tests are there. Fast when they are.
#   sim/setup.sh [phones] [browser]      (default: both)
# With root (or sudo without a password) they are installed by apt-get. Without, Debian's packages are unpacked into
# .asterisk/tools and wrappers are put into .asterisk/tools/bin; nothing outside the repository is changed.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
store=${CTID_LAB_DIR:-$(dirname "$here")/.asterisk}
tools=$store/tools
PATH=$PATH:/usr/sbin:/sbin:$tools/bin

say() { printf '%s\n' "$*" >&2; }

has() {
    case $1 in
        fonts-noto-cjk) [ -n "$(fc-list :lang=zh-cn family 2>/dev/null | head -n 1)" ] ;;
        sip-tester) command -v sipp >/dev/null ;;
        chromium) command -v chromium >/dev/null || command -v chromium-browser >/dev/null ||
            command -v google-chrome >/dev/null ;;
        *) command -v "$1" >/dev/null ;;
    esac
}

[ $# -gt 0 ] || set -- phones browser
missing=""
for group in "$@"; do
    case $group in
        phones) wanted="sip-tester sox espeak-ng" ;;
        browser) wanted="fontconfig:fc-list chromium fonts-noto-cjk" ;;
        *) say "sim/setup.sh: unknown group '$group' (phones, browser)"; exit 2 ;;
    esac
    for item in $wanted; do
        has "${item#*:}" || missing="$missing ${item%%:*}"
    done
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
    as_root=""
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root="sudo -n"
else
    as_root=none
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT

install_as_root() {
    # shellcheck disable=SC2086
    $as_root env DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get -q -y -o DPkg::Lock::Timeout=300 \
        -o Acquire::Retries=3 install --no-install-recommends $missing >"$log" 2>&1
}

if [ "$as_root" != none ] && command -v apt-get >/dev/null; then
    say "installing:$missing ..."
    # package lists may be missing or old: fetch them only if it does not work without
    install_as_root || {
        say "fetching package lists ..."
        # shellcheck disable=SC2086
        $as_root env LC_ALL=C apt-get -q -o Acquire::Retries=3 update >"$log" 2>&1 || true
        install_as_root
    } || {
        tail -n 5 "$log" >&2
        say "sim/setup.sh: could not install:$missing"
        exit 1
    }
    exit 0
fi

# ------------------------------------------------------------------ without root
say "not root, no sudo without a password: unpacking into $tools"
suite=$(. /etc/os-release 2>/dev/null && printf '%s' "${VERSION_CODENAME:-}")
failed=""
mkdir -p "$tools/bin"
for package in $missing; do
    root=$tools/$package
    case $package in
        sip-tester) programs=usr/bin/sipp ;;
        sox) programs=usr/bin/sox ;;
        espeak-ng) programs=usr/bin/espeak-ng ;;
        chromium) programs=usr/lib/chromium/chromium ;;
        fonts-noto-cjk)
            say "no Chinese font: pages show boxes in screenshots; an administrator can: apt-get install $package"
            continue ;;
        *) failed="$failed $package"; continue ;;
    esac
    python3 "$here/lab/apt.py" "$root" "${suite:-stable}" "$package" || { failed="$failed $package"; continue; }
    loader=$(find "$root" -name 'ld-linux*.so*' | head -n 1)
    lib=$(dirname "$(find "$root" -name 'libc.so.6' | head -n 1)")
    libs=$lib:$root/usr/lib/$(basename "$lib"):$root/usr/lib/$(basename "$lib")/pulseaudio
    for program in $programs; do
        name=$(basename "$program")
        {
            echo '#!/bin/sh'
            case $name in
                espeak-ng) echo "export ESPEAK_DATA_PATH='$root/usr/lib/$(basename "$lib")/espeak-ng-data'" ;;
            esac
            # Chromium starts itself again by its own path: it gets its libraries by the environment
            if [ "$name" = chromium ]; then
                echo "export LD_LIBRARY_PATH='$libs:$root/usr/lib/chromium'"
                echo "exec '$root/$program' --no-sandbox \"\$@\""
            else
                echo "exec '$loader' --library-path '$libs' '$root/$program' \"\$@\""
            fi
        } >"$tools/bin/$name.part"
        chmod +x "$tools/bin/$name.part"
        mv "$tools/bin/$name.part" "$tools/bin/$name"
    done
done
if [ -n "$failed" ]; then
    say "sim/setup.sh: these need an administrator: apt-get install$failed"
    exit 1
fi
