with s as materialized
(select set_config('fabric.organization', $1, true), set_config('fabric.clearance', $2, true), $1::uuid as org) select r.v from s
cross join lateral
(select convert_to(format('{"equipment":%s}', coalesce((select format('{"history":%s,"newest":%s,"none":%s}',
(select format('{"nodes":%s,"pageInfo":%s}', '[' || coalesce(string_agg(p2.j1, ',') filter (where p2.n <= $5::bigint), '') || ']', format('{"hasNextPage":%s,"hasPreviousPage":%s}', (count(p2.n) > $5::bigint)::text, 'false'))
from
(select format('{"__typename":%s,"topic":%s,"actor":%s,"label":%s,"entityId":%s,"entityType":%s,"from":%s,"to":%s,"data":%s}', '"Event"', to_json(e3.topic)::text, to_json(e3.actor)::text, '"' || fabric.label_text(e3.label, $4::text[]) || '"', coalesce('"' || e3.entity_id || '"', 'null'), to_json(e3.entity_type)::text, coalesce('"' || e3.source_id || '"', 'null'), coalesce('"' || e3.target_id || '"', 'null'), e3.data::text) as j1, row_number() over () as n, count(*) over () as m
from
(select e.* from fabric.events e
where e.organization_id = s.org and e.entity_id = o1.object_id
order by e.transaction_id, e.position
limit $5::bigint + 1) e3) p2),
(select format('{"edges":%s,"pageInfo":%s}', '[' || coalesce(string_agg(p4.j1, ','
order by p4.n desc) filter (where p4.n <= $6::bigint), '') || ']', format('{"hasPreviousPage":%s}', (count(p4.n) > $6::bigint)::text))
from
(select format('{"node":%s}', format('{"topic":%s,"label":%s,"data":%s}', to_json(e5.topic)::text, '"' || fabric.label_text(e5.label, $4::text[]) || '"', e5.data::text)) as j1, row_number() over () as n, count(*) over () as m
from
(select e.* from fabric.events e
where e.organization_id = s.org and e.entity_id = o1.object_id
order by e.transaction_id desc, e.position desc
limit $6::bigint + 1) e5) p4), format('{"__typename":%s}', '"EventConnection"')) from fabric.objects o1
where o1.organization_id = s.org and o1.object_id = $3::uuid and not o1.tombstone and o1.type_name in ('Equipment', 'Booster', 'Pump')), 'null')), 'UTF8')) r(v)
-- $3: UUID('00000000-0000-4000-8000-000000000002')
-- $4: ('ALPHA', 'BRAVO', 'CHARLIE')
-- $5: 1
-- $6: 1
