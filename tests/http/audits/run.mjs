// Runs the audits of graphql-http against FABRIC_URL with the token FABRIC_TOKEN; prints one JSON object for each.
import { serverAudits } from 'graphql-http';

const fetchFn = (url, init = {}) => {
  const headers = new Headers(init.headers);
  headers.set('authorization', `Bearer ${process.env.FABRIC_TOKEN}`);
  return fetch(url, { ...init, headers });
};

for (const audit of serverAudits({ url: process.env.FABRIC_URL, fetchFn })) {
  const { status, name, reason } = await audit.fn();
  console.log(JSON.stringify({ id: audit.id, status, name, reason }));
}
