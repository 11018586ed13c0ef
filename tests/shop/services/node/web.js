// The shop's own pages: what customers see of products, and where they order.
'use strict';
const express = require('express');
const log = require('pino')();

const { CATALOG_URL, ORDERS_URL, PORT } = process.env;
const PATIENCE_MS = 4000;
const app = express();
app.use(express.json());

// Asks another service and passes on what it says.
async function ask(response, url, options) {
  try {
    const answer = await fetch(url, { ...options, signal: AbortSignal.timeout(PATIENCE_MS) });
    const body = await answer.text();
    if (!answer.ok) log.warn({ url, status: answer.status }, 'a service refused');
    response.status(answer.ok ? answer.status : 502).type('json').send(body);
  } catch (problem) {
    log.error({ url, problem: String(problem) }, 'a service did not answer');
    response.status(502).json({ error: 'try again later' });
  }
}

app.get('/products/:id', (request, response) => ask(response, `${CATALOG_URL}/products/${request.params.id}`));

app.post('/orders', (request, response) => {
  log.info({ product: request.body.product }, 'an order came in');
  return ask(response, `${ORDERS_URL}/orders`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(request.body),
  });
});

app.listen(Number(PORT), '127.0.0.1');
// The agent listens to this signal too, and has a second to send what it holds.
process.on('SIGTERM', () => setTimeout(() => process.exit(0), 1000));
