#!/usr/bin/env bash
# The collector on its quick-start pipeline, with traffic of a shop, until Ctrl-C.
set -euo pipefail
cd "$(dirname "$0")/.."
trueline=${TRUELINE:?the path of the trueline binary}
state=$(mktemp -d)
trap 'kill "${load:-}" "${collector:-}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$state"' EXIT

TRUELINE_STATE=$state "$trueline" --config=pipelines/quick-start.yaml &
collector=$!
for _ in $(seq 100); do
    curl -fs localhost:13133 >/dev/null 2>&1 && break
    kill -0 "$collector" 2>/dev/null || { echo "the collector did not start; its log above says why" >&2; exit 1; }
    sleep 0.1
done
"$trueline" load --endpoint localhost:4317 --rate "${RATE:-500}" --duration "${DURATION:-24h}" >/dev/null 2>&1 &
load=$!

cat <<'TEXT'

trueline runs, and a shop of generated services sends to it.

  curl -s localhost:8889/metrics | grep traces_span_metrics_calls    span metrics, ready for Prometheus
  curl -s localhost:8889/metrics | grep service_graph_request_total  who calls whom
  curl -s localhost:8888/metrics | grep otelcol_receiver             what the collector says of itself
  curl -s localhost:13133                                            whether the data path moves

Send your own telemetry to localhost:4317 (OTLP/gRPC) or localhost:4318 (OTLP/HTTP). Stop with Ctrl-C.
TEXT
wait "$collector"
