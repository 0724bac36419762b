// Runs the audits of graphql-http, and tells what became of each.
import { serverAudits } from 'graphql-http';
import { headers, tell, url } from './fabric.mjs';

function fetchFn(address, init = {}) {
  const sent = new Headers(init.headers);
  sent.set('authorization', headers.authorization);
  return fetch(address, { ...init, headers: sent });
}

const told = [];
for (const audit of serverAudits({ url, fetchFn })) {
  const { status, name, reason } = await audit.fn();
  told.push({ id: audit.id, status, name, reason });
}
tell(told);
