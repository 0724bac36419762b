with s as materialized
(select set_config('fabric.organization', $1, true), set_config('fabric.clearance', $2, true), $1::uuid as org) select r.v from s
cross join lateral
(select convert_to(concat('{"sites":{"nodes":[',
(select string_agg(p2.j1, ',')
from
(select concat('{"name":', coalesce(fabric.quoted(o1.data->>'name'), 'null'), ',"equipmentAggregate":{"count":',
(select concat(coalesce(t3.a1::text, 'null'), ',"fields":{"rating":{"max":', coalesce(t3.a2::text, 'null'), '}},"groups":[', g4.j1)
from
(select count(*) as a1, fabric.nearest_float(max(fabric.field(o5.data, 'rating#f')::numeric)) as a2 from fabric.links l6
join fabric.objects o5 on o5.organization_id = l6.organization_id and o5.object_id = l6.source_id
where l6.organization_id = s.org and l6.target_id = o1.object_id and l6.relation = 'located_at' and not l6.tombstone and not o5.tombstone and o5.type_name in ('Equipment', 'Booster', 'Pump') and ($3::boolean and (((o5.data ? 'rating#f')) is not true) or (($4::boolean) is not true) and (((((o5.data ? 'rating#f')) is not true)) is not true))) t3 cross join
(select string_agg(r9.j1, ',') as j1
from
(select concat('{"key":{"status":', coalesce(to_json(g4.k1)::text, 'null'), '},"count":', coalesce(g4.a1::text, 'null'), '}') as j1
from
(select g4.*
from
(select (fabric.text(o7.data, 'status') collate "C") as k1, count(*) as a1 from fabric.links l8
join fabric.objects o7 on o7.organization_id = l8.organization_id and o7.object_id = l8.source_id
where l8.organization_id = s.org and l8.target_id = o1.object_id and l8.relation = 'located_at' and not l8.tombstone and not o7.tombstone and o7.type_name in ('Equipment', 'Booster', 'Pump') and ($3::boolean and (((o7.data ? 'rating#f')) is not true) or (($4::boolean) is not true) and (((((o7.data ? 'rating#f')) is not true)) is not true)) group by 1) g4
where true
order by g4.k1
limit $5::bigint) g4) r9) g4), ']}}') as j1
from
(select o1.object_id, o1.label, o1.type_name, o1.data, o1.revision, o1.created_at, o1.updated_at from fabric.objects o1
where o1.organization_id = s.org and not o1.tombstone and o1.type_name = 'Site'
order by o1.object_id
limit $6::bigint) o1) p2), ']}}'), 'UTF8')) r(v)
-- $3: False
-- $4: False
-- $5: 50
-- $6: 50
