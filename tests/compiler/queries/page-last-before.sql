with s as materialized
(select set_config('fabric.organization', $1, true), set_config('fabric.clearance', $2, true), $1::uuid as org) select r.v from s
cross join lateral
(select convert_to(concat('{"equipmentList":{"nodes":[',
(select concat(string_agg(p2.j1, ','
order by p2.n desc) filter (where p2.n <= $3::bigint), '],"pageInfo":{"hasNextPage":', (exists
(select from fabric.objects o1
where o1.organization_id = s.org and not o1.tombstone and o1.type_name in ('Equipment', 'Booster', 'Pump') and ((fabric.text(o1.data, 'name') collate "C"), o1.object_id) >= ($4::text, $5::text::uuid)))::text, ',"hasPreviousPage":', (count(p2.n) > $3::bigint)::text)
from
(select concat('{"name":', coalesce(fabric.quoted(o1.data->>'name'), 'null'), '}') as j1, row_number() over () as n
from
(select o1.object_id, o1.label, o1.type_name, o1.data, o1.revision, o1.created_at, o1.updated_at from fabric.objects o1
where o1.organization_id = s.org and not o1.tombstone and o1.type_name in ('Equipment', 'Booster', 'Pump') and ((fabric.text(o1.data, 'name') collate "C"), o1.object_id) < ($4::text, $5::text::uuid)
order by (fabric.text(o1.data, 'name') collate "C") desc, o1.object_id desc
limit $3::bigint + 1) o1) p2), '}}}'), 'UTF8')) r(v)
-- $3: 2
-- $4: 'ÉCLAIR 100%'
-- $5: '00000000-0000-4000-8000-000000000003'
