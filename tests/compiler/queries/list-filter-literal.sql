with s as materialized
(select set_config('fabric.organization', $1, true), set_config('fabric.clearance', $2, true), $1::uuid as org) select r.v from s
cross join lateral
(select convert_to(concat('{"equipmentList":{"nodes":[',
(select string_agg(p2.j1, ',')
from
(select concat('{"name":', coalesce(fabric.quoted(o1.data->>'name'), 'null'), '}') as j1
from
(select o1.object_id, o1.label, o1.type_name, o1.data, o1.revision, o1.created_at, o1.updated_at from fabric.objects o1
where o1.organization_id = s.org and not o1.tombstone and o1.type_name in ('Equipment', 'Booster', 'Pump') and fabric.float8(fabric.field(o1.data, 'rating#f')) >= $3::double precision and ((fabric.text(o1.data, 'status') collate "C") = $4::text or exists
(select from jsonb_array_elements((o1.data->'tags')) e
where $5::jsonb @> jsonb_build_array(e)))
order by o1.object_id
limit $6::bigint) o1) p2), ']}}'), 'UTF8')) r(v)
-- $3: 4.0
-- $4: 'OK'
-- $5: ['b']
-- $6: 50
