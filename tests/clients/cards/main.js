// Receives messages for Microsoft Teams and has Microsoft's own library read their Adaptive Cards: 202 for what it
// takes, as Workflows answer, 400 for what it refuses.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { createRequire } from "node:module";

// The package's main file is written for bundlers; this one is for all.
const { AdaptiveCard, SerializationContext, Version } = createRequire(import.meta.url)(
  "adaptivecards/dist/adaptivecards.js",
);

/** The newest that Teams shows. */
const NEWEST = new Version(1, 5);
const MOST_BYTES = 28 * 1024;

function check(body) {
  assert(body.length <= MOST_BYTES, `${body.length} bytes`);
  const message = JSON.parse(body);
  assert.equal(message.type, "message");
  assert.equal(message.attachments.length, 1);
  const [attachment] = message.attachments;
  assert.equal(attachment.contentType, "application/vnd.microsoft.card.adaptive");
  assert.equal(attachment.contentUrl, null);
  const { msteams, ...content } = attachment.content;
  assert(msteams === undefined || msteams.width === "Full", "Teams' own extension of cards");
  const [card, context] = [new AdaptiveCard(), new SerializationContext()];
  card.parse(structuredClone(content), context);
  const refused = Array.from({ length: context.eventCount }, (_, at) => context.getEventAt(at).message);
  assert.deepEqual(refused, []);
  assert.deepEqual(card.validateProperties().validationEvents.map((event) => event.message), []);
  assert(Version.parse(content.version, context).compareTo(NEWEST) <= 0, content.version);
  assert(card.getItemCount() > 0);
  // What the library did not understand is not in what it writes.
  assert.deepEqual(plain(card.toJSON()), plain(content));
}

/** Names of sizes and colours may be written in any case. */
function plain(value, key) {
  if (Array.isArray(value)) return value.map((item) => plain(item));
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, plain(item, name)]));
  }
  return ["size", "weight", "color"].includes(key) ? value.toLowerCase() : value;
}

const server = createServer(async (request, response) => {
  if (request.method === "GET") return response.writeHead(200).end("ready");
  const parts = [];
  for await (const part of request) parts.push(part);
  try {
    check(Buffer.concat(parts));
    response.writeHead(202).end();
  } catch (problem) {
    console.log(`${request.url}: ${problem.message}`);
    response.writeHead(400).end(problem.message);
  }
});
server.listen(Number(process.argv[2]), "127.0.0.1");
