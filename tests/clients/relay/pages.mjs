// Pages of two connections, one of them in both directions, and an object that comes and goes.
import facilitiesAdd from './artifacts/facilitiesAddMutation.graphql.js';
import facilitiesList from './artifacts/facilities_list.graphql.js';
import facilitiesQuery from './artifacts/facilitiesQuery.graphql.js';
import facilitiesRemove from './artifacts/facilitiesRemoveMutation.graphql.js';
import facilityAssets from './artifacts/facility_assets.graphql.js';
import facilityQuery from './artifacts/facilityQuery.graphql.js';
import facilitySupplies from './artifacts/facility_supplies.graphql.js';
import { given, tell } from '../fabric.mjs';
import { complaints, Place } from './store.mjs';

const ALL = 100;
const told = {};

const place = new Place();
const root = await place.query(facilitiesQuery, { count: given.count, where: given.where });
const list = () => place.read(facilitiesList, root).facilities;
const codes = () => list().edges.map(({ node }) => node.code);
await place.load('forward', given.count, facilitiesList, root);
told.pages = codes();
const connections = [list().__id];
const { createReservoir } = await place.change(facilitiesAdd, { input: given.added, connections });
told.grown = codes();
await place.change(facilitiesRemove, { id: createReservoir.reservoir.id, connections });
told.shrunk = codes();

for (const [first, last, direction] of [
  [2, null, 'forward'],
  [null, 2, 'backward'],
]) {
  const place = new Place();
  const { facilityByKey } = await place.query(facilityQuery, { code: given.facility, first, last });
  const tags = () => place.read(facilityAssets, facilityByKey).assets.edges.map(({ node }) => node.tag);
  const page = tags();
  await place.load(direction, ALL, facilityAssets, facilityByKey);
  const { supplies } = place.read(facilitySupplies, facilityByKey);
  told[direction] = { page, all: tags(), supplies: supplies.edges.length };
}
tell({ ...told, complaints });
