with s as materialized
(select set_config('fabric.organization', $1, true), set_config('fabric.clearance', $2, true), $1::uuid as org) select r.v from s
cross join lateral
(select convert_to(format('{"equipmentList":%s}',
(select format('{"edges":%s,"pageInfo":%s}', '[' || coalesce(string_agg(p2.j1, ',') filter (where p2.n <= $5::bigint), '') || ']', format('{"hasNextPage":%s,"hasPreviousPage":%s,"startCursor":%s,"endCursor":%s}', (count(p2.n) > $5::bigint)::text, (exists
(select from fabric.objects o1
where o1.organization_id = s.org and not o1.tombstone and o1.type_name in ('Equipment', 'Booster', 'Pump') and (fabric.float8(fabric.field(o1.data, 'rating#f')) = $6::double precision and o1.object_id < $7::text::uuid or fabric.float8(fabric.field(o1.data, 'rating#f')) < $6::double precision or fabric.float8(fabric.field(o1.data, 'rating#f')) = $6::double precision and o1.object_id = $7::text::uuid)))::text, coalesce('"' || max(p2.c) filter (where p2.n = 1 and p2.n <= $5::bigint) || '"', 'null'), coalesce('"' || max(p2.c) filter (where p2.n = least(p2.m, $5::bigint)) || '"', 'null')))
from
(select format('{"cursor":%s,"node":%s}', '"' || fabric.cursor($3::bytea, $4::bytea, jsonb_build_array(fabric.float8(fabric.field(o1.data, 'rating#f')), o1.object_id::text)) || '"', format('{"name":%s}', coalesce(o1.data->'name', 'null'))) as j1, row_number() over () as n, fabric.cursor($3::bytea, $4::bytea, jsonb_build_array(fabric.float8(fabric.field(o1.data, 'rating#f')), o1.object_id::text)) as c, count(*) over () as m
from
(select o1.object_id, o1.label, o1.type_name, o1.data, o1.revision, o1.created_at, o1.updated_at from fabric.objects o1
where o1.organization_id = s.org and not o1.tombstone and o1.type_name in ('Equipment', 'Booster', 'Pump') and (fabric.float8(fabric.field(o1.data, 'rating#f')) = $6::double precision and o1.object_id > $7::text::uuid or fabric.float8(fabric.field(o1.data, 'rating#f')) > $6::double precision or fabric.float8(fabric.field(o1.data, 'rating#f')) is null)
order by fabric.float8(fabric.field(o1.data, 'rating#f')), o1.object_id
limit $5::bigint + 1) o1) p2)), 'UTF8')) r(v)
-- $3: 64 bytes
-- $4: 64 bytes
-- $5: 2
-- $6: -1
-- $7: '00000000-0000-4000-8000-000000000002'
