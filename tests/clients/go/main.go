// Sends a known number of spans, metrics and log records with the OpenTelemetry Go SDK.
// What is sent is described in ../README.md; the last line of the output says it as JSON.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

type arguments struct {
	protocol, endpoint, service string
	spans, batch                int
}

type sent struct {
	SDK      string `json:"sdk"`
	Service  string `json:"service"`
	Protocol string `json:"protocol"`
	Spans    int    `json:"spans"`
	Errors   int    `json:"errors"`
	Logs     int    `json:"logs"`
	Requests int    `json:"requests"`
	ServerMs int    `json:"server_ms"`
	ClientMs int    `json:"client_ms"`
	TraceID  string `json:"trace_id"`
}

type exporters struct {
	traces  sdktrace.SpanExporter
	metrics sdkmetric.Exporter
	logs    sdklog.Exporter
}

var routes = [][2]string{{"GET", "/orders"}, {"GET", "/orders/{id}"}, {"GET", "/cart"}, {"POST", "/checkout"}}

func main() {
	if err := run(context.Background(), parse()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func parse() arguments {
	var args arguments
	flag.StringVar(&args.protocol, "protocol", "", "grpc or http/protobuf")
	flag.StringVar(&args.endpoint, "endpoint", "", "http://HOST:PORT")
	flag.IntVar(&args.spans, "spans", 0, "spans to send")
	flag.StringVar(&args.service, "service", "", "service.name")
	flag.IntVar(&args.batch, "batch", 512, "spans in one request at most")
	flag.Parse()
	return args
}

func run(ctx context.Context, args arguments) error {
	var failures atomic.Int64
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		failures.Add(1)
		fmt.Fprintln(os.Stderr, err)
	}))
	exporter, err := newExporters(ctx, args)
	if err != nil {
		return err
	}
	origin := resource.NewSchemaless(
		attribute.String("service.name", args.service), attribute.String("service.version", "1.2.3"))
	traces := sdktrace.NewTracerProvider(
		sdktrace.WithResource(origin),
		sdktrace.WithBatcher(exporter.traces, sdktrace.WithBlocking(), sdktrace.WithMaxExportBatchSize(args.batch)))
	metrics := sdkmetric.NewMeterProvider(
		sdkmetric.WithResource(origin),
		sdkmetric.WithReader(sdkmetric.NewPeriodicReader(exporter.metrics, sdkmetric.WithInterval(time.Hour))),
		sdkmetric.WithView(sdkmetric.NewView(
			sdkmetric.Instrument{Name: "client.order.size"},
			sdkmetric.Stream{Aggregation: sdkmetric.AggregationBase2ExponentialHistogram{MaxSize: 160, MaxScale: 20}})))
	logs := sdklog.NewLoggerProvider(
		sdklog.WithResource(origin),
		sdklog.WithProcessor(sdklog.NewBatchProcessor(exporter.logs,
			sdklog.WithMaxQueueSize(max(2048, args.spans)), sdklog.WithExportMaxBatchSize(args.batch))))

	what, err := send(ctx, args, traces.Tracer("client"), metrics.Meter("client"), logs.Logger("client"))
	err = errors.Join(err,
		traces.ForceFlush(ctx), metrics.ForceFlush(ctx), logs.ForceFlush(ctx),
		traces.Shutdown(ctx), metrics.Shutdown(ctx), logs.Shutdown(ctx),
		json.NewEncoder(os.Stdout).Encode(what))
	if failures.Load() > 0 {
		err = errors.Join(err, fmt.Errorf("the SDK reported %d failures", failures.Load()))
	}
	return err
}

