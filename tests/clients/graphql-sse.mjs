// graphql-sse, in its mode of distinct connections: a subscription, a query and a mutation, refusals, an expiring token.
import { createClient } from 'graphql-sse';
import { answers, given, headers, noting, tell, url } from './fabric.mjs';

function client(headers, options = {}) {
  return createClient({ url, headers, fetchFn: noting, retryAttempts: 0, ...options });
}

async function all(fabric, query, variables) {
  const results = [];
  for await (const result of fabric.iterate({ query, variables })) results.push(result);
  return results;
}

function codes({ errors }) {
  return errors.map(({ extensions }) => extensions.code);
}

const fabric = client(headers);
const counted = await all(fabric, 'subscription ($to: Int!) { count(to: $to) }', { to: 3 });
const asked = await all(fabric, '{ viewer { subject } }');
const [changed] = await all(fabric, 'mutation { deletePump(id: "none") { position } }');
const [invalid] = await all(fabric, '{ nothing }');
const [forbidden] = await all(fabric, 'subscription { forbidden }');
const slow = await all(fabric, 'subscription { slow }');
const stranger = await all(client({ authorization: 'Bearer none' }), '{ __typename }').catch(({ response }) => response.status);

// The token does not last.
const heard = await all(client({ authorization: `Bearer ${given.tokens[0]}` }), 'subscription { published }');

tell({
  counted,
  asked,
  changed: codes(changed),
  refused: { invalid: codes(invalid), forbidden: codes(forbidden), slow: codes(slow.at(-1)), stranger },
  heard: heard.length - 1,
  ended: codes(heard.at(-1)),
  answers,
});
process.exit();
