#!/usr/bin/env bash
# Install what `make test-tools` needs: npm packages beside this file, and Debian packages where this is Debian and root.
# What cannot be installed is said; the tests that need it are skipped with that reason.
set -uo pipefail
cd "$(dirname "$0")"

if command -v npm >/dev/null; then
  npm install --no-audit --no-fund --no-package-lock --silent || echo "npm packages could not be installed" >&2
else
  echo "npm is missing: the npm packages of package.json are not installed" >&2
fi

mapfile -t wanted < <(sed 's/#.*//; /^[[:space:]]*$/d; s/[[:space:]]*$//' debian.txt)
missing=()
for package in "${wanted[@]}"; do
  dpkg-query --show --showformat='${Status}' "$package" 2>/dev/null | grep -q "ok installed" || missing+=("$package")
done
if [ "${#missing[@]}" -gt 0 ]; then
  if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
      echo "could not be installed: ${missing[*]}" >&2
  else
    echo "not installed (needs apt-get and root): ${missing[*]}" >&2
  fi
fi
exit 0
