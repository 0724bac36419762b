with s as materialized
(select set_config('fabric.organization', $1, true), set_config('fabric.clearance', $2, true), $1::uuid as org) select r.v from s
cross join lateral
(select convert_to(concat('{"equipmentListAggregate":{"count":',
(select concat(coalesce(t1.a1::text, 'null'), ',"groups":[', g2.j1, '],"hasMoreGroups":', g2.more)
from
(select count(*) as a1 from fabric.objects o3
where o3.organization_id = s.org and not o3.tombstone and o3.type_name in ('Equipment', 'Booster', 'Pump')) t1 cross join
(select string_agg(r5.j1, ',') filter (where r5.n <= $4::bigint) as j1, (count(*) > $4::bigint)::text as more
from
(select concat('{"key":{"status":', coalesce(to_json(g2.k1)::text, 'null'), ',"installedAt":', coalesce(to_json(to_char(g2.k2, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))::text, 'null'), ',"label":', coalesce('"' || fabric.label_text(g2.k3, $3::text[]) || '"', 'null'), '},"count":', coalesce(g2.a1::text, 'null'), ',"fields":{"name":{"min":', coalesce(to_json(g2.a2)::text, 'null'), ',"max":', coalesce(to_json(g2.a3)::text, 'null'), '},"runtime":{"avg":', coalesce('"' || fabric.duration_text(g2.a4) || '"', 'null'), '}}}') as j1, row_number() over () as n
from
(select g2.*
from
(select (fabric.text(o4.data, 'status') collate "C") as k1, date_trunc('quarter', (fabric.text(o4.data, 'installedAt') collate "C")::timestamp) as k2, o4.label as k3, count(*) as a1, min((fabric.text(o4.data, 'name') collate "C")) as a2, max((fabric.text(o4.data, 'name') collate "C")) as a3, round(round(sum(extract(epoch from fabric.duration(fabric.text(o4.data, 'runtime#p')))), 6) / count(extract(epoch from fabric.duration(fabric.text(o4.data, 'runtime#p')))), 6) as a4 from fabric.objects o4
where o4.organization_id = s.org and not o4.tombstone and o4.type_name in ('Equipment', 'Booster', 'Pump') group by 1, 2, 3) g2
where g2.a1 < $5::bigint
order by g2.k1, g2.k2, g2.k3
limit $4::bigint + 1) g2) r5) g2), '}}'), 'UTF8')) r(v)
-- $3: ('ALPHA', 'BRAVO', 'CHARLIE')
-- $4: 2
-- $5: 9
