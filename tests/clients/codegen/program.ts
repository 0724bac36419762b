// A program that compiles only if the generated types say what the server answers. It tells what it was answered.
import { type AnyVariables, Client, fetchExchange, type TypedDocumentNode } from '@urql/core';
import * as operations from './generated/operations';

const { GRAPHQL_TOKEN, GRAPHQL_URL } = process.env;
const headers = { authorization: `Bearer ${GRAPHQL_TOKEN}` };
const client = new Client({
  url: GRAPHQL_URL!,
  exchanges: [fetchExchange],
  fetchOptions: { headers },
  preferGetMethod: false,
});

async function ask<Data, Variables extends AnyVariables>(
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
): Promise<Data> {
  const { data, error } = await client.query(document, variables).toPromise();
  if (error || !data) throw error ?? new Error('no data');
  return data;
}

function told(place: operations.PlacesQuery['places']['nodes'][number]): string {
  switch (place.__typename) {
    case 'Reservoir': {
      const volume: string | null = place.volume;
      const levels: number[] | null = place.levels;
      return `${place.status} ${volume} ${levels?.length}`;
    }
    case 'SupplyZone': {
      const population: number | null | undefined = place.population;
      return `${population}`;
    }
    default:
      return place.name;
  }
}

async function main(): Promise<void> {
  const where: operations.PlaceWhere = { or: [{ code: { startsWith: 'RSV-' } }, { code: { startsWith: 'ZON-' } }] };
  const orderBy: operations.PlaceOrderBy[] = [{ code: 'DESC' }];
  const { places } = await ask(operations.PlacesDocument, { where, orderBy, first: 500, detailed: true });
  const { facilityByKey } = await ask(operations.CrewDocument, { code: places.nodes[0]?.code ?? '' });
  const { workOrdersAggregate } = await ask(operations.WorkloadDocument, { having: { count: { gte: 2 } } });
  const costs: (string | null)[] = workOrdersAggregate.groups.map(({ fields }) => fields.cost.sum);
  const { typeDefinition, viewer } = await ask(operations.FormDocument, { typeName: 'Pump' });
  const fieldSchema: unknown = typeDefinition?.fieldSchema;
  const refused = await client
    .mutation(operations.AnnotateDocument, { id: 'none', input: { notes: null, price: '12.50' }, expectedRevision: 1 })
    .toPromise();
  const weights: (number | null)[] = facilityByKey?.supplies.edges.map(({ link }) => link.weight) ?? [];
  console.log(
    JSON.stringify({
      places: Object.fromEntries(places.nodes.map((place) => [place.code, told(place)])),
      costs,
      weights,
      sessionLabel: viewer.sessionLabel,
      fieldSchema,
      refused: refused.error?.graphQLErrors.map(({ extensions }) => extensions['code']),
    }),
  );
}

void main();
