with s as materialized
(select set_config('fabric.organization', $1, true), set_config('fabric.clearance', $2, true), $1::uuid as org) select r.v from s
cross join lateral
(select convert_to(concat('{"nodes":[',
(select string_agg(coalesce((select concat('{"__typename":"', o1.type_name || case when o1.type_name in ('Equipment', 'Pump') then 'Object' else '' end, '","id":"', o1.object_id, '"}') from fabric.objects o1
where o1.organization_id = s.org and o1.object_id = i.id and not o1.tombstone and (o1.type_name in ('Booster', 'Equipment', 'Pump', 'Sensor', 'Site')) is true), 'null'), ','
order by i.n) from unnest($3::uuid[]) with ordinality as i(id, n)), ']}'), 'UTF8')) r(v)
-- $3: [UUID('00000000-0000-4000-8000-000000000006'), None, UUID('00000000-0000-4000-8000-000000000001')]
