#!/usr/bin/env bash
# Brings what the shop is made of: Debian's packages are installed (no service starts), everything else
# goes into a cache outside the clone, once for each content of its source files.
#   tests/shop/prepare.sh      prints `NAME=FOLDER` for each part
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${TRUELINE_TESTBED:-$HOME/.cache/trueline-testbed}
toxiproxy=2.12.0
# Each package, and a command of it.
packages=(postgresql:/usr/lib/postgresql/15/bin/postgres redis-server:redis-server rabbitmq-server:/usr/lib/rabbitmq/bin/rabbitmq-server
  nginx:nginx stress-ng:stress-ng util-linux:unshare iproute2:ip openjdk-17-jdk-headless:javac maven:mvn)

main() {
  mkdir -p "$cache"
  exec 9>"$cache/.shop.lock"
  flock 9
  install_debian
  part node "$here/services/node"
  part python "$here/services/python/requirements.txt"
  part java "$here/services/java"
  part toxiproxy "$toxiproxy"
}

install_debian() {
  local entry missing=()
  for entry in "${packages[@]}"; do
    command -v "${entry#*:}" >/dev/null || missing+=("${entry%%:*}")
  done
  if ((${#missing[@]} == 0)); then return; fi
  if [[ $(id -u) != 0 ]]; then
    echo "shop: install ${missing[*]} (apt-get install --no-install-recommends), or run this as root" >&2
    exit 1
  fi
  echo "shop: installing ${missing[*]}" >&2
  # Packages start their services when they are installed, unless a policy says that they must not.
  local policy=/usr/sbin/policy-rc.d made=
  if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    made=yes
  fi
  local log
  log=$(mktemp)
  if ! { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    echo "shop: ${missing[*]} could not be installed; the output is in $log" >&2
    exit 1
  fi
  if [[ -n $made ]]; then rm -f "$policy"; fi
  rm -f "$log"
}

# Makes a part of a source, a file, a folder or a version, in a temporary folder, and moves it to its place when it is complete.
part() {
  local name=$1 source=$2 key place temp
  if [[ -e $source ]]; then
    key=$(cd "$here" && find "${source#"$here"/}" -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -c1-16)
  else
    key=$source
  fi
  place=$cache/shop-$name-$key
  if [[ ! -d $place ]]; then
    echo "shop: preparing $name" >&2
    temp=$(mktemp -d "$cache/.shop-$name.XXXXXX")
    if ! (set -e; "prepare_$name" "$temp") >"$temp.log" 2>&1; then
      tail -n 30 "$temp.log" >&2
      rm -rf "$temp"
      echo "shop: $name could not be prepared; the whole output is in $temp.log" >&2
      exit 1
    fi
    mv -T "$temp" "$place"
    rm -f "$temp.log"
  fi
  echo "$name=$place"
}

prepare_node() {
  cp "$here"/services/node/* "$1"
  cd "$1"
  npm ci --ignore-scripts --no-audit --no-fund
}

prepare_python() {
  python3 -m venv "$1/venv"
  "$1/venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/services/python/requirements.txt"
}

prepare_java() {
  mvn -q -B -f "$here/services/java/pom.xml" dependency:copy-dependencies -DoutputDirectory="$1/lib"
  mv "$1"/lib/opentelemetry-javaagent-*.jar "$1/javaagent.jar"
  javac -d "$1/classes" -cp "$1/lib/*" "$here/services/java/Orders.java"
}

prepare_toxiproxy() {
  GOTOOLCHAIN=local CGO_ENABLED=0 GOBIN=$1 go install -p=1 -ldflags='-s -w' "github.com/Shopify/toxiproxy/v2/cmd/server@v$toxiproxy"
  mv "$1/server" "$1/toxiproxy-server"
}

main
