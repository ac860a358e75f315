#!/usr/bin/env bash
# Make DIR/kaiming-mcp-VERSION.mcpb (DIR: dist): the manifest beside the source, checked and packed by the official tool.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p "${1:-dist}"
out="$(cd "${1:-dist}" && pwd)"
version="$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' src/kaiming_mcp/__init__.py)"

stage="$(mktemp -d)"
trap 'rm -rf "$stage"' EXIT
cp bundle/manifest.json bundle/.mcpbignore pyproject.toml README.md LICENSE "$stage"
cp -R src principles "$stage"
mkdir "$stage/examples"
cp examples/plain_mlp20.txt "$stage/examples"

mcpb=tests/tools/node_modules/.bin/mcpb
if [ ! -x "$mcpb" ]; then
  pinned="$(sed -n 's/.*"@anthropic-ai\/mcpb": "\(.*\)".*/\1/p' tests/tools/package.json)"
  mcpb="npx --yes @anthropic-ai/mcpb@$pinned"
fi
$mcpb validate "$stage/manifest.json"
$mcpb pack "$stage" "$out/kaiming-mcp-$version.mcpb"
