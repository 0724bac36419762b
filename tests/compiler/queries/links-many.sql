with s as materialized
(select set_config('fabric.organization', $1, true), set_config('fabric.clearance', $2, true), $1::uuid as org) select r.v from s
cross join lateral
(select convert_to(concat('{"equipmentList":{"nodes":[',
(select string_agg(p2.j1, ',')
from
(select concat('{"name":', coalesce(fabric.quoted(o1.data->>'name'), 'null'), ',"sensors":{"nodes":[',
(select string_agg(p5.j1, ',')
from
(select concat('{"name":', coalesce(fabric.quoted(o3.data->>'name'), 'null'), '}') as j1
from
(select o3.object_id, o3.label, o3.type_name, o3.data, o3.revision, o3.created_at, o3.updated_at, l4.link_id as l_link_id, l4.relation as l_relation, l4.source_id as l_source_id, l4.target_id as l_target_id, l4.label as l_label, l4.weight as l_weight, l4.properties as l_properties, l4.valid_from as l_valid_from, l4.valid_to as l_valid_to, l4.semantic_namespace as l_semantic_namespace, l4.semantic_predicate as l_semantic_predicate, l4.revision as l_revision, l4.created_at as l_created_at, l4.updated_at as l_updated_at from fabric.links l4
join fabric.objects o3 on o3.organization_id = l4.organization_id and o3.object_id = l4.target_id
where l4.organization_id = s.org and l4.source_id = o1.object_id and l4.relation = 'has_sensor' and not l4.tombstone and not o3.tombstone and (o3.type_name = 'Sensor') is true
order by l4.target_id, l4.link_id
limit $3::bigint) o3
cross join lateral
(select o3.l_link_id as link_id, o3.l_relation as relation, o3.l_source_id as source_id, o3.l_target_id as target_id, o3.l_label as label, o3.l_weight as weight, o3.l_properties as properties, o3.l_valid_from as valid_from, o3.l_valid_to as valid_to, o3.l_semantic_namespace as semantic_namespace, o3.l_semantic_predicate as semantic_predicate, o3.l_revision as revision, o3.l_created_at as created_at, o3.l_updated_at as updated_at) l4) p5), ']}}') as j1
from
(select o1.object_id, o1.label, o1.type_name, o1.data, o1.revision, o1.created_at, o1.updated_at from fabric.objects o1
where o1.organization_id = s.org and not o1.tombstone and o1.type_name in ('Equipment', 'Booster', 'Pump') and ($4::boolean and (((o1.data ? 'tags')) is not true) or (($4::boolean) is not true) and (((((o1.data ? 'tags')) is not true)) is not true))
order by o1.object_id
limit $5::bigint) o1) p2), ']}}'), 'UTF8')) r(v)
-- $3: 50
-- $4: False
-- $5: 50
