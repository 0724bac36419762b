with s as materialized
(select set_config('fabric.organization', $1, true), set_config('fabric.clearance', $2, true), $1::uuid as org) select r.v from s
cross join lateral
(select convert_to(concat('{"equipmentList":{"nodes":[',
(select string_agg(p2.j1, ',')
from
(select concat('{"name":', coalesce(fabric.quoted(o1.data->>'name'), 'null'), ',"site":', coalesce((select concat('{"code":', coalesce(fabric.quoted(o3.data->>'code'), 'null'), ',"name":', coalesce(fabric.quoted(o3.data->>'name'), 'null'), '}') from fabric.links l4
join fabric.objects o3 on o3.organization_id = l4.organization_id and o3.object_id = l4.target_id
where l4.organization_id = s.org and l4.source_id = o1.object_id and l4.relation = 'located_at' and not l4.tombstone and not o3.tombstone and (o3.type_name = 'Site') is true
order by l4.label >> 60 desc, bit_count(l4.label::bit(64)) desc, l4.label desc, l4.link_id
limit 1), 'null'), '}') as j1
from
(select o1.object_id, o1.label, o1.type_name, o1.data, o1.revision, o1.created_at, o1.updated_at from fabric.objects o1
where o1.organization_id = s.org and not o1.tombstone and o1.type_name in ('Equipment', 'Booster', 'Pump')
order by o1.object_id
limit $3::bigint) o1) p2), ']}}'), 'UTF8')) r(v)
-- $3: 50
