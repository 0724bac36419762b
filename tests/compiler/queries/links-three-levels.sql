with s as materialized
(select set_config('fabric.organization', $1, true), set_config('fabric.clearance', $2, true), $1::uuid as org) select r.v from s
cross join lateral
(select convert_to(concat('{"sites":{"nodes":[',
(select string_agg(p2.j1, ',')
from
(select concat('{"code":', coalesce(fabric.quoted(o1.data->>'code'), 'null'), ',"equipment":{"totalCount":',
(select concat((select count(*) from fabric.links l4
join fabric.objects o3 on o3.organization_id = l4.organization_id and o3.object_id = l4.source_id
where l4.organization_id = s.org and l4.target_id = o1.object_id and l4.relation = 'located_at' and not l4.tombstone and not o3.tombstone and (o3.type_name in ('Equipment', 'Booster', 'Pump')) is true), ',"nodes":[', string_agg(p5.j1, ','))
from
(select concat('{"name":', coalesce(fabric.quoted(o3.data->>'name'), 'null'), ',"sensors":{"nodes":[',
(select string_agg(p8.j1, ',')
from
(select concat('{"name":', coalesce(fabric.quoted(o6.data->>'name'), 'null'), ',"equipment":{"nodes":[',
(select string_agg(p11.j1, ',')
from
(select concat('{"name":', coalesce(fabric.quoted(o9.data->>'name'), 'null'), '}') as j1
from
(select o9.object_id, o9.label, o9.type_name, o9.data, o9.revision, o9.created_at, o9.updated_at, l10.link_id as l_link_id, l10.relation as l_relation, l10.source_id as l_source_id, l10.target_id as l_target_id, l10.label as l_label, l10.weight as l_weight, l10.properties as l_properties, l10.valid_from as l_valid_from, l10.valid_to as l_valid_to, l10.semantic_namespace as l_semantic_namespace, l10.semantic_predicate as l_semantic_predicate, l10.revision as l_revision, l10.created_at as l_created_at, l10.updated_at as l_updated_at from fabric.links l10
join fabric.objects o9 on o9.organization_id = l10.organization_id and o9.object_id = l10.source_id
where l10.organization_id = s.org and l10.target_id = o6.object_id and l10.relation = 'has_sensor' and not l10.tombstone and not o9.tombstone and (o9.type_name in ('Equipment', 'Booster', 'Pump')) is true
order by l10.source_id, l10.link_id
limit $3::bigint) o9
cross join lateral
(select o9.l_link_id as link_id, o9.l_relation as relation, o9.l_source_id as source_id, o9.l_target_id as target_id, o9.l_label as label, o9.l_weight as weight, o9.l_properties as properties, o9.l_valid_from as valid_from, o9.l_valid_to as valid_to, o9.l_semantic_namespace as semantic_namespace, o9.l_semantic_predicate as semantic_predicate, o9.l_revision as revision, o9.l_created_at as created_at, o9.l_updated_at as updated_at) l10) p11), ']}}') as j1
from
(select o6.object_id, o6.label, o6.type_name, o6.data, o6.revision, o6.created_at, o6.updated_at, l7.link_id as l_link_id, l7.relation as l_relation, l7.source_id as l_source_id, l7.target_id as l_target_id, l7.label as l_label, l7.weight as l_weight, l7.properties as l_properties, l7.valid_from as l_valid_from, l7.valid_to as l_valid_to, l7.semantic_namespace as l_semantic_namespace, l7.semantic_predicate as l_semantic_predicate, l7.revision as l_revision, l7.created_at as l_created_at, l7.updated_at as l_updated_at from fabric.links l7
join fabric.objects o6 on o6.organization_id = l7.organization_id and o6.object_id = l7.target_id
where l7.organization_id = s.org and l7.source_id = o3.object_id and l7.relation = 'has_sensor' and not l7.tombstone and not o6.tombstone and o6.type_name = 'Sensor' and (fabric.text(o6.data, 'name') collate "C") >= $4::text and (fabric.text(o6.data, 'name') collate "C") < $5::text
order by l7.target_id, l7.link_id
limit $6::bigint) o6
cross join lateral
(select o6.l_link_id as link_id, o6.l_relation as relation, o6.l_source_id as source_id, o6.l_target_id as target_id, o6.l_label as label, o6.l_weight as weight, o6.l_properties as properties, o6.l_valid_from as valid_from, o6.l_valid_to as valid_to, o6.l_semantic_namespace as semantic_namespace, o6.l_semantic_predicate as semantic_predicate, o6.l_revision as revision, o6.l_created_at as created_at, o6.l_updated_at as updated_at) l7) p8), ']}}') as j1
from
(select o3.object_id, o3.label, o3.type_name, o3.data, o3.revision, o3.created_at, o3.updated_at, l4.link_id as l_link_id, l4.relation as l_relation, l4.source_id as l_source_id, l4.target_id as l_target_id, l4.label as l_label, l4.weight as l_weight, l4.properties as l_properties, l4.valid_from as l_valid_from, l4.valid_to as l_valid_to, l4.semantic_namespace as l_semantic_namespace, l4.semantic_predicate as l_semantic_predicate, l4.revision as l_revision, l4.created_at as l_created_at, l4.updated_at as l_updated_at from fabric.links l4
join fabric.objects o3 on o3.organization_id = l4.organization_id and o3.object_id = l4.source_id
where l4.organization_id = s.org and l4.target_id = o1.object_id and l4.relation = 'located_at' and not l4.tombstone and not o3.tombstone and (o3.type_name in ('Equipment', 'Booster', 'Pump')) is true
order by l4.source_id, l4.link_id
limit $7::bigint) o3
cross join lateral
(select o3.l_link_id as link_id, o3.l_relation as relation, o3.l_source_id as source_id, o3.l_target_id as target_id, o3.l_label as label, o3.l_weight as weight, o3.l_properties as properties, o3.l_valid_from as valid_from, o3.l_valid_to as valid_to, o3.l_semantic_namespace as semantic_namespace, o3.l_semantic_predicate as semantic_predicate, o3.l_revision as revision, o3.l_created_at as created_at, o3.l_updated_at as updated_at) l4) p5), ']}}') as j1
from
(select o1.object_id, o1.label, o1.type_name, o1.data, o1.revision, o1.created_at, o1.updated_at from fabric.objects o1
where o1.organization_id = s.org and not o1.tombstone and o1.type_name = 'Site'
order by o1.object_id
limit $8::bigint) o1) p2), ']}}'), 'UTF8')) r(v)
-- $3: 50
-- $4: 'H'
-- $5: 'I'
-- $6: 3
-- $7: 5
-- $8: 10
