with s as materialized
(select set_config('fabric.organization', $1, true), set_config('fabric.clearance', $2, true), $1::uuid as org) select r.v from s
cross join lateral
(select convert_to(concat('{"pump":', coalesce((select concat('{"__typename":"', o1.type_name || case when o1.type_name = 'Pump' then 'Object' else '' end, '","id":"', o1.object_id, '","name":', coalesce(fabric.quoted(o1.data->>'name'), 'null'), ',"status":', coalesce(fabric.quoted(o1.data->>'status'), 'null'), ',"rating":', coalesce(o1.data->>'rating#f', 'null'), ',"label":"', fabric.label_text(o1.label, $4::text[]), '","revision":', o1.revision, ',"createdAt":"', fabric.time_text(o1.created_at), '","updatedAt":"', fabric.time_text(o1.updated_at), '"}') from fabric.objects o1
where o1.organization_id = s.org and o1.object_id = $3::uuid and not o1.tombstone and (o1.type_name in ('Pump', 'Booster')) is true), 'null'), '}'), 'UTF8')) r(v)
-- $3: UUID('00000000-0000-4000-8000-000000000002')
-- $4: ('ALPHA', 'BRAVO', 'CHARLIE')
