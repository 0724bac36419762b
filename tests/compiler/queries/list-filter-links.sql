with s as materialized
(select set_config('fabric.organization', $1, true), set_config('fabric.clearance', $2, true), $1::uuid as org) select r.v from s
cross join lateral
(select convert_to(concat('{"equipmentList":{"nodes":[',
(select string_agg(p2.j1, ',')
from
(select concat('{"name":', coalesce(fabric.quoted(o1.data->>'name'), 'null'), '}') as j1
from
(select o1.object_id, o1.label, o1.type_name, o1.data, o1.revision, o1.created_at, o1.updated_at from fabric.objects o1
where o1.organization_id = s.org and not o1.tombstone and o1.type_name in ('Equipment', 'Booster', 'Pump') and exists
(select from fabric.links l4
join fabric.objects o3 on o3.organization_id = l4.organization_id and o3.object_id = l4.target_id
where l4.organization_id = s.org and l4.source_id = o1.object_id and l4.relation = 'has_sensor' and not l4.tombstone and not o3.tombstone and o3.type_name = 'Sensor' and (fabric.text(o3.data, 'unit') collate "C") = $3::text) and ((exists
(select from fabric.links l6
join fabric.objects o5 on o5.organization_id = l6.organization_id and o5.object_id = l6.target_id
where l6.organization_id = s.org and l6.source_id = o1.object_id and l6.relation = 'located_at' and not l6.tombstone and not o5.tombstone and o5.type_name = 'Site' and (((((fabric.text(o5.data, 'code') collate "C") = $4::text) is not true)) is not true))) is not true)
order by o1.object_id
limit $5::bigint) o1) p2), ']}}'), 'UTF8')) r(v)
-- $3: '°C'
-- $4: 'S'
-- $5: 50
