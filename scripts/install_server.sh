#!/usr/bin/env bash
# Installs `joyvasa serve` into a folder of its own. The Dockerfile runs it; it needs no Docker:
#
#   scripts/install_server.sh /opt/joyvasa
#   /opt/joyvasa/bin/joyvasa serve
#
# Variables:
#   PYTHON       the interpreter, python3 by default
#   TORCH_INDEX  where torch comes from: PyTorch's builds without CUDA by default, which are a tenth
#                of the others; empty for what pip finds by itself
set -euo pipefail

if [ $# -ne 1 ]; then
  echo "usage: $0 FOLDER" >&2
  exit 2
fi
folder=$1
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
index=${TORCH_INDEX-https://download.pytorch.org/whl/cpu}

if [ -e "$folder" ]; then
  echo "$0: $folder is there already; name a new folder" >&2
  exit 2
fi
finished=
scratch=$(mktemp -d)
clean() {
  rm -rf "$scratch"
  if [ -z "$finished" ]; then
    rm -rf "$folder"
    echo "$0: nothing was installed" >&2
  fi
}
trap clean EXIT

"${PYTHON:-python3}" -m venv "$folder"
install=("$folder/bin/python" -m pip install --quiet --no-cache-dir --disable-pip-version-check
  --constraint "$top/constraints.txt")
if [ -n "$index" ]; then
  "${install[@]}" --index-url "$index" torch
fi
"${install[@]}" "${top}[server]"

# A first video: shows that all is there, and compiles what would otherwise delay the first client.
"$folder/bin/joyvasa" demo --quiet --output "$scratch/demo.mp4"
"$folder/bin/joyvasa" serve --help > /dev/null
finished=yes
