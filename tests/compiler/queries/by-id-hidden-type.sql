with s as materialized
(select set_config('fabric.organization', $1, true), set_config('fabric.clearance', $2, true), $1::uuid as org) select r.v from s
cross join lateral
(select convert_to(concat('{"equipment":', coalesce((select concat('{"id":"', o1.object_id, '"}') from fabric.objects o1
where o1.organization_id = s.org and o1.object_id = $3::uuid and not o1.tombstone and (o1.type_name in ('Equipment', 'Booster', 'Pump')) is true), 'null'), '}'), 'UTF8')) r(v)
-- $3: UUID('00000000-0000-4000-8000-000000000006')
