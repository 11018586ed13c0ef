#!/usr/bin/env bash
# Builds the real parts of the testbed, each once, into a cache outside the clone.
#   tests/testbed/build.sh [PART…]     default: every part named in `versions`
# A part lands in $TRUELINE_TESTBED/PART-VERSION whole or not at all; what is there is skipped.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${TRUELINE_TESTBED:-$HOME/.cache/trueline-testbed}
# One package at a time: the builds leave a core to whoever works beside them.
GOFLAGS="$(go env GOFLAGS) -p=1"
export GOFLAGS GOTOOLCHAIN=local CGO_ENABLED=0

main() {
  mkdir -p "$cache"
  local part
  for part in "${@:-}"; do
    if [[ -n $part ]]; then build_once "$part"; fi
  done
  if (($# == 0)); then
    while read -r part; do build_once "$part"; done < <(parts)
  fi
}

parts() { sed -n 's/^\([a-z-]*\)=.*/\1/p' "$here/versions"; }

version_of() { sed -n "s/^$1=//p" "$here/versions"; }

# Builds a part into a temporary folder beside its place and moves it there when it is complete.
build_once() {
  local part=$1 version place started=$SECONDS
  version=$(version_of "$part")
  if [[ -z $version ]]; then
    echo "testbed: no part is named $part; the parts are: $(parts | tr '\n' ' ')" >&2
    exit 2
  fi
  place=$cache/$part-$version
  if [[ -d $place ]] && outside_is_there "$part"; then
    echo "testbed: $part $version is built"
    return
  fi
  echo "testbed: building $part $version"
  local temp
  temp=$(mktemp -d "$cache/.$part.XXXXXX")
  # Within a condition `set -e` would be without effect, and a build that failed half-way would pass.
  local status=0
  set +e
  (set -e; "build_${part//-/_}" "$version" "$temp") >"$temp.log" 2>&1
  status=$?
  set -e
  if ((status)); then
    tail -n 30 "$temp.log" >&2
    echo "testbed: $part $version failed; the whole output is in $temp.log" >&2
    rm -rf "$temp"
    exit 1
  fi
  # Somebody else may have finished the same part meanwhile: theirs is as good.
  mv -T "$temp" "$place" 2>/dev/null || rm -rf "$temp"
  rm -f "$temp.log"
  echo "testbed: $part $version took $((SECONDS - started)) s"
}

# Debian's Alertmanager reads its templates from this path, which is compiled in; they are the one
# thing that stands outside the cache.
debian_templates=/usr/share/prometheus/alertmanager
outside_is_there() { [[ $1 != alertmanager-debian || -f $debian_templates/default.tmpl ]]; }

# Builds commands of the wrapper module go/PART: NAME=PACKAGE each. Wrapper modules stand where
# `go install PACKAGE@VERSION` is refused because of `replace` lines, which a dependency's do not count.
build_module() {
  local module=$here/go/$1 into=$2 command
  shift 2
  for command in "$@"; do
    nice -n 10 go build -C "$module" -trimpath -ldflags='-s -w' -tags netgo,remove_all_sd \
      -o "$into/${command%%=*}" "${command#*=}"
  done
}

build_otelcol() {
  GOBIN=$2/tools nice -n 10 go install "go.opentelemetry.io/collector/cmd/builder@v${1%-*}"
  mkdir "$2/source"
  sed "s|^dist:|dist:\n  output_path: $2/source|" "$here/go/otelcol/builder.yaml" >"$2/builder.yaml"
  # `-e`: what only the tests of a module need may be missing from a proxy.
  GOFLAGS="$GOFLAGS -e" nice -n 10 "$2/tools/builder" --config "$2/builder.yaml" --ldflags='-s -w'
  mv "$2/source/otelcol" "$2/otelcol"
  rm -rf "$2/tools" "$2/source" "$2/builder.yaml"
}

build_telemetrygen() {
  GOBIN=$2 nice -n 10 go install -ldflags='-s -w' \
    "github.com/open-telemetry/opentelemetry-collector-contrib/cmd/telemetrygen@v$1"
}

build_prometheus() {
  build_module prometheus "$2" \
    prometheus=github.com/prometheus/prometheus/cmd/prometheus \
    promtool=github.com/prometheus/prometheus/cmd/promtool
}

build_alertmanager() {
  build_module alertmanager "$2" \
    alertmanager=github.com/prometheus/alertmanager/cmd/alertmanager \
    amtool=github.com/prometheus/alertmanager/cmd/amtool
}

build_jaeger() {
  build_module jaeger "$2" jaeger=github.com/jaegertracing/jaeger/cmd/all-in-one
}

build_prometheus_debian() {
  unpack_debian prometheus "$1" "$2"
  mv "$2/root/usr/bin/prometheus" "$2/root/usr/bin/promtool" "$2"
  rm -rf "$2/root"
}

build_alertmanager_debian() {
  unpack_debian prometheus-alertmanager "$1" "$2"
  mv "$2/root/usr/bin/prometheus-alertmanager" "$2/alertmanager"
  mv "$2/root/usr/bin/amtool" "$2"
  mkdir -p "$debian_templates"
  cp "$2/root$debian_templates"/*.tmpl "$debian_templates"
  rm -rf "$2/root"
}

# Unpacks a Debian package into INTO/root. It is not installed, so no service starts and no
# command of the same name is shadowed; both packages need nothing but libc to run.
unpack_debian() {
  local package=$1 version=$2 into=$3 archive
  mkdir "$into/root" "$into/deb"
  chmod 755 "$into" "$into/deb"
  apt-get update -q
  (cd "$into/deb" && apt-get download -q "$package")
  archive=$(echo "$into"/deb/*.deb)
  if [[ $(dpkg-deb -f "$archive" Version) != "$version"[.+-]* ]]; then
    echo "this system's $package is $(dpkg-deb -f "$archive" Version), the testbed wants $version (Debian 12)"
    return 1
  fi
  dpkg-deb -x "$archive" "$into/root"
  rm -rf "$into/deb"
}

main "$@"
