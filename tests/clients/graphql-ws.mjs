// graphql-ws: a subscription, a query and a mutation over one connection, refusals, and a token that expires meanwhile.
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { given, headers, tell, url } from './fabric.mjs';

const address = url.replace(/^http/, 'ws');

function client(connectionParams, options = {}) {
  return createClient({ url: address, webSocketImpl: WebSocket, connectionParams, retryAttempts: 0, ...options });
}

async function all(fabric, query, variables) {
  const results = [];
  for await (const result of fabric.iterate({ query, variables })) results.push(result);
  return results;
}

async function refusal(fabric, query) {
  try {
    return await all(fabric, query);
  } catch (error) {
    return error instanceof Array ? error.map(({ extensions }) => extensions.code) : [error.code, error.reason];
  }
}

let connections = 0;
const fabric = client(headers, { on: { connected: () => (connections += 1) }, keepAlive: 50, lazyCloseTimeout: 1000 });
const [counted, asked, changed] = await Promise.all([
  all(fabric, 'subscription ($to: Int!) { count(to: $to) }', { to: 3 }),
  all(fabric, '{ viewer { subject } }'),
  all(fabric, 'mutation { deletePump(id: "none") { position } }'),
]);
const refused = {
  invalid: await refusal(fabric, '{ nothing }'),
  forbidden: await refusal(fabric, 'subscription { forbidden }'),
  stranger: await refusal(client({ authorization: 'Bearer none' }), '{ __typename }'),
  slow: await refusal(client(headers), 'subscription { slow }'),
};

// The first token does not last; the client takes the next by itself.
const tokens = given.tokens.map((token) => ({ authorization: `Bearer ${token}` }));
const renewing = client(() => tokens.shift(), { retryAttempts: 3, retryWait: async () => {} });
const heard = [];
for await (const { data } of renewing.iterate({ query: 'subscription { published }' })) {
  heard.push(data.published);
  if (!tokens.length && heard.at(-1) === 'enough') break;
}
tell({ counted, asked, changed: changed[0].errors[0].extensions.code, connections, refused, heard: heard.length });
process.exit();
