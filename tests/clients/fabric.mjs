// What a client's script is given by the test that runs it, and how it answers: one line of JSON.
import { readFileSync } from 'node:fs';

export const url = process.env.GRAPHQL_URL;
export const headers = { authorization: `Bearer ${process.env.GRAPHQL_TOKEN}` };
export const given = JSON.parse(process.argv[2] ?? 'null');

export function tell(answer) {
  console.log(JSON.stringify(answer));
}

export function request(name) {
  return readFileSync(new URL(`requests/${name}.graphql`, import.meta.url), 'utf8');
}

// A fetch that notes status and media type of each answer.
export const answers = [];
export async function noting(...request) {
  const response = await fetch(...request);
  answers.push([response.status, response.headers.get('content-type')]);
  return response;
}
