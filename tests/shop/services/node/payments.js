// Charges customers: checks the card's signature, which takes some milliseconds of work.
'use strict';
const crypto = require('node:crypto');
const express = require('express');
const log = require('pino')();

const { PORT, SHOP_BUG } = process.env;
const RATES = { eur: 100, usd: 110 };
const app = express();
app.use(express.json());

app.post('/charge', (request, response, next) => {
  const { order, cents } = request.body;
  // The bad deployment: someone renamed a currency, and amounts in it are no longer found.
  const currency = SHOP_BUG === 'currency' && cents % 10 < 4 ? 'EURO' : 'eur';
  crypto.pbkdf2(order, 'card', 2000, 32, 'sha256', (problem, signature) => {
    if (problem) return next(problem);
    try {
      const charged = (cents * RATES[currency].toFixed(2)) / 100;
      log.info({ order, charged }, 'charged');
      response.json({ charged, signature: signature.toString('hex') });
    } catch (bug) {
      log.error({ order, problem: String(bug) }, 'could not charge');
      response.status(500).json({ error: 'not charged' });
    }
  });
});

app.listen(Number(PORT), '127.0.0.1');
// The agent listens to this signal too, and has a second to send what it holds.
process.on('SIGTERM', () => setTimeout(() => process.exit(0), 1000));
