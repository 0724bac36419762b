with s as materialized
(select set_config('fabric.organization', $1, true), set_config('fabric.clearance', $2, true), $1::uuid as org) select r.v from s
cross join lateral
(select convert_to(concat('{"equipment":', coalesce((select concat('{"sensors":{"totalCount":',
(select concat((select count(*) from fabric.links l3
join fabric.objects o2 on o2.organization_id = l3.organization_id and o2.object_id = l3.target_id
where l3.organization_id = s.org and l3.source_id = o1.object_id and l3.relation = 'has_sensor' and not l3.tombstone and not o2.tombstone and (o2.type_name = 'Sensor') is true), ',"edges":[', string_agg(p4.j1, ',') filter (where p4.n <= $7::bigint), '],"pageInfo":{"hasNextPage":', (count(p4.n) > $7::bigint)::text, ',"endCursor":', coalesce('"' || fabric.cursor($4::bytea, $5::bytea, (max(p4.c) filter (where p4.n = least(p4.m, $7::bigint)))::jsonb) || '"', 'null'))
from
(select concat('{"cursor":"', fabric.cursor($4::bytea, $5::bytea, jsonb_build_array((fabric.text(o2.data, 'name') collate "C"), l3.target_id::text, l3.link_id::text)), '","node":{"name":', coalesce(fabric.quoted(o2.data->>'name'), 'null'), '},"link":{"__typename":"Link","id":"', l3.link_id, '","label":"', fabric.label_text(l3.label, $6::text[]), '","revision":', l3.revision, ',"weight":', coalesce(l3.weight::text, 'null'), ',"properties":', l3.properties, ',"validFrom":', coalesce('"' || fabric.time_text(l3.valid_from) || '"', 'null'), ',"validTo":', coalesce('"' || fabric.time_text(l3.valid_to) || '"', 'null'), ',"createdAt":"', fabric.time_text(l3.created_at), '"}}') as j1, row_number() over () as n, jsonb_build_array((fabric.text(o2.data, 'name') collate "C"), l3.target_id::text, l3.link_id::text)::text as c, count(*) over () as m
from
(select o2.object_id, o2.label, o2.type_name, o2.data, o2.revision, o2.created_at, o2.updated_at, l3.link_id as l_link_id, l3.relation as l_relation, l3.source_id as l_source_id, l3.target_id as l_target_id, l3.label as l_label, l3.weight as l_weight, l3.properties as l_properties, l3.valid_from as l_valid_from, l3.valid_to as l_valid_to, l3.semantic_namespace as l_semantic_namespace, l3.semantic_predicate as l_semantic_predicate, l3.revision as l_revision, l3.created_at as l_created_at, l3.updated_at as l_updated_at from fabric.links l3
join fabric.objects o2 on o2.organization_id = l3.organization_id and o2.object_id = l3.target_id
where l3.organization_id = s.org and l3.source_id = o1.object_id and l3.relation = 'has_sensor' and not l3.tombstone and not o2.tombstone and (o2.type_name = 'Sensor') is true
order by (fabric.text(o2.data, 'name') collate "C") desc, l3.target_id desc, l3.link_id desc
limit $7::bigint + 1) o2
cross join lateral
(select o2.l_link_id as link_id, o2.l_relation as relation, o2.l_source_id as source_id, o2.l_target_id as target_id, o2.l_label as label, o2.l_weight as weight, o2.l_properties as properties, o2.l_valid_from as valid_from, o2.l_valid_to as valid_to, o2.l_semantic_namespace as semantic_namespace, o2.l_semantic_predicate as semantic_predicate, o2.l_revision as revision, o2.l_created_at as created_at, o2.l_updated_at as updated_at) l3) p4), '}}}') from fabric.objects o1
where o1.organization_id = s.org and o1.object_id = $3::uuid and not o1.tombstone and (o1.type_name in ('Equipment', 'Booster', 'Pump')) is true), 'null'), '}'), 'UTF8')) r(v)
-- $3: UUID('00000000-0000-4000-8000-000000000001')
-- $4: 64 bytes
-- $5: 64 bytes
-- $6: ('ALPHA', 'BRAVO', 'CHARLIE')
-- $7: 5
