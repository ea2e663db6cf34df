#!/usr/bin/env bash
# Makes .venv and installs ConvAtlas there: `scripts/setup.sh`, or `scripts/setup.sh dev` with what
# the tests need as well. Does nothing where nothing has changed since. PYTHON=… names another
# interpreter than the newest one found.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

extras=${1:-}
venv=.venv
stamp=$venv/.setup   # what was installed: from where, from which versions, with or without dev
log=$venv/setup.log
needed_mb=2048       # 1,500 unpacked, and the wheels while pip works
torch_cpu=https://download.pytorch.org/whl/cpu

fail() {
    echo "setup: $*" >&2
    exit 1
}

# The first interpreter that really runs (a name on the PATH may be a shim of nothing) and is new
# enough; prints its path.
find_python() {
    local name found=""
    for name in ${PYTHON:-python3.13 python3.12 python3.11 python3}; do
        found=$("$name" -c 'import platform; print(platform.python_version())' 2>/dev/null) || continue
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
            "$name" -c 'import sys; print(sys.executable)'
            return
        fi
    done
    fail "Python 3.11 or later is needed, but ${found:-none} was found: install one," \
        "or name it, as in: make test PYTHON=/path/to/python3"
}

# A Linux machine without an NVIDIA GPU has no use for the gigabytes of CUDA in PyPI's torch.
wants_cpu_torch() {
    [ "$(uname -s)" = Linux ] || return 1
    case $(uname -m) in x86_64 | aarch64) ;; *) return 1 ;; esac
    ! [ -e /dev/nvidiactl ] && ! command -v nvidia-smi >/dev/null
}

answers() {
    "$venv/bin/python" - "$1" 2>/dev/null <<'PYTHON'
import sys
import urllib.request

urllib.request.urlopen(urllib.request.Request(sys.argv[1], method="HEAD"), timeout=3)
PYTHON
}

# Why pip gave up, from its log, in one line.
explain() {
    if grep -q 'No space left on device' "$log"; then
        fail "the disk is full ($(free_mb) MB left here): make room, then run this again"
    elif grep -qE 'NewConnectionError|Timeout|ProxyError|SSLError|from versions: none' "$log"; then
        fail "the package index cannot be reached: go online or set PIP_INDEX_URL, then run this again"
    fi
    fail "pip failed (all of it in $log): $(grep -oE 'ERROR: .*' "$log" | head -n 1)"
}

free_mb() { df -Pm . | awk 'NR == 2 { print $4 }'; }

version=$(cat pyproject.toml constraints.txt scripts/setup.sh | cksum)
if [ -f "$stamp" ] && "$venv/bin/python" -c '' 2>/dev/null; then
    # an installation for development serves a user as well
    case $(<"$stamp") in "$version $PWD $extras" | "$version $PWD dev") exit 0 ;; esac
fi

if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    python=$(find_python)
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "$python has no venv module: install it (Debian, Ubuntu: apt install python3-venv)"
    "$python" -m venv --clear "$venv" || fail "$python cannot make $PWD/$venv: is this folder writable?"
fi
[ "$(free_mb)" -ge $needed_mb ] || [ -f "$stamp" ] ||
    fail "installing needs about $needed_mb MB, and $PWD has $(free_mb) MB left: make room first"

options=(-c constraints.txt)
[ -t 1 ] || options+=(--quiet --progress-bar off)
size="about 300 MB"
if wants_cpu_torch; then
    if answers "$torch_cpu/"; then
        options+=(--extra-index-url "$torch_cpu")
    else
        size="about 300 MB, or 3 GB where only a torch with CUDA is to be had"
    fi
fi

echo "setup: installing into $venv; the first time this downloads $size"
rm -f "$stamp" "$log"
"$venv/bin/python" -m pip install --log "$log" "${options[@]}" -e ".${extras:+[$extras]}" \
    2>/dev/null || explain
echo "$version $PWD $extras" >"$stamp"
