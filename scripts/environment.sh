#!/bin/sh
# Make a virtual environment and install this checkout into it:  environment.sh PYTHON VENV EXTRAS
# An empty PYTHON means: find one.
set -eu
python=$1 venv=$2 extras=$3

fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

if [ -z "$python" ]; then
    for python in python3 python3.11 python3.12 python3.13 python3.14 ""; do
        [ -n "$python" ] && fits "$python" && break
    done
fi
if [ -z "$python" ] || ! fits "$python"; then
    echo "Umbel needs Python 3.11 or later, and ${python:-what is installed here} is not that." >&2
    echo "  sudo apt-get install python3 python3-venv     or name one:  make PYTHON=/path/to/python3.12 …" >&2
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
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --use-pep517 --editable ".[$extras]"
# An editable install leaves the sources uncompiled, and the first start of everything slow.
env -u PYTHONDONTWRITEBYTECODE "$venv/bin/python" -m compileall -q src
