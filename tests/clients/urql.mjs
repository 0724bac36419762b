// @urql/core: two pages, a change, and four ways to be refused.
import { Client, fetchExchange } from '@urql/core';
import { answers, given, headers, noting, request, tell, url } from './fabric.mjs';

function client(headers) {
  return new Client({ url, exchanges: [fetchExchange], fetchOptions: { headers }, fetch: noting, preferGetMethod: false });
}

function codes({ error }) {
  return error.graphQLErrors.map(({ extensions }) => extensions.code);
}

const fabric = client(headers);
const pages = [];
let after = null;
for (let page = 0; page < 2; page += 1) {
  const { data, error } = await fabric.query(request('facilities'), { ...given.page, after }).toPromise();
  if (error) throw error;
  pages.push(...data.facilities.edges.map(({ node }) => node));
  after = data.facilities.pageInfo.endCursor;
}

const changed = await fabric.mutation(request('annotate'), given.change).toPromise();
tell({
  pages,
  changed: changed.data.updatePump,
  conflict: codes(await fabric.mutation(request('annotate'), given.change).toPromise()),
  invalid: codes(await fabric.query(request('unknown'), {}).toPromise()),
  input: codes(await fabric.query(request('facilities'), { ...given.page, first: -1 }).toPromise()),
  stranger: codes(await client({ authorization: 'Bearer none' }).query(request('facilities'), given.page).toPromise()),
  answers,
});
