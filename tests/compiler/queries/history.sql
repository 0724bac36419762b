with s as materialized
(select set_config('fabric.organization', $1, true), set_config('fabric.clearance', $2, true), $1::uuid as org) select r.v from s
cross join lateral
(select convert_to(concat('{"equipment":', coalesce((select concat('{"history":{"nodes":[',
(select concat(string_agg(p2.j1, ',') filter (where p2.n <= $5::bigint), '],"pageInfo":{"hasNextPage":', (count(p2.n) > $5::bigint)::text)
from
(select concat('{"__typename":"Event","topic":', to_json(e3.topic), ',"actor":', to_json(e3.actor), ',"label":"', fabric.label_text(e3.label, $4::text[]), '","entityId":', coalesce('"' || e3.entity_id || '"', 'null'), ',"entityType":', to_json(e3.entity_type), ',"from":', coalesce('"' || e3.source_id || '"', 'null'), ',"to":', coalesce('"' || e3.target_id || '"', 'null'), ',"data":', e3.data, '}') as j1, row_number() over () as n, count(*) over () as m
from
(select e.* from fabric.events e
where e.organization_id = s.org and e.entity_id = o1.object_id
order by e.transaction_id, e.position
limit $5::bigint + 1) e3) p2), ',"hasPreviousPage":false}},"newest":{"edges":[',
(select concat(string_agg(p4.j1, ','
order by p4.n desc) filter (where p4.n <= $6::bigint), '],"pageInfo":{"hasPreviousPage":', (count(p4.n) > $6::bigint)::text)
from
(select concat('{"node":{"topic":', to_json(e5.topic), ',"label":"', fabric.label_text(e5.label, $4::text[]), '","data":', e5.data, '}}') as j1, row_number() over () as n, count(*) over () as m
from
(select e.* from fabric.events e
where e.organization_id = s.org and e.entity_id = o1.object_id
order by e.transaction_id desc, e.position desc
limit $6::bigint + 1) e5) p4), '}},"none":{"__typename":"EventConnection"}}') from fabric.objects o1
where o1.organization_id = s.org and o1.object_id = $3::uuid and not o1.tombstone and (o1.type_name in ('Equipment', 'Booster', 'Pump')) is true), 'null'), '}'), 'UTF8')) r(v)
-- $3: UUID('00000000-0000-4000-8000-000000000002')
-- $4: ('ALPHA', 'BRAVO', 'CHARLIE')
-- $5: 1
-- $6: 1
