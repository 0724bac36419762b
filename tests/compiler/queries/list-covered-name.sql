with s as materialized
(select set_config('fabric.organization', $1, true), set_config('fabric.clearance', $2, true), $1::uuid as org) select r.v from s
cross join lateral
(select convert_to(concat('{"boosters":{"nodes":[',
(select concat(string_agg(p2.j1, ','), '],"totalCount":',
(select count(*) from fabric.objects o1
where o1.organization_id = s.org and not o1.tombstone and o1.type_name = 'Booster'))
from
(select concat('{"name":', coalesce(fabric.quoted(o1.data->>'name'), 'null'), ',"serial":', coalesce(fabric.quoted(o1.data->>'serial#i'), 'null'), ',"stages":', coalesce(o1.data->>'stages#i', 'null'), ',"label":"', fabric.label_text(o1.label, $3::text[]), '"}') as j1
from
(select o1.object_id, o1.label, o1.type_name, o1.data, o1.revision, o1.created_at, o1.updated_at from fabric.objects o1
where o1.organization_id = s.org and not o1.tombstone and o1.type_name = 'Booster'
order by o1.object_id
limit $4::bigint) o1) p2), '}}'), 'UTF8')) r(v)
-- $3: ('ALPHA', 'BRAVO', 'CHARLIE')
-- $4: 50
