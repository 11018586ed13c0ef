#!/usr/bin/env bash
# The collector on its quick-start pipeline, with traffic of a shop in which a fault breaks a promise, until Ctrl-C.
# Environment: RATE (spans per second), DURATION, FAULTS (as `trueline load --fault` takes them, none when empty).
set -euo pipefail
cd "$(dirname "$0")/.."
trueline=${TRUELINE:?the path of the trueline binary}
state=$(mktemp -d)
trap 'kill "${load:-}" "${collector:-}" "${inbox:-}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$state"' EXIT

# Payments fail from the 30th second on, for 45 seconds.
read -r -a faults <<<"${FAULTS-payment:errors@30s+45s=0.9}"

"$trueline" inbox --listen localhost:8391 2>"$state/inbox.log" &
inbox=$!
TRUELINE_STATE=$state ALERT_QUEUE=$state/alerts "$trueline" --config=pipelines/quick-start.yaml \
    2> >(tee "$state/collector.log" >&2) &
collector=$!

# Another collector may answer on the port of the health check, so ours must have said that it is ready too:
# it has then bound that port itself.
is_up() {
    grep -qs 'everything is ready' "$state/collector.log" && curl -fs localhost:13133 >/dev/null 2>&1
}
n_tries=100
until is_up; do
    if ! kill -0 "$collector" 2>/dev/null; then
        status=0
        wait "$collector" || status=$?
        echo "the collector ended with exit code $status before it was up; its log above says why" >&2
        exit $((status > 0 ? status : 1))
    fi
    if ((--n_tries == 0)); then
        echo "the collector is not healthy after 10 s; its log above may say why" >&2
        exit 1
    fi
    sleep 0.1
done
"$trueline" load --endpoint localhost:4317 --rate "${RATE:-500}" --duration "${DURATION:-24h}" \
    "${faults[@]/#/--fault=}" >/dev/null 2>"$state/load.log" &
load=$!

cat <<'TEXT'

trueline runs, and a shop of generated services sends to it.

  curl -s localhost:8889/metrics | grep traces_span_metrics_calls    span metrics, ready for Prometheus
  curl -s localhost:8889/metrics | grep service_graph_request_total  who calls whom
  curl -s localhost:8888/metrics | grep otelcol_receiver             what the collector says of itself
  curl -s localhost:13133                                            whether the data path moves
TEXT
echo "  $trueline slos                     promises and their budgets"
echo "  $trueline alerts                   what fires now"
echo "  $trueline incidents                what belongs together, and what is behind it"
if ((${#faults[@]} > 0)); then
    cat <<'TEXT'

In half a minute payments begin to fail, so the promise of 99 good orders of 100 breaks: the alert is printed here by
`trueline inbox`, which is the webhook at localhost:8391, and so is its end about two minutes after the start. It names
its incident, and is told once more (STILL FIRING) when that knows which service is behind it, half a minute later.
TEXT
fi
echo
echo 'Send your own telemetry to localhost:4317 (OTLP/gRPC) or localhost:4318 (OTLP/HTTP). Stop with Ctrl-C.'

# What the parts beside the collector complained of, when one ends and leaves it running.
told=
while kill -0 "$collector" 2>/dev/null; do
    for part in inbox load; do
        if [[ $told != *$part* ]] && ! kill -0 "${!part}" 2>/dev/null; then
            told+=" $part"
            status=0
            wait "${!part}" || status=$?
            echo "the $part ended with exit code $status:" >&2
            tail -n 20 "$state/$part.log" >&2
        fi
    done
    wait -n 2>/dev/null || true
done
status=0
wait "$collector" || status=$?
exit "$status"
