# Sourced by the scripts beside it, from the project's root and with set -eu: makes .venv, and installs what a script
# needs into it.
# shellcheck shell=sh

fail() {
    echo "$(basename "$0"): $*" >&2
    exit 1
}

# Prints the first Python on the PATH that is new enough.
find_python() {
    for name in python3 python3.14 python3.13 python3.12 python3.11 python; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            command -v "$name"
            return
        fi
    done
    fail "lackey needs Python 3.11 or newer, and the PATH has none (on Debian: apt-get install python3)"
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

# install_packages PACKAGE…: by apt; the lists of packages are fetched only if those here do not serve.
install_packages() {
    by_hand="install by hand, as root: apt-get install $*"
    command -v apt-get >/dev/null || fail "$* missing, and there is no apt-get here; $by_hand"
    as_root true 2>/dev/null || fail "$* missing, and this is neither root nor a user with sudo; $by_hand"
    echo "installing $* with apt-get" >&2
    apt_install "$@" >/dev/null 2>&1 || { as_root apt-get -qq update >&2 && apt_install "$@" >&2; } ||
        fail "apt-get could not install $*; $by_hand"
}

apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@" </dev/null
}

# bound COMMAND…: runs it in a process group of its own, which ends when a signal ends this script.
bound() {
    trap 'cut_short 129' HUP
    trap 'cut_short 130' INT
    trap 'cut_short 143' TERM
    setsid "$@" &
    group=$!
    result=0
    wait "$group" || result=$?
    trap - HUP INT TERM
    return "$result"
}

cut_short() {
    kill -s TERM -- "-$group" 2>/dev/null
    wait
    exit "$1"
}

make_venv() {
    python=$(find_python)
    # Debian keeps this part of Python in a package of its own.
    if ! "$python" -c 'from ensurepip import version' 2>/dev/null; then
        [ "$(id -u)" = 0 ] || fail "$python cannot make a virtual environment; as root: apt-get install python3-venv"
        install_packages python3-venv
    fi
    echo "making .venv with $("$python" -V)" >&2
    rm -rf .venv
    bound "$python" -m venv .venv >&2 || fail "$python could not make a virtual environment in $PWD/.venv"
}

# What has been installed is told by a copy of all that it depends on.
fingerprint() {
    pwd
    .venv/bin/python -V
    cat setup.py "$@"
}

# environment PURPOSE REQUIREMENTS…: afterwards .venv holds the project and these requirements. Where it does already,
# this only looks. What is cut short leaves .venv.unfinished behind, so that the next start begins anew.
environment() {
    purpose=$1
    shift
    # Two scripts at the same time: the second waits for the first.
    exec 9<setup.py
    flock 9
    if [ -e .venv.unfinished ] || ! fingerprint "$@" 2>/dev/null | cmp -s - ".venv/ready-for-$purpose"; then
        build_environment "$@"
        fingerprint "$@" >".venv/ready-for-$purpose"
        rm .venv.unfinished
    fi
    exec 9<&-
}

build_environment() {
    if [ -e .venv.unfinished ] || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
        touch .venv.unfinished
        make_venv
    fi
    touch .venv.unfinished
    echo "installing $*" >&2
    for file in "$@"; do
        install_with_pip --require-hashes -r "$file"
    done
    install_with_pip --no-deps --no-build-isolation --use-pep517 -e .
}

install_with_pip() {
    bound .venv/bin/python -m pip install -q --no-user --disable-pip-version-check "$@" >&2 ||
        fail "pip could not install what lackey needs; the lines above say why"
}

# What the tests and the checks run on, uWSGI among it, which pip compiles: its XML comes from libxml2.
test_environment() {
    missing=
    command -v gcc >/dev/null || missing="$missing gcc libc6-dev"
    [ -e /usr/include/libxml2 ] || missing="$missing libxml2-dev"
    if [ -n "$missing" ]; then
        # shellcheck disable=SC2086  # words, on purpose
        install_packages $missing
    fi
    environment tests requirements.txt tests/requirements.txt deploy/requirements.txt
}
