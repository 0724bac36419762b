with s as materialized
(select set_config('fabric.organization', $1, true), set_config('fabric.clearance', $2, true), $1::uuid as org) select r.v from s
cross join lateral
(select convert_to(concat('{"sites":{"nodes":[',
(select string_agg(p2.j1, ',')
from
(select concat('{"code":', coalesce(fabric.quoted(o1.data->>'code'), 'null'), ',"name":', coalesce(fabric.quoted(o1.data->>'name'), 'null'), '}') as j1
from
(select o1.object_id, o1.label, o1.type_name, o1.data, o1.revision, o1.created_at, o1.updated_at from fabric.objects o1
where o1.organization_id = s.org and not o1.tombstone and o1.type_name = 'Site'
order by o1.object_id
limit $3::bigint) o1) p2), ']}}'), 'UTF8')) r(v)
-- $3: 50
