with s as materialized
(select set_config('fabric.organization', $1, true), set_config('fabric.clearance', $2, true), $1::uuid as org) select r.v from s
cross join lateral
(select convert_to(concat('{"siteByKey":', coalesce((select concat('{"name":', coalesce(fabric.quoted(o1.data->>'name'), 'null'), ',"opened":', coalesce(fabric.quoted(o1.data->>'opened'), 'null'), ',"area":', coalesce(fabric.quoted(o1.data->>'area#d'), 'null'), '}') from fabric.objects o1
where o1.organization_id = s.org and o1.object_id = $3::uuid and not o1.tombstone and (o1.type_name = 'Site') is true), 'null'), '}'), 'UTF8')) r(v)
-- $3: UUID('baa6d950-42c8-8308-b449-c3df8b499986')
