with s as materialized
(select set_config('fabric.organization', $1, true), set_config('fabric.clearance', $2, true), $1::uuid as org) select r.v from s
cross join lateral
(select convert_to(concat('{"equipmentList":{"nodes":[',
(select string_agg(p2.j1, ',')
from
(select concat('{"name":', coalesce(fabric.quoted(o1.data->>'name'), 'null'), ',"status":', coalesce(fabric.quoted(o1.data->>'status'), 'null'), ',"rating":', coalesce(o1.data->>'rating#f', 'null'), ',"tags":', coalesce(o1.data->'tags', 'null'), ',"readings":', coalesce(case when o1.data ? 'readings' then '[' || coalesce((select string_agg('"' || x || '"', ',') from jsonb_array_elements_text(o1.data->'readings') x), '') || ']' end, 'null'), ',"meta":', coalesce(o1.data->'meta', 'null'), ',"history_":', coalesce(o1.data->'history_', 'null'), ',"installedAt":', coalesce(fabric.quoted(o1.data->>'installedAt'), 'null'), ',"runtime":', coalesce(fabric.quoted(o1.data->>'runtime#p'), 'null'), ',"serial":', coalesce(fabric.quoted(o1.data->>'serial#i'), 'null'), ',"manual":', coalesce(fabric.quoted(o1.data->>'manual'), 'null'), ',"floor":', coalesce(o1.data->>'floor#i', 'null'), ',"inspected":', coalesce(o1.data->>'inspected#b', 'null'), '}') as j1
from
(select o1.object_id, o1.label, o1.type_name, o1.data, o1.revision, o1.created_at, o1.updated_at from fabric.objects o1
where o1.organization_id = s.org and not o1.tombstone and o1.type_name in ('Equipment', 'Booster', 'Pump')
order by o1.object_id
limit $3::bigint) o1) p2), ']}}'), 'UTF8')) r(v)
-- $3: 50
