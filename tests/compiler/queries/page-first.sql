with s as materialized
(select set_config('fabric.organization', $1, true), set_config('fabric.clearance', $2, true), $1::uuid as org) select r.v from s
cross join lateral
(select convert_to(concat('{"equipmentList":{"nodes":[',
(select concat(string_agg(p2.j1, ',') filter (where p2.n <= $3::bigint), '],"pageInfo":{"hasNextPage":', (count(p2.n) > $3::bigint)::text, ',"endCursor":', coalesce('"' || fabric.cursor($4::bytea, $5::bytea, (max(p2.c) filter (where p2.n = least(p2.m, $3::bigint)))::jsonb) || '"', 'null'))
from
(select concat('{"name":', coalesce(fabric.quoted(o1.data->>'name'), 'null'), '}') as j1, row_number() over () as n, jsonb_build_array((fabric.text(o1.data, 'name') collate "C"), o1.object_id::text)::text as c, count(*) over () as m
from
(select o1.object_id, o1.label, o1.type_name, o1.data, o1.revision, o1.created_at, o1.updated_at from fabric.objects o1
where o1.organization_id = s.org and not o1.tombstone and o1.type_name in ('Equipment', 'Booster', 'Pump')
order by (fabric.text(o1.data, 'name') collate "C"), o1.object_id
limit $3::bigint + 1) o1) p2), '}}}'), 'UTF8')) r(v)
-- $3: 2
-- $4: 64 bytes
-- $5: 64 bytes
