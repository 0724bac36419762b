// relay-runtime, used as React's hooks use it.
import relay from 'relay-runtime';
import { headers, url } from '../fabric.mjs';

// What Relay has to say of what it is served: ids that are not unique, fields that are missing.
export const complaints = [];
console.error = (...complaint) => complaints.push(complaint.join(' '));

async function ask({ text: query }, variables) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { ...headers, accept: 'application/graphql-response+json', 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  });
  return response.json();
}

export class Place {
  #environment = new relay.Environment({
    network: relay.Network.create(ask),
    store: new relay.Store(new relay.RecordSource()),
  });

  // What the query's fragments refer to, kept in the store from now on.
  async query(query, variables) {
    const operation = relay.createOperationDescriptor(query, variables);
    this.#environment.retain(operation);
    await relay.fetchQuery(this.#environment, query, variables).toPromise();
    return this.#environment.lookup(operation.fragment).data;
  }

  read(fragment, reference) {
    return this.#environment.lookup(relay.getSelector(fragment, reference)).data;
  }

  // `loadNext` and `loadPrevious` of usePaginationFragment; direction is `forward` or `backward`.
  async load(direction, count, fragment, reference) {
    const { connectionPathInFragmentData, identifierField, paginationMetadata, paginationRequest } =
      relay.getPaginationMetadata(fragment, 'load');
    const data = this.read(fragment, reference);
    const { pageInfo } = relay.getValueAtPath(data, connectionPathInFragmentData);
    const cursor = direction === 'forward' ? pageInfo.endCursor : pageInfo.startCursor;
    const { owner, variables } = relay.getSelector(fragment, reference);
    const base = { ...owner.variables, ...variables };
    const asked = relay.getPaginationVariables(direction, count, cursor, base, {}, paginationMetadata);
    if (identifierField) asked.id = data[identifierField];
    const operation = relay.createOperationDescriptor(paginationRequest, asked, { force: true });
    await this.#environment.execute({ operation }).toPromise();
  }

  change(mutation, variables) {
    return new Promise((onCompleted, onError) => {
      relay.commitMutation(this.#environment, { mutation, variables, onCompleted, onError });
    });
  }
}