func newExporters(ctx context.Context, args arguments) (exporters, error) {
	var all exporters
	var errTraces, errMetrics, errLogs error
	switch args.protocol {
	case "grpc":
		all.traces, errTraces = otlptracegrpc.New(ctx, otlptracegrpc.WithEndpointURL(args.endpoint))
		all.metrics, errMetrics = otlpmetricgrpc.New(ctx, otlpmetricgrpc.WithEndpointURL(args.endpoint))
		all.logs, errLogs = otlploggrpc.New(ctx, otlploggrpc.WithEndpointURL(args.endpoint))
	case "http/protobuf":
		all.traces, errTraces = otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(args.endpoint+"/v1/traces"))
		all.metrics, errMetrics = otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpointURL(args.endpoint+"/v1/metrics"))
		all.logs, errLogs = otlploghttp.New(ctx, otlploghttp.WithEndpointURL(args.endpoint+"/v1/logs"))
	default:
		return all, fmt.Errorf("protocol is %q, must be grpc or http/protobuf", args.protocol)
	}
	return all, errors.Join(errTraces, errMetrics, errLogs)
}

func send(ctx context.Context, args arguments, tracer trace.Tracer, meter metric.Meter, logger log.Logger) (sent, error) {
	what := sent{SDK: "go", Service: args.service, Protocol: args.protocol}
	orders, errOrders := meter.Int64Counter("client.orders", metric.WithUnit("{order}"))
	duration, errDuration := meter.Int64Histogram("client.order.duration", metric.WithUnit("ms"))
	size, errSize := meter.Int64Histogram("client.order.size", metric.WithUnit("By"))
	if err := errors.Join(errOrders, errDuration, errSize); err != nil {
		return what, err
	}
	for request := range (args.spans + 1) / 2 {
		method, route := routes[request%len(routes)][0], routes[request%len(routes)][1]
		failed := request%10 == 9
		serverMs, clientMs, status, nSpans := 10+request%10, 5, 200, 1
		if failed {
			status = 500
		}
		start := time.Now().Add(-time.Duration(serverMs) * time.Millisecond)
		inServer, server := tracer.Start(ctx, method+" "+route,
			trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(start),
			trace.WithAttributes(
				attribute.String("http.request.method", method),
				attribute.String("http.route", route),
				attribute.Int("http.response.status_code", status)))
		if what.Spans+1 < args.spans {
			call(inServer, tracer, failed, start, clientMs)
			what.ClientMs += clientMs
			nSpans = 2
		}
		onRoute := metric.WithAttributes(attribute.String("http.route", route))
		orders.Add(inServer, 1, onRoute)
		duration.Record(inServer, int64(serverMs), onRoute)
		size.Record(inServer, int64(100*(1+request%7)), onRoute)
		for range nSpans {
			emit(inServer, logger, failed, method+" "+route+" answered", route)
		}
		if failed {
			server.RecordError(errors.New("the inventory did not answer"))
			server.SetStatus(codes.Error, "the inventory did not answer")
			what.Errors += nSpans
		}
		server.End(trace.WithTimestamp(start.Add(time.Duration(serverMs) * time.Millisecond)))
		if request == 0 {
			what.TraceID = server.SpanContext().TraceID().String()
		}
		what.Spans += nSpans
		what.Logs += nSpans
		what.Requests++
		what.ServerMs += serverMs
	}
	return what, nil
}

func call(ctx context.Context, tracer trace.Tracer, failed bool, start time.Time, clientMs int) {
	status := 200
	if failed {
		status = 503
	}
	called := start.Add(2 * time.Millisecond)
	_, client := tracer.Start(ctx, "GET",
		trace.WithSpanKind(trace.SpanKindClient), trace.WithTimestamp(called),
		trace.WithAttributes(
			attribute.String("http.request.method", "GET"),
			attribute.Int("http.response.status_code", status),
			attribute.String("server.address", "inventory"),
			attribute.String("peer.service", "inventory")))
	if failed {
		client.SetStatus(codes.Error, "503")
	}
	client.End(trace.WithTimestamp(called.Add(time.Duration(clientMs) * time.Millisecond)))
}

func emit(ctx context.Context, logger log.Logger, failed bool, body, route string) {
	var record log.Record
	record.SetTimestamp(time.Now())
	record.SetSeverity(log.SeverityInfo)
	record.SetSeverityText("INFO")
	if failed {
		record.SetSeverity(log.SeverityError)
		record.SetSeverityText("ERROR")
	}
	record.SetBody(attribute.StringValue(body))
	record.AddAttributes(attribute.String("http.route", route))
	logger.Emit(ctx, record)
}
