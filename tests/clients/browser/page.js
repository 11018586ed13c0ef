// Sends, with the OpenTelemetry web SDK, what a shop's page would: spans of its loading and of each fetch, below a span for
// the visit, and web vitals as log events. Where to is in the page's own address: ?collector=http://HOST:PORT
import { context, trace } from '@opentelemetry/api';
import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-http';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { registerInstrumentations } from '@opentelemetry/instrumentation';
import { DocumentLoadInstrumentation } from '@opentelemetry/instrumentation-document-load';
import { FetchInstrumentation } from '@opentelemetry/instrumentation-fetch';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs';
import { BatchSpanProcessor, WebTracerProvider } from '@opentelemetry/sdk-trace-web';
import { onCLS, onFCP, onLCP, onTTFB } from 'web-vitals';

const collector = new URLSearchParams(location.search).get('collector');
const resource = resourceFromAttributes({ 'service.name': 'shop-page', 'browser.language': navigator.language });
// A header of one's own makes the browser ask first, as with most vendors' keys.
const headers = { 'x-shop': 'page' };
const often = { scheduledDelayMillis: 200 };

const tracers = new WebTracerProvider({
  resource,
  spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter({ url: `${collector}/v1/traces`, headers }), often)],
});
tracers.register();
registerInstrumentations({
  instrumentations: [new DocumentLoadInstrumentation(), new FetchInstrumentation({ ignoreUrls: [new RegExp(`^${collector}`)] })],
});

const loggers = new LoggerProvider({
  resource,
  processors: [new BatchLogRecordProcessor({ exporter: new OTLPLogExporter({ url: `${collector}/v1/logs`, headers }), ...often })],
});
const logger = loggers.getLogger('web-vitals');
const report = ({ name, value, rating, id }) =>
  logger.emit({
    eventName: 'browser.web_vital',
    attributes: { name: name.toLowerCase(), value, 'web_vital.rating': rating, id },
  });
for (const observe of [onCLS, onFCP, onLCP, onTTFB]) observe(report, { reportAllChanges: true });

const tracer = trace.getTracer('shop');
const visit = tracer.startSpan('visit');
context.with(trace.setSpan(context.active(), visit), async () => {
  // What follows an await has lost the active span, so the fetch begins here.
  const answer = fetch('/price.json');
  document.getElementById('price').textContent = `${(await (await answer).json()).cents} cents`;
  visit.end();
});
