#!/bin/sh
# dependencies.sh check    names what building needs and is missing, with its Debian package; exit 1 when something is
# dependencies.sh install [package ...]  installs these, or what packages.txt lists, where it is not there (root or sudo)
# dependencies.sh run      the same, without what only tests need
set -eu
cd "$(dirname "$0")/.."

check() {
    missing=
    probe() { # header, package
        printf '#include <%s>\n' "$1" | ${CC:-cc} -E - >/dev/null 2>&1 || missing="$missing $2"
    }
    command -v "${CC:-cc}" >/dev/null 2>&1 || { echo "no C compiler: apt-get install build-essential" >&2; exit 1; }
    probe sodium.h libsodium-dev
    probe cjson/cJSON.h libcjson-dev
    probe uthash.h uthash-dev
    probe mosquitto_plugin.h mosquitto-dev
    probe mosquitto.h libmosquitto-dev
    probe MQTTAsync.h libpaho-mqtt-dev
    probe curl/curl.h libcurl4-openssl-dev
    probe openssl/evp.h libssl-dev
    probe microhttpd.h libmicrohttpd-dev
    probe postgresql/libpq-fe.h libpq-dev
    [ -z "$missing" ] && return 0
    echo "missing to build: apt-get install$missing   (or: make install-packages, for all of packages.txt)" >&2
    exit 1
}

install() {
    wanted=${*:-$(sed 's/#.*//' packages.txt)}
    absent=
    for package in $wanted; do
        case $package in # a node that came another way serves as well
        nodejs | npm) command -v "${package%js}" >/dev/null 2>&1 && continue ;;
        esac
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || absent="$absent $package"
    done
    [ -z "$absent" ] && return 0
    sudo=
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || { echo "missing:$absent (install them as root: apt-get install$absent)" >&2; exit 1; }
        sudo=sudo
    fi
    echo "installing:$absent" >&2
    # A broker or database that Debian would start on its standard port is not wanted here.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
        trap '$sudo rm -f $policy' EXIT
        trap 'exit 130' INT TERM HUP # which the trap above does not see by itself
        printf '#!/bin/sh\nexit 101\n' | $sudo tee $policy >/dev/null
        $sudo chmod 755 $policy
    fi
    $sudo apt-get update -qq
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $absent >/dev/null
    command -v systemctl >/dev/null 2>&1 || return 0
    for unit in mosquitto postgresql; do # nor after the next boot
        case "$absent " in *" $unit "*) $sudo systemctl disable --quiet $unit >/dev/null 2>&1 || true ;; esac
    done
}

install_run() {
    # shellcheck disable=SC2046 # a word each
    install $(sed '/^# tests only/,$d; s/#.*//' packages.txt)
}

case ${1:-} in
check) check ;;
install) shift; install "$@" ;;
run) install_run ;;
*) echo "usage: dependencies.sh check|install|run" >&2; exit 2 ;;
esac
