with s as materialized
(select set_config('fabric.organization', $1, true), set_config('fabric.clearance', $2, true), $1::uuid as org) select r.v from s
cross join lateral
(select convert_to(format('{"pump":%s}', coalesce((select format('{"__typename":%s,"id":%s,"name":%s,"status":%s,"rating":%s,"label":%s,"revision":%s,"createdAt":%s,"updatedAt":%s}', '"' || o1.type_name || case when o1.type_name = 'Pump' then 'Object' else '' end || '"', '"' || o1.object_id || '"', coalesce(o1.data->'name', 'null'), coalesce(o1.data->'status', 'null'), coalesce(o1.data->'rating#f', 'null'), '"' || fabric.label_text(o1.label, $4::text[]) || '"', o1.revision::text, '"' || fabric.time_text(o1.created_at) || '"', '"' || fabric.time_text(o1.updated_at) || '"') from fabric.objects o1
where o1.organization_id = s.org and o1.object_id = $3::uuid and not o1.tombstone and o1.type_name in ('Pump', 'Booster')), 'null')), 'UTF8')) r(v)
-- $3: UUID('00000000-0000-4000-8000-000000000002')
-- $4: ('ALPHA', 'BRAVO', 'CHARLIE')
