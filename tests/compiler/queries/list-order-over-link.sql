with s as materialized
(select set_config('fabric.organization', $1, true), set_config('fabric.clearance', $2, true), $1::uuid as org) select r.v from s
cross join lateral
(select convert_to(concat('{"equipmentList":{"edges":[',
(select string_agg(p2.j1, ',')
from
(select concat('{"cursor":"', fabric.cursor($3::bytea, $4::bytea, jsonb_build_array((select (fabric.text(o3.data, 'name') collate "C") from fabric.links l4
join fabric.objects o3 on o3.organization_id = l4.organization_id and o3.object_id = l4.target_id
where l4.organization_id = s.org and l4.source_id = o1.object_id and l4.relation = 'located_at' and not l4.tombstone and not o3.tombstone and (o3.type_name = 'Site') is true
order by l4.label >> 60 desc, bit_count(l4.label::bit(64)) desc, l4.label desc, l4.link_id
limit 1), (fabric.text(o1.data, 'name') collate "C"), o1.object_id::text)), '","node":{"name":', coalesce(fabric.quoted(o1.data->>'name'), 'null'), ',"site":', coalesce((select concat('{"name":', coalesce(fabric.quoted(o5.data->>'name'), 'null'), '}') from fabric.links l6
join fabric.objects o5 on o5.organization_id = l6.organization_id and o5.object_id = l6.target_id
where l6.organization_id = s.org and l6.source_id = o1.object_id and l6.relation = 'located_at' and not l6.tombstone and not o5.tombstone and (o5.type_name = 'Site') is true
order by l6.label >> 60 desc, bit_count(l6.label::bit(64)) desc, l6.label desc, l6.link_id
limit 1), 'null'), '}}') as j1
from
(select o1.object_id, o1.label, o1.type_name, o1.data, o1.revision, o1.created_at, o1.updated_at from fabric.objects o1
where o1.organization_id = s.org and not o1.tombstone and o1.type_name in ('Equipment', 'Booster', 'Pump') and ((select (fabric.text(o7.data, 'name') collate "C") from fabric.links l8
join fabric.objects o7 on o7.organization_id = l8.organization_id and o7.object_id = l8.target_id
where l8.organization_id = s.org and l8.source_id = o1.object_id and l8.relation = 'located_at' and not l8.tombstone and not o7.tombstone and (o7.type_name = 'Site') is true
order by l8.label >> 60 desc, bit_count(l8.label::bit(64)) desc, l8.label desc, l8.link_id
limit 1) = $5::text and (fabric.text(o1.data, 'name') collate "C") = $6::text and o1.object_id > $7::text::uuid or
(select (fabric.text(o7.data, 'name') collate "C") from fabric.links l8
join fabric.objects o7 on o7.organization_id = l8.organization_id and o7.object_id = l8.target_id
where l8.organization_id = s.org and l8.source_id = o1.object_id and l8.relation = 'located_at' and not l8.tombstone and not o7.tombstone and (o7.type_name = 'Site') is true
order by l8.label >> 60 desc, bit_count(l8.label::bit(64)) desc, l8.label desc, l8.link_id
limit 1) = $5::text and (fabric.text(o1.data, 'name') collate "C") > $6::text or
(select (fabric.text(o7.data, 'name') collate "C") from fabric.links l8
join fabric.objects o7 on o7.organization_id = l8.organization_id and o7.object_id = l8.target_id
where l8.organization_id = s.org and l8.source_id = o1.object_id and l8.relation = 'located_at' and not l8.tombstone and not o7.tombstone and (o7.type_name = 'Site') is true
order by l8.label >> 60 desc, bit_count(l8.label::bit(64)) desc, l8.label desc, l8.link_id
limit 1) < $5::text or
(select (fabric.text(o7.data, 'name') collate "C") from fabric.links l8
join fabric.objects o7 on o7.organization_id = l8.organization_id and o7.object_id = l8.target_id
where l8.organization_id = s.org and l8.source_id = o1.object_id and l8.relation = 'located_at' and not l8.tombstone and not o7.tombstone and (o7.type_name = 'Site') is true
order by l8.label >> 60 desc, bit_count(l8.label::bit(64)) desc, l8.label desc, l8.link_id
limit 1) is null)
order by
(select (fabric.text(o9.data, 'name') collate "C") from fabric.links l10
join fabric.objects o9 on o9.organization_id = l10.organization_id and o9.object_id = l10.target_id
where l10.organization_id = s.org and l10.source_id = o1.object_id and l10.relation = 'located_at' and not l10.tombstone and not o9.tombstone and (o9.type_name = 'Site') is true
order by l10.label >> 60 desc, bit_count(l10.label::bit(64)) desc, l10.label desc, l10.link_id
limit 1) desc nulls last, (fabric.text(o1.data, 'name') collate "C"), o1.object_id
limit $8::bigint) o1) p2), ']}}'), 'UTF8')) r(v)
-- $3: 64 bytes
-- $4: 64 bytes
-- $5: 'North'
-- $6: 'Pump'
-- $7: '00000000-0000-4000-8000-000000000002'
-- $8: 2
