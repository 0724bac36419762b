// The console's own scripts in place of a browser: the fetcher that they hand to GraphiQL subscribes, and is left.
import { readFileSync } from 'node:fs';
import vm from 'node:vm';
import { parse } from 'graphql';
import { answers, given, headers, noting, tell, url } from './fabric.mjs';

const asked = [];
const signals = [];

// Answers come byte by byte, so that they are cut wherever they can be.
async function fetching(address, { headers, ...request }) {
  asked.push([request.method, address]);
  signals.push(request.signal);
  const { body, status, headers: told } = await noting(new URL(address, url), { headers, ...request });
  const bytes = new TransformStream({ transform: (chunk, out) => chunk.forEach((byte) => out.enqueue(Uint8Array.of(byte))) });
  return new Response(body.pipeThrough(bytes), { status, headers: told });
}

let fetcher;
const page = {
  AbortController, Error, Headers, JSON, TextDecoderStream,
  fetch: fetching,
  window: { location: { pathname: new URL(url).pathname } },
  document: { getElementById: () => ({}), body: { style: {} } },
  GraphiQL: { createFetcher: (options) => async (params) => ({ plain: [options.url, params.operationName] }) },
  React: { createElement: (_, props) => ({ fetcher } = props) },
  ReactDOM: { createRoot: () => ({ render: () => {} }) },
};
vm.createContext(page);
for (const name of ['subscribe.js', 'start.js']) vm.runInContext(readFileSync(`${given.assets}/${name}`, 'utf8'), page);

async function all(results) {
  const found = [];
  for await (const result of results) found.push(result);
  return found;
}

async function ask(query, { variables, operationName, sent = headers } = {}) {
  const results = await fetcher({ query, variables, operationName }, { headers: sent, documentAST: parse(query) });
  return Symbol.asyncIterator in results ? all(results) : results;
}

function codes(results) {
  return results.at(-1).errors.map(({ extensions }) => extensions.code);
}

const counted = await ask('subscription ($to: Int!) { count(to: $to) }', { variables: { to: 3 } });
const several = 'query Q { viewer { subject } } subscription S { count(to: 1) }';
const chosen = [await ask(several, { operationName: 'S' }), await ask(several, { operationName: 'Q' })];
const unfinished = await fetcher({ query: '{' }, { headers, documentAST: null });
const published = 'subscription { published }';
const refused = {
  invalid: codes(await ask('subscription { nothing }')),
  forbidden: codes(await ask('subscription { forbidden }')),
  stranger: codes(await ask(published, { sent: { Authorization: 'Bearer none' } })),
  expired: codes(await ask(published, { sent: { Authorization: `Bearer ${given.tokens[0]}` } })),
};

// Left while it waits, as by the button that stops it.
const heard = await fetcher({ query: published }, { headers, documentAST: parse(published) });
const first = await heard.next();
const rest = all(heard);
await heard[Symbol.asyncIterator]().return();
await rest;
const left = { last: await heard.next(), aborted: signals.at(-1).aborted };

tell({ counted, chosen, unfinished, refused, first, left, asked, answers });
process.exit();
