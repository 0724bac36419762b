// The schema, from the server or from a file, as types; the operations, as documents that know their types.
import type { CodegenConfig } from '@graphql-codegen/cli';

const { GRAPHQL_SCHEMA, GRAPHQL_TOKEN, GRAPHQL_URL } = process.env;

const text = 'string';
const scalars = {
  BigInt: text,
  Date: text,
  DateTime: text,
  Decimal: text,
  Duration: text,
  JSON: 'unknown',
  Label: text,
  URI: text,
  UUID: text,
};

const config: CodegenConfig = {
  schema: GRAPHQL_SCHEMA ?? { [GRAPHQL_URL!]: { headers: { authorization: `Bearer ${GRAPHQL_TOKEN}` } } },
  documents: 'operations.graphql',
  config: { scalars, strictScalars: true, namingConvention: 'keep' },
  generates: {
    'generated/schema.ts': { plugins: ['typescript'] },
    'generated/operations.ts': { plugins: ['typescript-operations', 'typed-document-node'] },
  },
};

export default config;
