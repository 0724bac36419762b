with s as materialized
(select set_config('fabric.organization', $1, true), set_config('fabric.clearance', $2, true), $1::uuid as org) select r.v from s
cross join lateral
(select convert_to(concat('{"equipmentList":{"edges":[',
(select concat(string_agg(p2.j1, ',') filter (where p2.n <= $5::bigint), '],"pageInfo":{"hasNextPage":', (count(p2.n) > $5::bigint)::text, ',"hasPreviousPage":', (exists
(select from fabric.objects o1
where o1.organization_id = s.org and not o1.tombstone and o1.type_name in ('Equipment', 'Booster', 'Pump') and (fabric.float8(fabric.field(o1.data, 'rating#f')) = $6::double precision and o1.object_id < $7::text::uuid or fabric.float8(fabric.field(o1.data, 'rating#f')) < $6::double precision or fabric.float8(fabric.field(o1.data, 'rating#f')) = $6::double precision and o1.object_id = $7::text::uuid)))::text, ',"startCursor":', coalesce('"' || fabric.cursor($3::bytea, $4::bytea, (max(p2.c) filter (where p2.n = 1 and p2.n <= $5::bigint))::jsonb) || '"', 'null'), ',"endCursor":', coalesce('"' || fabric.cursor($3::bytea, $4::bytea, (max(p2.c) filter (where p2.n = least(p2.m, $5::bigint)))::jsonb) || '"', 'null'))
from
(select concat('{"cursor":"', fabric.cursor($3::bytea, $4::bytea, jsonb_build_array(fabric.float8(fabric.field(o1.data, 'rating#f')), o1.object_id::text)), '","node":{"name":', coalesce(fabric.quoted(o1.data->>'name'), 'null'), '}}') as j1, row_number() over () as n, jsonb_build_array(fabric.float8(fabric.field(o1.data, 'rating#f')), o1.object_id::text)::text as c, count(*) over () as m
from
(select o1.object_id, o1.label, o1.type_name, o1.data, o1.revision, o1.created_at, o1.updated_at from fabric.objects o1
where o1.organization_id = s.org and not o1.tombstone and o1.type_name in ('Equipment', 'Booster', 'Pump') and (fabric.float8(fabric.field(o1.data, 'rating#f')) = $6::double precision and o1.object_id > $7::text::uuid or fabric.float8(fabric.field(o1.data, 'rating#f')) > $6::double precision or fabric.float8(fabric.field(o1.data, 'rating#f')) is null)
order by fabric.float8(fabric.field(o1.data, 'rating#f')), o1.object_id
limit $5::bigint + 1) o1) p2), '}}}'), 'UTF8')) r(v)
-- $3: 64 bytes
-- $4: 64 bytes
-- $5: 2
-- $6: -1
-- $7: '00000000-0000-4000-8000-000000000002'
