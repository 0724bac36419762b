with s as materialized
(select set_config('fabric.organization', $1, true), set_config('fabric.clearance', $2, true), $1::uuid as org) select r.v from s
cross join lateral
(select convert_to(concat('{"pump":', coalesce((select concat('{"site":', coalesce((select concat('{"code":', coalesce(fabric.quoted(o2.data->>'code'), 'null'), ',"keeper":', coalesce((select concat('{"name":', coalesce(fabric.quoted(o4.data->>'name@3000000000000001'), 'null'), '}') from fabric.links l5
join fabric.objects o4 on o4.organization_id = l5.organization_id and o4.object_id = l5.target_id
where l5.organization_id = s.org and l5.source_id = o2.object_id and l5.relation = 'kept_by' and not l5.tombstone and not o4.tombstone and (o4.type_name = 'Person') is true
order by l5.label >> 60 desc, bit_count(l5.label::bit(64)) desc, l5.label desc, l5.link_id
limit 1), 'null'), '}') from fabric.links l3
join fabric.objects o2 on o2.organization_id = l3.organization_id and o2.object_id = l3.target_id
where l3.organization_id = s.org and l3.source_id = o1.object_id and l3.relation = 'located_at' and not l3.tombstone and not o2.tombstone and (o2.type_name = 'Site') is true
order by l3.label >> 60 desc, bit_count(l3.label::bit(64)) desc, l3.label desc, l3.link_id
limit 1), 'null'), '}') from fabric.objects o1
where o1.organization_id = s.org and o1.object_id = $3::uuid and not o1.tombstone and (o1.type_name in ('Pump', 'Booster')) is true), 'null'), '}'), 'UTF8')) r(v)
-- $3: UUID('00000000-0000-4000-8000-000000000002')
