// @apollo/client: two pages that its cache joins, a change, and four ways to be refused.
import { ApolloClient, CombinedGraphQLErrors, gql, HttpLink, InMemoryCache } from '@apollo/client';
import { relayStylePagination } from '@apollo/client/utilities';
import { filter, firstValueFrom } from 'rxjs';
import { answers, given, headers, noting, request, tell, url } from './fabric.mjs';

const possibleTypes = { Place: given.places };
const typePolicies = { Query: { fields: { facilities: relayStylePagination(['where', 'orderBy']) } } };

function client(headers) {
  return new ApolloClient({
    link: new HttpLink({ uri: url, headers, fetch: noting }),
    cache: new InMemoryCache({ possibleTypes, typePolicies }),
  });
}

async function codes(asked) {
  const error = await asked.then(
    () => null,
    (error) => error,
  );
  if (!CombinedGraphQLErrors.is(error)) throw error ?? new Error('no error');
  return error.errors.map(({ extensions }) => extensions.code);
}

const fabric = client(headers);
const listed = { query: gql(request('facilities')), variables: given.page };
const watched = fabric.watchQuery(listed);
const watching = watched.subscribe(() => {});
const first = await firstValueFrom(watched.pipe(filter(({ dataState }) => dataState === 'complete')));
await watched.fetchMore({ variables: { after: first.data.facilities.pageInfo.endCursor } });
watching.unsubscribe();
const pages = fabric.readQuery(listed).facilities.edges.map(({ node }) => node);

const annotate = { mutation: gql(request('annotate')), variables: given.change };
const changed = await fabric.mutate(annotate);
const asking = (asker, name, variables) =>
  asker.query({ query: gql(request(name)), variables, fetchPolicy: 'network-only' });
tell({
  pages,
  changed: changed.data.updatePump,
  conflict: await codes(fabric.mutate(annotate)),
  invalid: await codes(asking(fabric, 'unknown', {})),
  input: await codes(asking(fabric, 'facilities', { ...given.page, first: -1 })),
  stranger: await codes(asking(client({ authorization: 'Bearer none' }), 'facilities', given.page)),
  answers,
});
