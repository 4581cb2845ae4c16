#!/bin/sh
# Make a virtual environment and install this checkout into it:  environment.sh PYTHON VENV EXTRAS
set -eu
python=$1 venv=$2 extras=$3

if ! command -v "$python" >/dev/null 2>&1; then
    echo "No Python found. Umbel needs Python 3.11 or later:  apt-get install python3 python3-venv" >&2
    exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "Umbel needs Python 3.11 or later, and $python is $("$python" -V 2>&1). Name another:  make PYTHON=python3.12 …" >&2
    exit 1
fi
if [ ! -x "$venv/bin/python" ]; then
    if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
        if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
            echo "Installing python3-venv …"
            apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null
        else
            echo "$python cannot make virtual environments here:  sudo apt-get install python3-venv" >&2
            exit 1
        fi
    fi
    "$python" -m venv "$venv"
fi
echo "Installing Umbel and what it needs into $venv …"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable ".[$extras]"
